import { joined } from '../../src/base/index.ts';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkDicom, encodeSeg, encodeSr, type DicomObject, type EncodingInput } from '../../src/outputs/index.ts';
import { sampleInput } from '../../test/builders/encodings.ts';
import { writeSources } from '../../test/builders/segmented.ts';
import { peers, python, runPeer } from '../../test/peers/index.ts';
import { segDefects, type Defect } from '../../test/builders/defects/seg.ts';
import { spoil } from '../../test/builders/defects/spoil.ts';
import { srDefects } from '../../test/builders/defects/sr.ts';

/** Who catches one defect. */
export interface DicomRow {
  readonly defect: Defect;
  readonly dciodvfy: boolean;
  readonly dcentvfy: boolean;
  readonly dsrdump: boolean | undefined;
  readonly highdicom: boolean;
  /** Names of our checks that fail. */
  readonly ours: readonly string[];
}

interface Base {
  readonly name: string;
  readonly input: EncodingInput;
  readonly segs: readonly DicomObject[];
  readonly sr: DicomObject;
}

function base(name: string, input: EncodingInput): Base {
  const segs = encodeSeg(input);
  return { name, input, segs, sr: encodeSr(input, segs) };
}

/** Encodings of one draft in the forms that the defects need. A report with `narrow` is a Comprehensive SR. */
const bases = {
  binary: base('binary', sampleInput()),
  narrow: base('narrow', sampleInput({ rows: 10, columns: 11, planes: 5, profile: { strictBinary: true, srClass: 'comprehensive' } })), // prettier-ignore
  fractional: base('fractional', sampleInput({ rows: 10, columns: 11, planes: 5 })),
};

/** Each defect of SEG and SR, made once, and what everyone says to it. */
export async function dicomRows(): Promise<DicomRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'mutations-'));
  try {
    const sources = Object.fromEntries(Object.values(bases).map((b) => [b.name, sourcesOf(folder, b)]));
    const clean = await judge(folder, Object.values(bases).flatMap((b) => [b.segs[0]!, b.sr].map((object) => ({ defect: cleanDefect, b, object, sources: sources[b.name]! })))); // prettier-ignore
    const noise = clean.filter((r) => r.dciodvfy || r.dcentvfy || r.dsrdump || r.ours.length > 0);
    if (noise.length > 0) throw new Error(`what the encoders write is not clean: ${JSON.stringify(noise)}`);
    const made = [...segDefects, ...srDefects].map((defect) => {
      const b = bases[defect.base ?? 'binary'];
      return { defect, b, object: spoil(defect.id.startsWith('S') ? b.segs[0]! : b.sr, defect.change), sources: sources[b.name]! }; // prettier-ignore
    });
    return await judge(folder, made);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const cleanDefect: Defect = { id: 'clean', what: '', change: () => undefined };

function sourcesOf(folder: string, b: Base): string[] {
  mkdirSync(join(folder, b.name));
  return writeSources(join(folder, b.name), b.name, b.input);
}

interface Made {
  readonly defect: Defect;
  readonly b: Base;
  readonly object: DicomObject;
  readonly sources: readonly string[];
}

async function judge(folder: string, made: readonly Made[]): Promise<DicomRow[]> {
  const paths = made.map((m, i) => {
    const path = join(folder, `${m.defect.id}-${i}.dcm`);
    writeFileSync(path, joined(m.object.parts));
    return path;
  });
  const read = await byHighdicom(made.map((m, i) => [m.object.role, paths[i]!, m.sources[0]!]));
  const rows: DicomRow[] = [];
  for (const [i, { defect, b, object, sources }] of made.entries()) {
    const path = paths[i]!;
    const [iod, entities] = [
      await runPeer(peers.dciodvfy!, [path]),
      await runPeer(peers.dcentvfy!, [...sources, path]),
    ];
    const dump = object.role === 'sr' ? await runPeer(peers.dsrdump!, [path]) : undefined;
    rows.push({
      defect,
      dciodvfy: /^Error/m.test(iod.stdout + iod.stderr) || iod.code < 0,
      dcentvfy: /^Error/m.test(entities.stdout + entities.stderr),
      dsrdump: dump && (dump.code !== 0 || /^[EF]: /m.test(dump.stderr)),
      highdicom: read[i] !== '',
      ours: ourChecks(b, object),
    });
  }
  return rows;
}

function ourChecks({ input, segs, sr }: Base, object: DicomObject): string[] {
  const problems = object.role === 'seg' ? checkDicom(input, [object], sr) : checkDicom(input, segs, object);
  return [...new Set(problems.filter((p) => p.severity === 'hold').map((p) => p.check))];
}

/** What highdicom says on reading: the SEG by source instances and as a volume, the report by its groups. */
async function byHighdicom(files: readonly (readonly [string, string, string])[]): Promise<string[]> {
  const script = `
import json, sys, warnings
warnings.simplefilter('ignore')
import highdicom as hd, pydicom
answers = []
for role, path, source in json.load(sys.stdin):
    try:
        if role == 'seg':
            seg = hd.seg.segread(path)
            uid = pydicom.dcmread(source, stop_before_pixels=True).SOPInstanceUID
            uids = [u for _, _, u in seg.get_source_image_uids()]
            seg.get_pixels_by_source_instance(uids, combine_segments=False)
            seg.get_volume(combine_segments=False)
        else:
            sr = hd.sr.srread(path)
            groups = sr.content.get_planar_roi_measurement_groups() + sr.content.get_volumetric_roi_measurement_groups()
            for g in groups:
                g.tracking_identifier; g.tracking_uid; g.finding_type; [m.value for m in g.get_measurements()]
        answers.append('')
    except Exception as e:
        answers.append(type(e).__name__ + ': ' + str(e)[:120])
print(json.dumps(answers))
`;
  const list = join(mkdtempSync(join(tmpdir(), 'mutations-list-')), 'list.json');
  writeFileSync(list, JSON.stringify(files));
  const ran = await python(script.replace('sys.stdin', 'open(sys.argv[1])'), [list]);
  if (ran.code !== 0) throw new Error(ran.stderr);
  return JSON.parse(ran.stdout) as string[];
}
