/**
 * The whole way of a study through a running gateway: how long each stage takes, what the gateway adds to the model's
 * own time, how soon work begins when a study is complete, and how long a door takes to answer while a model runs.
 *
 * `npm run bench -- way [rounds, default 3] [seconds of the waiting model, default 20]`: about five minutes on a quiet
 * machine, said at the end. The gateway is a process of its own, new for each study; its model is open before the first
 * round, and each round sends the study under other UIDs. Two models: the bundle plumbline-tiny, and one that waits: so
 * many seconds for all pictures of a study that it is asked about, on no processor, with two findings on each.
 * Overhead = (encodings durable - study acknowledged - model) / model. Senders say how many instances will come, so that
 * the study gate does not wait for quiet; where it does, that wait is by choice and counted from its end.
 */
import { demoStudies } from '../src/cli/demo/studies.ts';
import { heading, median, quantile, seconds, table } from './report.ts';
import { answersOfDoors } from './way/doors.ts';
import { largeStudy, realStudies, renamed, smallStudy, type Study } from './way/studies.ts';
import { send, through, withGateway, type Way } from './way/through.ts';

const rounds = Number(process.argv[2] ?? 3);
const waitSeconds = Number(process.argv[3] ?? 20);
const quietMs = 100;

async function main(): Promise<void> {
  heading('The whole way', {
    rounds: `${rounds} after one warm-up, medians (least to greatest)`,
    settings: `bundle plumbline-tiny on cpu, or a model that waits ${waitSeconds} s a study; gateway and sender in two processes`,
  });
  const begun = performance.now();
  await byStage([...demoStudies(), ...realStudies()]);
  await overhead([...realStudies(), largeStudy()]);
  await start();
  await answersOfDoors(realStudies()[0] ?? largeStudy());
  console.log(`All of it took ${((performance.now() - begun) / 1000).toFixed(0)} s.`);
}

// — by stage, with a small model —

async function byStage(studies: readonly Study[]): Promise<void> {
  const rows: string[][] = [];
  for (const study of studies) {
    const ways = await repeated(undefined, study);
    const of = (value: (w: Way) => number): string => `${median(ways.map(value)).toFixed(0)} ms`;
    rows.push([
      study.title,
      of((w) => w.stored),
      of((w) => w.answered - w.claimed - w.pictures - w.answers),
      of((w) => w.pictures),
      of((w) => w.answers),
      of((w) => w.drafted - w.answered),
      of((w) => w.encoded - w.drafted),
      seconds(ways.map((w) => w.encoded - w.complete)),
      of((w) => w.stall),
    ]);
  }
  console.log('With the bundle plumbline-tiny:\n');
  const stages = ['files looked through', 'waited for pictures', 'model', 'draft', 'encodings'];
  table(['study', 'stored', ...stages, 'from complete to encoded', 'longest stall'], rows);
}

// — beside a model that takes its time —

async function overhead(studies: readonly Study[]): Promise<void> {
  const rows: string[][] = [];
  for (const study of studies) {
    const asked = await picturesAsked(study);
    const each = (waitSeconds * 1000) / asked;
    const ways = await repeated(each, study);
    const model = each * asked;
    const of = (value: (w: Way) => number): string => `${median(ways.map(value)).toFixed(0)} ms`;
    const all = ways.map((w) => w.encoded - w.complete);
    rows.push([
      study.title,
      `${asked} pictures, ${(model / 1000).toFixed(0)} s`,
      seconds(all),
      `${((100 * (median(all) - model)) / model).toFixed(1)} %`,
      of((w) => w.claimed - w.complete),
      of((w) => w.answered - w.claimed - w.pictures - w.answers),
      of((w) => w.pictures),
      of((w) => w.answers - model),
      of((w) => w.drafted - w.answered),
      of((w) => w.encoded - w.drafted),
      of((w) => w.stall),
    ]);
  }
  console.log(`Beside a model that takes ${waitSeconds} s a study; where the overhead goes:\n`);
  const where = ['claimed after', 'files looked through', 'waited for pictures', 'pictures and answers carried'];
  table(['study', 'model', 'complete to encoded', 'overhead', ...where, 'draft', 'encodings', 'longest stall'], rows);
}

// — how soon work begins —

async function start(): Promise<void> {
  const times = { announced: [] as number[], quiet: [] as number[] };
  await withGateway({ stubMs: 0, quietMs }, async (gateway) => {
    for (let i = 0; i < 2 * 20; i++) {
      const files = [smallStudy('start', i)];
      const announced = i % 2 === 0;
      const sent = await send(gateway, files, announced);
      const { claimed } = await gateway.seen(sent.studyUid);
      if (announced) times.announced.push(claimed - sent.complete);
      else times.quiet.push(claimed - sent.complete - quietMs);
    }
  });
  console.log('From a study being complete to its work being claimed, 20 studies each:\n');
  const row = (name: string, ms: readonly number[]) => [
    name,
    ...[0.5, 0.95, 1].map((q) => `${quantile(ms, q).toFixed(0)} ms`),
  ];
  table(
    ['complete when', 'median', '95 % under', 'longest'],
    [
      row('its announced number is there (from the acknowledgement)', times.announced),
      row(`nothing came for ${quietMs} ms (from the end of that time)`, times.quiet),
    ],
  );
}

// — one study, again and again —

async function repeated(stubMs: number | undefined, study: Study): Promise<Way[]> {
  const ways: Way[] = [];
  await withGateway({ stubMs, quietMs }, async (gateway) => {
    // One image of it warms up a gateway whose model waits: all of them would wait as long as a round.
    const warm = stubMs === undefined ? study.files : study.files.slice(0, 1);
    await through(gateway, renamed(warm, 'warm'));
    for (let round = 0; round < rounds; round++)
      ways.push(await through(gateway, renamed(study.files, `round ${round}`)));
  });
  return ways;
}

/** What a model that does not wait is asked about. */
async function picturesAsked({ files }: Study): Promise<number> {
  let asked = 0;
  await withGateway({ stubMs: 1, quietMs }, async (gateway) => void ({ asked } = await through(gateway, files)));
  return asked;
}

await main();
