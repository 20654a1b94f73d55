import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { asciiText, textDecoding, type TextKind } from '../../../src/dicom/charset.ts';
import { inspectPart10, items, personName, text } from '../../../src/dicom/index.ts';
import { parsePart10 } from '../../../src/dicom/parse.ts';
import { toJson } from '../../../src/dicom/json.ts';
import { missing, sharedPath } from '../../peers/index.ts';

interface CharsetFile {
  readonly path: string;
  readonly expected_text: {
    readonly PatientName?: string | null;
    readonly [keyword: string]: string | null | undefined;
  };
}

const files: CharsetFile[] = missing('shared')
  ? []
  : (JSON.parse(readFileSync(sharedPath('data/index.json'), 'utf8')) as { files: CharsetFile[] }).files.filter((f) =>
      f.path.startsWith('dicom-charset/'),
    );
// A trailing empty group of a name (`Zhang^XiaoDong=张^小东=`) has no place in the DICOM JSON Model.
const withoutEmptyGroups = (name: string): string => name.replace(/=+$/, '');

describe.skipIf(missing('shared'))('the published character set files', () => {
  it('are 43', () => expect(files).toHaveLength(43));

  it.each(files.filter((f) => f.expected_text.PatientName))(
    '$path gives the names of the index',
    ({ path, expected_text }) => {
      const { attributes } = inspectPart10(readFileSync(sharedPath('data', path)));
      for (const [keyword, expected] of Object.entries(expected_text)) {
        const got = keyword.endsWith('Name') ? personName(attributes, keyword) : text(attributes, keyword);
        expect(got, keyword).toBe(withoutEmptyGroups(expected!));
      }
    },
  );

  it('a name of 8-bit bytes without a character set is refused, or marked where asked', () => {
    const file = readFileSync(sharedPath('data/dicom-charset/own-none-latin1.dcm'));
    expect(() => inspectPart10(file)).toThrow(expect.objectContaining({ code: 'charset-undecodable' }));
    const marked = inspectPart10(file, { undecodable: 'mark' });
    expect(marked.undecodable).toContain('00100010');
    expect(personName(marked.attributes, 'PatientName')).toMatch(/^M\ufffdller/);
  });

  it('an item with its own character set is decoded in that', () => {
    // The file has no UIDs, so it is parsed and not inspected. The name is what pydicom 3.0.2 reads.
    const parsed = parsePart10(readFileSync(sharedPath('data/dicom-charset/chrSQEncoding.dcm')));
    const { attributes, undecodable } = toJson(parsed);
    const [item] = items(attributes, 'RequestedProcedureCodeSequence');
    expect(undecodable).toEqual([]);
    expect(personName(item!, 'PatientName')).toBe('ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう');
  });
});

/** PS3.5 annexes H to K print their examples as column/row pairs; here as hex. */
function decode(terms: string, hex: string, kind: TextKind = 'name'): { values: readonly string[]; damaged: boolean } {
  return textDecoding(terms.split('\\')).values(Buffer.from(hex.replaceAll(' ', ''), 'hex'), kind);
}

describe('code extensions', () => {
  it('H.3.1 example 1: romaji, kanji and hiragana of one name', () => {
    const hex =
      '59 61 6d 61 64 61 5e 54 61 72 6f 75 3d 1b 24 42 3b 33 45 44 1b 28 42 5e 1b 24 42 42 40 4f 3a 1b 28 42 3d' +
      '1b 24 42 24 64 24 5e 24 40 1b 28 42 5e 1b 24 42 24 3f 24 6d 24 26 1b 28 42';
    expect(decode('\\ISO 2022 IR 87', hex)).toEqual({
      values: ['Yamada^Tarou=山田^太郎=やまだ^たろう'],
      damaged: false,
    });
  });

  it('a 5C inside a two-byte character separates nothing', () => {
    // JIS X 0208: 4D 5C is 養 (Python's iso2022_jp says the same).
    expect(decode('\\ISO 2022 IR 87', '1b 24 42 4d 5c 1b 28 42 5c 41', 'strings').values).toEqual(['養', 'A']);
  });

  it('an escape sequence that is never closed does not leak into the next value', () => {
    expect(decode('\\ISO 2022 IR 149', '1b 24 29 43 c8 ab 5c 41 c8', 'strings')).toEqual({
      values: ['홍', 'A\ufffd'],
      damaged: true,
    });
    expect(decode('\\ISO 2022 IR 149', '1b 24 29 43 c8 ab 5e 41', 'name').values).toEqual(['홍^A']);
  });

  it('the first set holds again after a delimiter', () => {
    expect(decode('ISO 2022 IR 100\\ISO 2022 IR 126', '4d fc 1b 2d 46 cd 5e 4d fc').values).toEqual(['MüΝ^Mü']);
  });

  it('an unknown escape sequence is damage', () => {
    expect(decode('\\ISO 2022 IR 87', '1b 25 47 41').damaged).toBe(true);
  });

  it('half a two-byte character is damage', () => {
    expect(decode('\\ISO 2022 IR 149', '1b 24 29 43 c8').damaged).toBe(true);
    expect(decode('\\ISO 2022 IR 87', '1b 24 42 3b').damaged).toBe(true);
  });

  it('without code extensions an escape character only vanishes', () => {
    expect(decode('ISO_IR 192', '44 6f 65 1b 5b 32 4a').values).toEqual(['Doe[2J']);
  });
});

describe('sets', () => {
  it('GB18030 and GBK trail bytes 5C, 5E and 7C are parts of characters', () => {
    expect(decode('GB18030', '81 5c 5e 81 5e 3d 81 7c', 'name').values).toEqual(['乗^乛=亅']);
    expect(decode('GBK', '81 5c 5c 41', 'strings').values).toEqual(['乗', 'A']);
  });

  it.each(['ISO-IR 100', 'ISO_IR_100', 'ISO IR 100', 'iso_ir 100', 'ISO 2022 IR 100'])('%s is Latin-1', (term) => {
    expect(decode(term, '4d fc').values).toEqual(['Mü']);
  });

  it('an unknown set decodes plain ASCII and nothing else', () => {
    expect(decode('ISO_IR 999', '41 42')).toEqual({ values: ['AB'], damaged: false });
    expect(decode('ISO_IR 999', '4d fc').damaged).toBe(true);
  });

  it('C1 control bytes are no characters of a Latin set', () => {
    expect(decode('ISO_IR 100', '41 85').damaged).toBe(true);
  });

  it('broken UTF-8 is damage, and a byte order mark is kept', () => {
    expect(decode('ISO_IR 192', '4d ff fe').damaged).toBe(true);
    expect(decode('ISO_IR 192', 'ef bb bf 41').values).toEqual(['\ufeffA']);
  });

  it('a backslash in a text is a character, in strings it separates', () => {
    expect(decode('ISO_IR 100', '41 5c 42', 'text').values).toEqual(['A\\B']);
    expect(decode('ISO_IR 100', '41 5c 42', 'strings').values).toEqual(['A', 'B']);
  });

  it('plain representations keep an 8-bit byte as its Latin-1 letter', () => {
    expect(asciiText(Buffer.from('41fc', 'hex'))).toBe('Aü');
  });
});
