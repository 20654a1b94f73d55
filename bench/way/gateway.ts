/** The gateway of the way bench in a process of its own; the bench asks it by messages. `node gateway.ts FOLDER CONFIG STUB_MS` */
import { createLog, parseConfig } from '../../src/base/index.ts';
import type { Draft } from '../../src/findings/index.ts';
import { createRuntime } from '../../src/inference/index.ts';
import { serve } from '../../src/server/index.ts';
import { waitingModel } from './waiting-model.ts';

/** What became of one study; times are milliseconds since 1970, or of the stage. */
export interface Seen {
  readonly claimed: number;
  readonly answered: number;
  readonly drafted: number;
  readonly encoded: number;
  readonly pictures: number;
  readonly answers: number;
  /** How many pictures the model was asked about. */
  readonly asked: number;
  /** Longest time for which the gateway's thread answered nobody since the study before. */
  readonly stall: number;
}

const [folder, config, stubMs] = process.argv.slice(2) as [string, string, string];
const gateway = await serve(parseConfig(config, '(bench)', folder), createLog('error'));
const { reading, work, blobs } = gateway.rooms;
if (stubMs !== '') {
  const bundle = await reading.bundle('plumbline-tiny');
  const runtime = createRuntime(bundle, { entry: waitingModel(folder, Number(stubMs)) });
  Object.assign(reading, { runtime: () => runtime });
}
for (const rule of reading.routes.rules) await reading.runtime(rule.then.bundle);

let [last, stall] = [performance.now(), 0];
setInterval(() => {
  const now = performance.now();
  stall = Math.max(stall, now - last - 5);
  last = now;
}, 5);

process.on('message', (said: { readonly studyUid: string } | 'stop') => {
  if (said === 'stop') void gateway.stop({ abort: true }).then(() => process.exit(0));
  else void seen(said.studyUid).then((s) => process.send!(s));
});
process.send!({ url: gateway.dicomweb, hl7: gateway.hl7Ports[0], dimse: gateway.dimse[0]!.port });

/** Waits for the encodings of a study. */
async function seen(studyUid: string): Promise<Seen> {
  for (;;) {
    const [item] = await work.list({ studyUid });
    if (item?.code !== undefined) throw new Error(`${item.code}: ${item.message}`);
    if (item?.outputs.encodings) {
      const { files } = await work.encodings(item.key);
      const summary = await blobs.read(files.find((f) => f.name === 'summary.json')!.digest);
      const { timingsMs } = JSON.parse(new TextDecoder().decode(summary)) as { timingsMs: Record<string, number> };
      const events = await work.timeline(item.key);
      const at = (name: string): number => Date.parse(events.find((e) => e.event === name)!.at);
      const { draft } = await work.draft(item.key);
      const { coverage } = JSON.parse(new TextDecoder().decode(draft)) as Draft;
      const longest = stall;
      stall = 0;
      return {
        claimed: at('claimed'),
        answered: at('answered'),
        drafted: at('drafted'),
        encoded: at('encoded'),
        pictures: timingsMs['pictures'] ?? 0,
        answers: timingsMs['answers'] ?? 0,
        asked: coverage.read.reduce((sum, { planes }) => sum + planes, 0),
        stall: longest,
      };
    }
    await new Promise((done) => setTimeout(done, 5));
  }
}
