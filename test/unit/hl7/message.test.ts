import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeMessage,
  encodeText,
  escapeField,
  isHl7Time,
  isoFromHl7,
  hl7Day,
  makeAck,
  parseMessage,
  parseText,
  readAck,
  readHeader,
  unpackBatch,
  unescapeText,
  usualSeparators,
} from '../../../src/hl7/index.ts';

const message = (...segments: string[]): string =>
  ['MSH|^~\\&|RIS|HOSP|||20260105||ADT^A08|X1|P|2.5.1|||AL|NE||UNICODE UTF-8', ...segments].join('\r');

describe('an HL7 v2 message', () => {
  it('gives fields by the numbers of the standard, MSH-1 the separator itself', () => {
    const msh = parseText(message()).segment('MSH')!;
    expect([msh.raw(1), msh.raw(2), msh.text(3), msh.text(9, 2), msh.text(10), msh.text(18)]).toEqual([
      '|',
      '^~\\&',
      'RIS',
      'A08',
      'X1',
      'UNICODE UTF-8',
    ]);
  });

  it('gives repetitions, components and subcomponents', () => {
    const pid = parseText(message('PID|1||A^^^H&1.2.3&ISO^MR~B^^^S^SS')).segment('PID')!;
    expect(pid.repetitions(3).map((r) => [r.text(1), r.text(4, 1), r.text(4, 2), r.text(5)])).toEqual([
      ['A', 'H', '1.2.3', 'MR'],
      ['B', 'S', '', 'SS'],
    ]);
  });

  it('tells a value that is to be deleted from one that is not sent', () => {
    const pid = parseText(message('PID|1||A||||""|')).segment('PID')!;
    expect([pid.isNull(7), pid.text(7), pid.isNull(8), pid.text(8)]).toEqual([true, '', false, '']);
  });

  it.each([
    ['a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f', 'a|b^c&d~e\\f'],
    ['x\\.br\\y', 'x\ny'],
    ['\\H\\bold\\N\\', 'bold'],
    ['\\X41\\', 'A'],
    ['\\XC3A9\\', 'é'],
    ['\\XFF\\', '\\XFF\\'],
    ['\\C2842\\ \\Zloc\\', '\\C2842\\ \\Zloc\\'],
    ['odd\\', 'odd\\'],
    ['', ''],
  ])('resolves the escapes of %j', (raw, text) => {
    expect(unescapeText(raw, usualSeparators, 'UNICODE UTF-8')).toBe(text);
  });

  it('keeps any text of ours, line ends apart, and no text makes a field or segment', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const escaped = escapeField(text);
        expect(escaped).not.toMatch(/[|^~&\r\n]/);
        const back = parseText(message(`OBX|1|TX|||${escaped}`))
          .segment('OBX')!
          .text(5);
        expect(back).toBe(text === '""' ? '' : text.replace(/\r\n|\r/g, '\n'));
      }),
    );
  });

  it('is refused without MSH or without its delimiters', () => {
    for (const text of ['', 'PID|1', 'MSH|^~', 'MSHA^~\\&']) expect(() => parseText(text)).toThrow(/MSH/);
  });

  it('is found in a batch, each with its own bytes', () => {
    const one = message();
    const batch = `FHS|^~\\&|A\rBHS|^~\\&|A\r${one}\rPID|1||A\r${one}\rBTS|3\rFTS|1\r`;
    const { messages, announced } = unpackBatch(Buffer.from(batch));
    expect(messages.map((m) => Buffer.from(m).toString())).toEqual([`${one}\rPID|1||A\r`, `${one}\r`]);
    expect(announced).toBe(3);
    expect(unpackBatch(Buffer.from('\r\n')).messages).toEqual([]);
  });
});

describe('the character set of MSH-18', () => {
  const withCharset = (name: string, content: readonly number[]): Uint8Array =>
    Buffer.concat([Buffer.from(`MSH|^~\\&|||||||ADT^A08|1|P|2.5.1||||||${name}\rPID|||||`), Uint8Array.from(content)]);
  const family = (bytes: Uint8Array): string => parseMessage(bytes).segment('PID')!.text(5);

  it.each([
    // Bytes as Python's codecs give them.
    ['8859/1', [0x80, 0xfc], '\u0080ü'],
    ['8859/2', [0xa3], 'Ł'],
    ['8859/5', [0xbf], 'П'],
    ['8859/7', [0xd0], 'Π'],
    ['8859/15', [0xa4], '€'],
    ['GB 18030-2000', [0xe2, 0x7c], '鈢'],
    ['KS X 1001', [0xb1, 0xe8], '김'],
    ['BIG-5', [0xa4, 0xfd], '王'],
    ['ISO IR87', [0x1b, 0x24, 0x42, 0x3b, 0x33, 0x1b, 0x28, 0x42], '山'],
    ['ISO IR14', [0xd4, 0xcf], 'ﾔﾏ'],
    ['UNICODE UTF-8', [0xc3, 0xa9], 'é'],
    ['', [0xc3, 0xa9], 'é'],
    ['', [0xe9], 'é'],
  ] as const)('%j decodes as it should', (name, content, text) => {
    expect(family(withCharset(name, content))).toBe(text);
  });

  it('that does not fit the bytes, or is none, is an error and never a replacement character', () => {
    expect(() => family(withCharset('UNICODE UTF-8', [0xe9]))).toThrow(/no UNICODE UTF-8/);
    expect(() => family(withCharset('ISO IR999', [0x41]))).toThrow(/not known/);
    expect(() => decodeMessage(Buffer.from('MSH|^~\\&|', 'utf16le'))).toThrow(/UTF-16/);
  });

  it('of what we write is kept or refused', () => {
    expect([...encodeText('ü', '8859/1')]).toEqual([0xfc]);
    expect(() => encodeText('Ł', '8859/1')).toThrow(/U\+0141/);
    expect(() => encodeText('ü', 'ASCII')).toThrow(/U\+00FC/);
  });
});

describe('times', () => {
  it.each([
    ['2026', true],
    ['202604', true],
    ['20260412093015.1234+0100', true],
    ['19611399', false],
    ['20260230', false],
    ['2026041225', false],
    ['12.04.2026', false],
  ])('%s exists: %s', (text, there) => {
    expect(isHl7Time(text)).toBe(there);
  });

  it('keep how exact they are', () => {
    expect(['196104', '1961', '19610412', ''].map(hl7Day)).toEqual(['1961-04', '1961', '1961-04-12', '']);
  });

  it('without a zone are local to the sender, with one they are not', () => {
    expect(isoFromHl7('20260704120000', 'Europe/Vienna')).toBe('2026-07-04T10:00:00.000Z');
    expect(isoFromHl7('20260104120000', 'Europe/Vienna')).toBe('2026-01-04T11:00:00.000Z');
    expect(isoFromHl7('20260104120000-0500', 'Europe/Vienna')).toBe('2026-01-04T17:00:00.000Z');
  });
});

describe('an acknowledgement', () => {
  const now = new Date('2026-01-05T10:00:00Z');
  const header = readHeader(Buffer.from('MSH#*!$%#RIS#HOSP#PL#AI#2026##ORM*O01#M 1\\x#P#2.3.1'))!;

  it('turns sender and receiver round, speaks with their delimiters and echoes MSH-10 exactly', () => {
    const [msh, msa] = makeAck(header, 'AA', now).split('\r');
    expect(msh).toMatch(/^MSH#\*!\$%#PL#AI#RIS#HOSP#20260105100000\+0000##ACK\*O01#A[0-9A-F]{19}#P#2\.3\.1$/);
    expect(msa).toBe('MSA#AA#M 1\\x');
  });

  it('names the place of an error in ERR-1 before version 2.5, in ERR-2 and ERR-3 from then on', () => {
    const error = { condition: 101, location: 'PID-3', text: 'no number' } as const;
    expect(makeAck(header, 'AE', now, error)).toContain('\rERR#PID*1*3*101%Required field missing%HL70357\r');
    const newer = readHeader(Buffer.from('MSH|^~\\&|RIS|HOSP|||2026||ORM^O01|M1|P|2.5.1'))!;
    expect(makeAck(newer, 'AE', now, error)).toContain(
      '\rERR||PID^1^3|101^Required field missing^HL70357|E||||no number\r',
    );
  });

  it('reads back, condition and words too', () => {
    const newer = readHeader(Buffer.from('MSH|^~\\&|RIS|HOSP|||2026||ORM^O01|M1|P|2.5.1'))!;
    for (const h of [header, newer]) {
      const error = { condition: 207, location: '', text: 'later' } as const;
      const ack = readAck(Buffer.from(makeAck(h, 'AE', now, error)));
      expect(ack).toMatchObject({ code: 'AE', condition: '207' });
    }
    expect(() => readAck(Buffer.from(message()))).toThrow(/no MSA/);
  });

  it('of a message without header has an empty MSA-2', () => {
    expect(makeAck(undefined, 'AR', now, { condition: 100, location: 'MSH', text: '' })).toContain('\rMSA|AR||');
  });
});
