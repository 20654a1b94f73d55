import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { asPlumblineError } from '../../src/base/index.ts';
import { inspectPart10, readFrames } from '../../src/dicom/index.ts';
import { createDecoder, type Decoder } from '../../src/imaging/index.ts';
import { plumbline, tempFolder } from '../../test/builders/program.ts';
import { python, sharedPath } from '../../test/peers/index.ts';

/** One row of a table: what was asked of a file, and what was answered. */
export interface Row {
  readonly file: string;
  readonly asked: string;
  readonly answered: string;
  readonly worse?: string;
}

interface Indexed {
  readonly path: string;
  readonly use: string;
  readonly modality?: string;
  readonly decoded?: { readonly sha256?: string };
  readonly expected_text?: { readonly PatientName?: string; readonly note?: string };
}

function indexed(folder: string): Indexed[] {
  const index = JSON.parse(readFileSync(sharedPath('data/index.json'), 'utf8')) as { files: Indexed[] };
  return index.files.filter((f) => f.path.startsWith(folder) && f.path.endsWith('.dcm'));
}

// — character sets —

/** Every file in one run, asked to be segmented; the names in what was written. */
export async function charsetRows(): Promise<Row[]> {
  const [input, out] = [tempFolder('charset-in'), tempFolder('charset-out')];
  const files = indexed('dicom-charset/');
  for (const f of files) writeFileSync(join(input, basename(f.path)), drawn(f));
  const args = ['--bundle', 'plumbline-tiny', '--task', 'segment', '--target', 'liver lesion'];
  const { stdout } = await plumbline(['run', input, '--out', out, '--json', ...args]);
  const lines = stdout.split('\n').filter((l) => l !== '').map((l) => JSON.parse(l) as RunLine); // prettier-ignore
  const rows: Row[] = [];
  for (const f of files) rows.push(await charsetRow(f, out, lines));
  for (const folder of [input, out]) rmSync(folder, { recursive: true, force: true });
  return rows;
}

const side = 32;

/** The file with a ramp of 32 x 32 for pixels, its text untouched: these pictures are blank or too small to be read. */
function drawn(f: Indexed): Uint8Array {
  const bytes = Buffer.from(readFileSync(sharedPath('data', f.path)));
  const at = bytes.indexOf(Buffer.from([0xe0, 0x7f, 0x10, 0x00, 0x4f])); // (7FE0,0010) OB or OW, explicit, little endian
  if (at < 0) return bytes;
  const size = (side * side * us(bytes, 0x0100)) / 8;
  for (const element of [0x0010, 0x0011]) us(bytes, element, side);
  const head = Buffer.from(bytes.subarray(at, at + 12));
  head.writeUInt32LE(size, 8);
  const ramp = Uint8Array.from({ length: size }, (_, i) => (i * 7 + (i >> 5) * 3) & 0x7f);
  return Buffer.concat([bytes.subarray(0, at), head, ramp]);
}

/** The value of (0028,element), US; changed where one is given. */
function us(bytes: Buffer, element: number, value?: number): number {
  const at = bytes.indexOf(Buffer.from([0x28, 0x00, element & 0xff, element >> 8, 0x55, 0x53, 0x02, 0x00])) + 8;
  if (at >= 8 && value !== undefined) bytes.writeUInt16LE(value, at);
  return at >= 8 ? bytes.readUInt16LE(at) : 8;
}

interface RunLine {
  readonly studyUid?: string;
  readonly reason?: { readonly code: string };
  readonly refused?: readonly { readonly file: string; readonly code: string }[];
}

async function charsetRow(f: Indexed, out: string, lines: readonly RunLine[]): Promise<Row> {
  const file = basename(f.path);
  // Trailing empty groups of a name may be left out (PS3.5 6.2.1.1).
  const wanted = f.expected_text?.PatientName?.replace(/=+$/, '') ?? undefined;
  const asked = wanted ?? f.expected_text?.note ?? 'see the index';
  const bytes = readFileSync(sharedPath('data', f.path));
  const dir = join(out, studyOf(bytes) ?? 'none');
  if (!existsSync(join(dir, 'sr-1.dcm'))) {
    const refused = lines.flatMap((l) => l.refused ?? []).find((r) => basename(r.file) === file)?.code;
    const failed = lines.find((l) => l.studyUid !== undefined && l.studyUid === studyOf(bytes))?.reason?.code;
    const code = refused ?? failed ?? 'no image, nothing to read';
    const noImage = ['pixel-description', 'instance-conflict'].includes(code);
    if (noImage) return { file, asked, answered: `held: ${code} (its names: charset tests)` };
    const worse = wanted === undefined ? {} : { worse: `${wanted} asked, ${code}` };
    return { file, asked, answered: `held: ${code}`, ...worse };
  }
  const objects = readdirSync(dir).filter((n) => n.endsWith('.dcm'));
  const names = await namesByPydicom(objects.map((n) => join(dir, n)));
  const [fhirR4, fhirR5, page] = ['fhir-r4.json', 'fhir-r5.json', 'report.html'].map((n) => readFileSync(join(dir, n), 'utf8')); // prettier-ignore
  const shown = (wanted ?? '').split('=').map(readable).filter((n) => n !== ''); // prettier-ignore
  const parts: [string, boolean][] = [
    ...objects.map((n, i): [string, boolean] => [n, names[i] === wanted]),
    ['FHIR R4', fhirR4!.includes(JSON.stringify(shown[0] ?? ''))],
    ['FHIR R5', fhirR5!.includes(JSON.stringify(shown[0] ?? ''))],
    ['page', shown.every((n) => page!.includes(n))],
  ];
  const wrong = parts.filter(([, right]) => !right).map(([name]) => name);
  if (wanted === undefined) return { file, asked, answered: `read; name "${names[0]}"` };
  return wrong.length === 0
    ? { file, asked, answered: `that name in ${parts.map(([name]) => name).join(', ')}` }
    : { file, asked, answered: `another in ${wrong.join(', ')}`, worse: `${wrong.join(', ')}: "${names.join('" "')}"` };
}

function studyOf(bytes: Uint8Array): string | undefined {
  try {
    return inspectPart10(bytes, { undecodable: 'mark' }).studyUid;
  } catch (thrown) {
    asPlumblineError(thrown);
    return undefined; // passed over by the run, which names it
  }
}

/** As pages and FHIR show a name of DICOM: family, then the rest. */
function readable(name: string): string {
  const [family, ...rest] = name.split('^').map((part) => part.trim());
  const others = rest.filter((part) => part !== '').join(' ');
  return others === '' ? (family ?? '') : `${family}, ${others}`;
}

async function namesByPydicom(paths: readonly string[]): Promise<string[]> {
  const script = `
import json, sys, pydicom
print(json.dumps([str(pydicom.dcmread(p, stop_before_pixels=True).PatientName) for p in sys.argv[1:]]))
`;
  const ran = await python(script, paths);
  return ran.code === 0 ? (JSON.parse(ran.stdout) as string[]) : [ran.stderr];
}

// — transfer syntaxes —

export async function syntaxRows(): Promise<Row[]> {
  const decoder = createDecoder({ seconds: 30, maxPixels: 1 << 28 });
  try {
    const rows: Row[] = [];
    for (const f of indexed('dicom/transfer-syntax/')) rows.push(await syntaxRow(f, decoder));
    return rows;
  } finally {
    await decoder.close();
  }
}

/** Lossy streams whose decoders round differently; decode.test.ts compares them with a second decoder or their source. */
const rounded = ['4.203/rgb', '4.51/mr-12bit', '4.112/us-rgb', '4.111/rgb-recompressed'];

async function syntaxRow(f: Indexed, decoder: Decoder): Promise<Row> {
  const file = f.path.replace('dicom/transfer-syntax/', '');
  const refusable = /refuse|hold|never|MPEG|H\.264|HEVC/.test(f.use);
  const asked = f.decoded?.sha256 && !refusable ? 'its digest' : refusable ? f.use : 'no pixels';
  const answered = await decoded(f, decoder);
  const right =
    answered === 'digest' ||
    refusable ||
    (!f.decoded?.sha256 && answered.startsWith('no pixels')) ||
    (answered.startsWith('decoded') && rounded.some((r) => file.includes(r)));
  const silent = answered.startsWith('decoded') && !rounded.some((r) => file.includes(r));
  return { file, asked, answered, ...(right && !silent ? {} : { worse: `${asked}, ${answered}` }) };
}

/** Some of these files have no UIDs: they are images to decode, not instances to store. */
function hasPixels(bytes: Uint8Array): boolean {
  try {
    return inspectPart10(bytes).pixel !== undefined;
  } catch (thrown) {
    if (asPlumblineError(thrown).code === 'uid-missing') return true;
    throw thrown;
  }
}

async function decoded(f: Indexed, decoder: Decoder): Promise<string> {
  const bytes = new Uint8Array(readFileSync(sharedPath('data', f.path)));
  try {
    if (!hasPixels(bytes)) return 'no pixels: stored, nothing to read';
    const count = readFrames(bytes).frames;
    const frames = await decoder.decode(bytes, Array.from({ length: count }, (_, i) => i)); // prettier-ignore
    const hash = createHash('sha256');
    for (const { values } of frames) hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return hash.digest('hex') === f.decoded?.sha256 ? 'digest' : 'decoded, other values within the tolerance of lossy streams'; // prettier-ignore
  } catch (thrown) {
    return `held: ${asPlumblineError(thrown).code}`;
  }
}
