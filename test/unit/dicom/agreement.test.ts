import { readFileSync, writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { DicomJson } from '../../../src/base/index.ts';
import {
  inspectPart10,
  number,
  sopClasses,
  texts,
  transferSyntaxes,
  vrOf,
  isKeyword,
  tagOf,
} from '../../../src/dicom/index.ts';
import { missing, python, sharedPath } from '../../peers/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'plumbline-agreement-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Every value that pydicom finds, as [path of tags, values]; long and private values left out. */
const dump = `
import json, sys, pydicom, warnings
from pydicom.multival import MultiValue
warnings.simplefilter('ignore')
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
skipped = {'7FE00010', '7FE00008', '7FE00009', '7FE00001', '7FE00002', 'FFFCFFFC'}
def walk(ds, path, out):
    for e in ds:
        tag = '%08X' % int(e.tag)
        if tag in skipped or e.tag.is_private or e.tag.element == 0: continue
        here = path + '/' + tag
        if e.VR == 'SQ':
            out.append([here, 'SQ', [str(len(e.value))]])
            for i, item in enumerate(e.value): walk(item, here + '.' + str(i), out)
        elif e.VR in ('OB','OW','OF','OD','OL','OV','UN') or ' or ' in e.VR: continue
        else:
            v = e.value
            values = [] if v is None or (isinstance(v, (str, pydicom.valuerep.PersonName)) and str(v) == '') else list(v) if isinstance(v, (MultiValue, list)) else [v]
            if e.VR in ('US','SS','UL','SL','FL','FD','UV','SV') and len(values) * 2 > 4096: continue
            if e.VR == 'AT': values = ['%08X' % int(x) for x in values]
            out.append([here, e.VR, [str(x).strip().rstrip('=') for x in values]])
for line in open(sys.argv[1]):
    ds = pydicom.dcmread(line.strip())
    out = []
    walk(ds, '', out)
    print(json.dumps(out))
`;

type Value = [path: string, vr: string, values: string[]];

/** The same list from our attributes, for the paths that pydicom named. */
function ours(attributes: DicomJson, path: string): string[] | undefined {
  const steps = path.slice(1).split('/');
  let dataset: DicomJson | undefined = attributes;
  for (const step of steps.slice(0, -1)) {
    const [tag, index] = step.split('.') as [string, string];
    dataset = dataset?.[tag]?.Value?.[Number(index)] as DicomJson | undefined;
  }
  const element = dataset?.[steps.at(-1)!];
  if (element === undefined) return undefined;
  if (element.vr === 'SQ') return [String(element.Value?.length ?? 0)];
  return texts({ [tagOf('PatientName')]: element }, 'PatientName').map((t) => t.trim());
}

/** Names without the words that PS3.6 adds or drops from edition to edition. */
function letters(name: string): string {
  return name
    .replace(/ \((retired|Process 14.*)\)$| Image Compression|Image Compression |, First-Order.*/gi, '')
    .replace(/[^a-z0-9]/gi, '')
    .toLowerCase();
}

function same(vr: string, theirs: readonly string[], mine: readonly string[] | undefined): boolean {
  if (mine === undefined || mine.length !== theirs.length) return false;
  const numeric = ['DS', 'IS', 'FL', 'FD'].includes(vr);
  return theirs.every((t, i) => t === mine[i] || (numeric && Number(t) === Number(mine[i])));
}

describe.skipIf(missing('python', 'shared'))('pydicom', () => {
  const index = missing('shared')
    ? []
    : (JSON.parse(readFileSync(sharedPath('data/index.json'), 'utf8')) as { files: { path: string }[] }).files;

  it('finds the same values in every published file', async () => {
    const files = index.map((f) => sharedPath('data', f.path)).filter((p) => p.includes('/dicom/'));
    const readable = files.flatMap((path) => {
      try {
        return [{ path, attributes: inspectPart10(readFileSync(path)).attributes }];
      } catch {
        return []; // refused; their number is checked below
      }
    });
    // Refused: nine without usable UIDs, DICOMDIR, one without group 2, one private transfer syntax.
    expect(files.length - readable.length).toBe(12);
    writeFileSync(join(folder, 'list'), readable.map((r) => r.path).join('\n'));
    const { stdout, stderr } = await python(dump, [join(folder, 'list')]);
    expect(stderr).toBe('');
    const lines = stdout.trim().split('\n');
    expect(lines).toHaveLength(readable.length);
    const different: string[] = [];
    let compared = 0;
    lines.forEach((line, i) => {
      for (const [path, vr, theirs] of JSON.parse(line) as Value[]) {
        compared++;
        const mine = ours(readable[i]!.attributes, path);
        if (!same(vr, theirs, mine))
          different.push(`${readable[i]!.path} ${path} ${vr} ${theirs.join('|')} / ${mine?.join('|')}`);
      }
    });
    expect(different).toEqual([]);
    expect(compared).toBeGreaterThan(25_000);
  });

  it('has the same dictionary for every keyword that both know', async () => {
    const { stdout } = await python(`
import json
from pydicom.datadict import DicomDictionary
print(json.dumps([[ '%08X' % t, v[0], v[4] ] for t, v in DicomDictionary.items() if v[4] and not v[3] and v[0] != 'NONE']))
`);
    const entries = (JSON.parse(stdout) as [string, string, string][]).filter(([, , keyword]) => isKeyword(keyword));
    expect(entries.length).toBeGreaterThan(4000);
    const different = entries.filter(
      ([tag, vr, keyword]) => tagOf(keyword) !== tag || !vr.split(' or ').includes(vrOf(keyword)),
    );
    expect(different).toEqual([]);
  });

  it('knows our SOP classes and transfer syntaxes by the same names', async () => {
    const { stdout } = await python(`
import json
from pydicom.uid import UID_dictionary
print(json.dumps({u: v[0] for u, v in UID_dictionary.items()}))
`);
    const names = JSON.parse(stdout) as Record<string, string>;
    const wrong = [...sopClasses, ...transferSyntaxes].filter(
      ([uid, { name }]) => names[uid] !== undefined && letters(names[uid]) !== letters(name),
    );
    expect(wrong.map(([uid, { name }]) => [uid, name, names[uid]])).toEqual([]);
    // Newer than pydicom's dictionary.
    const unknown = [...sopClasses.keys(), ...transferSyntaxes.keys()].filter((uid) => names[uid] === undefined);
    expect(unknown.map((uid) => uid.replace('1.2.840.10008.', ''))).toEqual([
      '5.1.4.1.1.66.7',
      '5.1.4.1.1.66.8',
      '1.2.4.110',
      '1.2.4.111',
      '1.2.4.112',
      '1.2.8.1',
    ]);
  });

  it('says of every class in the published files whether it has frames', () => {
    for (const { path } of index.filter((f) => f.path.startsWith('dicom/'))) {
      let file;
      try {
        file = inspectPart10(readFileSync(sharedPath('data', path)));
      } catch {
        continue;
      }
      const known = sopClasses.get(file.sopClass);
      expect(known, `${path} ${file.sopClass}`).toBeDefined();
      // Has 2 frames under Secondary Capture, a single-frame class: a fault of its writer.
      if (path.endsWith('sc-rgb-rle-2f.dcm')) continue;
      if ((number(file.attributes, 'NumberOfFrames') ?? 1) > 1) expect(known!.multiFrame, path).toBe(true);
    }
  });
});
