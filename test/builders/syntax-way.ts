/** Files of all transfer syntaxes on their whole way: decoded, read by `plumbline run` and by a gateway, given back by WADO-RS. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asPlumblineError } from '../../src/base/index.ts';
import { inspectPart10, readFrames } from '../../src/dicom/index.ts';
import { createDecoder, type Decoder } from '../../src/imaging/index.ts';
import { serveChild, tempFolder, type ServedGateway } from './program.ts';
import { byGateway, byRun, retrieved, wholeFiles, type Outcome, type WholeFile } from './whole-way.ts';

export interface SyntaxWay {
  readonly file: WholeFile;
  readonly asked: string;
  readonly decoded: string;
  readonly run: string;
  readonly gateway: string;
  readonly written: string;
  readonly givenBack: string;
  readonly worse?: string;
}

/** Lossy streams whose decoders round differently; test/unit/imaging/decode.test.ts compares them with a second decoder or their source. */
const rounded = ['4.203/rgb', '4.51/mr-12bit', '4.112/us-rgb', '4.111/rgb-recompressed'];

/** @param options.gateway false: by `plumbline run` only */
export async function syntaxWays(options: { readonly gateway: boolean } = { gateway: true }): Promise<SyntaxWay[]> {
  const files = await wholeFiles('dicom/transfer-syntax/', { draw: false });
  const ran = await byRun(files, ['--bundle', 'plumbline-tiny', '--task', 'report']);
  const served = options.gateway ? await serve(files) : undefined;
  const decoder = createDecoder({ seconds: 30, maxPixels: 1 << 28 });
  try {
    const ways: SyntaxWay[] = [];
    for (const f of files) ways.push(judged(f, await decoded(f, decoder), ran.get(f.file)!, served?.get(f.file)));
    return ways;
  } finally {
    await decoder.close();
  }
}

interface Served {
  readonly outcome: Outcome;
  readonly givenBack: string;
}

async function serve(files: readonly WholeFile[]): Promise<Map<string, Served>> {
  const config = {
    dataDir: tempFolder('data'),
    mappingsDir: routesForAll(),
    http: { port: 0 },
    gate: { quietSeconds: 0 },
  };
  const gateway = await serveChild(JSON.stringify(config));
  try {
    const outcomes = await byGateway(gateway, files);
    const served = new Map<string, Served>();
    for (const f of files) served.set(f.file, { outcome: outcomes.get(f.file)!, givenBack: await givenBack(gateway, f, outcomes.get(f.file)!) });
    return served;
  } finally {
    await gateway.stop();
  }
} // prettier-ignore

/** One rule for whatever comes: some of these files do not say their modality. */
function routesForAll(): string {
  const dir = tempFolder('routes');
  const rule = { name: 'all', when: {}, then: { bundle: 'plumbline-tiny', task: 'report' } };
  writeFileSync(join(dir, 'routes.json'), JSON.stringify({ version: 1, rules: [rule] }));
  return dir;
}

async function givenBack(gateway: ServedGateway, f: WholeFile, outcome: Outcome): Promise<string> {
  if (/^4\d\d /.test(outcome.code)) return 'not kept';
  const [sent, back] = [readFileSync(f.path), await retrieved(gateway, f)];
  return Buffer.compare(sent.subarray(128), back.subarray(128)) === 0 ? 'the same bytes' : 'OTHER BYTES';
}

/** A picture of the file as it was decoded: `digest`, or why not. */
async function decoded(f: WholeFile, decoder: Decoder): Promise<string> {
  const bytes = new Uint8Array(readFileSync(f.path));
  try {
    if (!inspectPart10(bytes).pixel) return 'no pixels';
    const frames = await decoder.decode(
      bytes,
      Array.from({ length: readFrames(bytes).frames }, (_, i) => i),
    );
    const hash = createHash('sha256');
    for (const { values } of frames) hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return hash.digest('hex') === f.digest ? 'digest' : 'other values';
  } catch (thrown) {
    return asPlumblineError(thrown).code;
  }
}

function judged(file: WholeFile, picture: string, ran: Outcome, served: Served | undefined): SyntaxWay {
  const refusable = /refuse|hold|never|MPEG|H\.264|HEVC/.test(file.use);
  const lossy = rounded.some((r) => file.file.includes(r));
  const asked = refusable ? file.use : file.digest === undefined ? 'no pixels' : lossy ? 'within the tolerance of lossy streams' : 'its digest'; // prettier-ignore
  const said = (o: Outcome): string => (o.done ? 'done' : o.code);
  const by = served && said(served.outcome);
  // STOW-RS refuses with its own number what a run names by its code.
  const refused = by !== undefined && /^4\d\d /.test(by);
  const worse = [
    !refusable && file.digest !== undefined && picture !== 'digest' && !(lossy && picture === 'other values') && `decoded: ${picture}`,
    refusable && picture === 'other values' && 'decoded to other values',
    ran.done && picture !== 'digest' && !lossy && 'read, though not decoded as asked',
    !ran.done && ran.code === '' && 'neither read nor held by a name',
    by !== undefined && by !== said(ran) && !(refused && !ran.done) && `by run ${said(ran)}, by the gateway ${by}`,
    served?.givenBack === 'OTHER BYTES' && 'WADO-RS gives other bytes',
  ].filter((w) => w !== false); // prettier-ignore
  return {
    file,
    asked,
    decoded: lossy && picture === 'other values' ? 'within tolerance (second decoder)' : picture,
    run: said(ran),
    gateway: by ?? '',
    written: ran.written.join(' '),
    givenBack: served?.givenBack ?? '',
    ...(worse.length > 0 && { worse: worse.join('; ') }),
  };
}
