import { Command } from 'commander';
import type { Config } from '../../base/index.ts';
import { heldOf, version, type Hold, type Readiness, type Rooms } from '../../server/index.ts';
import { exitCodes } from '../common.ts';
import { size } from './backup.ts';
import { withRooms } from './jobs.ts';

interface Counted {
  readonly n: number;
  readonly oldestAt: number;
}

/** `plumbline status`: one screen. Exit code 0 all well, 1 the gateway is not ready or does not answer, 5 something needs a person. */
export function statusCommand(): Command {
  return new Command('status')
    .description('One screen: does the gateway work, what waits, what needs a person.')
    .option('--config <file>', 'configuration')
    .option('--json', 'JSON on standard output')
    .addHelpText(
      'after',
      '\nExit codes: 0 all is well · 1 the gateway does not answer or is not ready · 5 something needs a person\n\nExample:\n  plumbline status || echo look',
    )
    .action((o: { config?: string; json?: boolean }) =>
      withRooms(o, async (rooms) => {
        const [readiness, studies, work, deliveries, free] = await Promise.all([
          readinessOf(rooms.config),
          rooms.studies.backlog(),
          rooms.work.backlog(),
          rooms.delivery.backlog(),
          rooms.blobs.free(),
        ]);
        const holds = heldOf(studies, work, deliveries);
        if (o.json)
          process.stdout.write(`${JSON.stringify({ version, readiness, studies, work, deliveries, holds, free })}\n`);
        else
          process.stdout.write(`${screen(rooms, { readiness, studies, work, deliveries, holds, free }).join('\n')}\n`);
        if (readiness === undefined || readiness.status === 'not ready') process.exitCode = exitCodes.failed;
        else if (holds.length > 0) process.exitCode = exitCodes.someFailed;
      }),
    );
}

interface Seen {
  readonly readiness: Readiness | undefined;
  readonly studies: Awaited<ReturnType<Rooms['studies']['backlog']>>;
  readonly work: Awaited<ReturnType<Rooms['work']['backlog']>>;
  readonly deliveries: Awaited<ReturnType<Rooms['delivery']['backlog']>>;
  readonly holds: readonly Hold[];
  readonly free: number;
}

function screen({ config }: Rooms, { readiness, studies, work, deliveries, holds, free }: Seen): string[] {
  const state = (...states: string[]) => work.filter((w) => states.includes(w.state));
  const notOk = (readiness?.checks ?? []).filter((c) => c.state !== 'ok');
  const destinations = config.destinations.map(({ name }) => {
    const rows = deliveries.filter((d) => d.destination === name);
    const resting = notOk.find((c) => c.name === `destination ${name}`);
    const waiting = rows.filter((d) => d.state === 'waiting' || d.state === 'sending');
    return line(name, `${counted('to send', waiting)}${resting ? `; ${resting.message}` : ''}`);
  });
  return [
    `Plumbline ${version}: ${readiness?.status ?? 'does not answer'} at ${addressOf(config)}`,
    ...notOk.map((c) => `  ${c.state === 'failed' ? '✗' : '!'} ${c.name}: ${c.message}`),
    '',
    line(
      'arriving',
      counted(
        'studies at the gate',
        studies.filter((s) => s.state === 'arriving'),
      ),
    ),
    line('to read', counted('workitems', state('ready', 'waiting'))),
    line('being read', counted('workitems', state('claimed'))),
    line('drafted', counted('workitems with something left to send', state('drafted'))),
    ...(destinations.length === 0 ? [] : ['', 'Destinations', ...destinations]),
    '',
    holds.length === 0 ? 'Nothing needs a person.' : 'Needs a person',
    ...holds.map((h) =>
      line(
        h.code,
        `${h.n} ${h.n === 1 ? h.what : { study: 'studies', workitem: 'workitems', delivery: 'deliveries' }[h.what]}, oldest ${age(h.oldestAt)}`,
      ),
    ),
    ...(holds.length === 0 ? [] : ['  `plumbline jobs list --state held` and `plumbline dead-letters` show them.']),
    '',
    `Disk: ${size(free)} free, doors close below ${size(config.store.reserveBytes)}.`,
  ];
}

function line(name: string, text: string): string {
  return `  ${name.padEnd(22)}  ${text}`;
}

function counted(what: string, rows: readonly Counted[]): string {
  const n = rows.reduce((sum, r) => sum + r.n, 0);
  if (n === 0) return `0 ${what}`;
  return `${n} ${what}, oldest ${age(Math.min(...rows.map((r) => r.oldestAt)))}`;
}

function age(since: number): string {
  const s = Math.max(0, Math.round((Date.now() - since) / 1000));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  return s < 172_800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86_400)} days`;
}

function addressOf({ http }: Config): string {
  const host =
    { '0.0.0.0': '127.0.0.1', '::': '[::1]' }[http.host] ?? (http.host.includes(':') ? `[${http.host}]` : http.host);
  return `${http.tls ? 'https' : 'http'}://${host}:${http.port}`;
}

/** What the running gateway says of itself; undefined where none answers. */
async function readinessOf(config: Config): Promise<Readiness | undefined> {
  try {
    const response = await fetch(`${addressOf(config)}/health/ready`, { signal: AbortSignal.timeout(5000) });
    return (await response.json()) as Readiness;
  } catch {
    // Not there, or another program on that port: the screen says that it does not answer.
    return undefined;
  }
}
