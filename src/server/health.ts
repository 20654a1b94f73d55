import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { asPlumblineError } from '../base/index.ts';
import type { Rooms } from './wire.ts';

/** One thing that must be right for the gateway to take and read studies. */
export interface Check {
  readonly name: string;
  /** `degraded`: it goes on, but something waits. `failed`: not ready. */
  readonly state: 'ok' | 'degraded' | 'failed';
  /** What is wrong, or how it stands; no patient data. */
  readonly message: string;
}

export interface Readiness {
  readonly status: 'ready' | 'degraded' | 'not ready';
  readonly checks: readonly Check[];
}

export interface Liveness {
  readonly status: 'live';
  readonly uptimeSeconds: number;
  /** How late timers fire, milliseconds, over the last minute or so. */
  readonly eventLoopLagMs: { readonly median: number; readonly p99: number; readonly max: number };
}

export interface Health {
  live(): Liveness;
  /** Asked of each part at most once a second, however many ask. Never rejects. */
  ready(): Promise<Readiness>;
  close(): void;
}

/** A part that says nothing for so long is not well. */
const patienceMs = 2_000;
const freshMs = 1_000;

/**
 * Whether the process turns, and whether it can do its work. A destination that is away makes nothing unready: studies
 * are taken and read all the same, and what is made waits for it.
 * @param listeners names of the doors and whether each is open
 */
export function createHealth(rooms: Rooms, listeners: () => ReadonlyMap<string, boolean>): Health {
  let lag = watchLag();
  let asked: { readonly at: number; readonly answer: Promise<Readiness> } | undefined;
  return {
    live: () => {
      const ms = (nanoseconds: number): number => Math.round(nanoseconds / 1e4) / 100;
      const { histogram, since } = lag;
      const eventLoopLagMs = {
        median: ms(histogram.percentile(50)),
        p99: ms(histogram.percentile(99)),
        max: ms(histogram.max),
      };
      if (performance.now() - since > 60_000) {
        histogram.disable();
        lag = watchLag();
      }
      return { status: 'live', uptimeSeconds: Math.round(process.uptime()), eventLoopLagMs };
    },
    ready: () => {
      const now = performance.now();
      if (!asked || now - asked.at > freshMs) asked = { at: now, answer: readiness(rooms, listeners) };
      return asked.answer;
    },
    close: () => lag.histogram.disable(),
  };
}

function watchLag(): { readonly histogram: ReturnType<typeof monitorEventLoopDelay>; readonly since: number } {
  const histogram = monitorEventLoopDelay({ resolution: 10 });
  histogram.enable();
  return { histogram, since: performance.now() };
}

async function readiness(rooms: Rooms, listeners: () => ReadonlyMap<string, boolean>): Promise<Readiness> {
  const parts = await Promise.all([
    check('database', () => databaseWrites(rooms)),
    check('disk', () => diskHasRoom(rooms)),
    ...rooms.reading.models().map(({ bundle }) => check(`bundle ${bundle}`, () => modelCanRun(rooms, bundle))),
  ]);
  const checks = [workRuns(rooms), ...listenersOpen(listeners()), ...parts, ...lanesMove(rooms)];
  const worst = (state: Check['state']): boolean => checks.some((c) => c.state === state);
  return { status: worst('failed') ? 'not ready' : worst('degraded') ? 'degraded' : 'ready', checks };
}

/** What a part says within its time; what it throws is the answer no. */
async function check(name: string, ask: () => Promise<Check>): Promise<Check> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Check>((resolve) => {
    timer = setTimeout(resolve, patienceMs, failed(name, `no answer within ${patienceMs / 1000} s`));
  });
  const answer = ask().catch((thrown: unknown) => {
    const { code } = asPlumblineError(thrown);
    return failed(name, code);
  });
  const said = await Promise.race([answer, late]);
  clearTimeout(timer);
  return said;
}

const ok = (name: string, message: string): Check => ({ name, state: 'ok', message });
const degraded = (name: string, message: string): Check => ({ name, state: 'degraded', message });
const failed = (name: string, message: string): Check => ({ name, state: 'failed', message });

/** A transaction takes the lock for writing, whatever stands in it. */
async function databaseWrites({ db }: Rooms): Promise<Check> {
  await db.transaction((tx) => tx.run('UPDATE migrations SET name = name WHERE number < 0'));
  return ok('database', 'takes writes');
}

async function diskHasRoom({ blobs, config }: Rooms): Promise<Check> {
  const free = await blobs.free();
  const { reserveBytes } = config.store;
  const words = `${megabytes(free)} free, reserve ${megabytes(reserveBytes)}`;
  if (free <= reserveBytes) return failed('disk', words);
  return free < reserveBytes * 2 ? degraded('disk', words) : ok('disk', words);
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}

/** A bundle whose files are as signed can be started; one that has just failed to start cannot. */
async function modelCanRun({ reading }: Rooms, bundle: string): Promise<Check> {
  const name = `bundle ${bundle}`;
  const state = reading.models().find((m) => m.bundle === bundle);
  if (state?.state === 'failed') return failed(name, `did not start: ${state.code ?? ''}`);
  await reading.bundle(bundle);
  return ok(name, state?.state === 'running' ? 'running' : 'can be started');
}

function workRuns(rooms: Rooms): Check {
  const words = { idle: 'not started yet', running: 'running', stopped: 'the gateway ends' };
  const state = rooms.state();
  return state === 'running' ? ok('work', words[state]) : failed('work', words[state]);
}

function listenersOpen(listeners: ReadonlyMap<string, boolean>): Check[] {
  return [...listeners].map(([name, open]) =>
    open ? ok(`listener ${name}`, 'open') : failed(`listener ${name}`, 'not open'),
  );
}

function lanesMove({ delivery }: Rooms): Check[] {
  return delivery.lanes().map(({ destination, state, failures, code }) => {
    const name = `destination ${destination}`;
    if (state === 'closed') return ok(name, 'no failure');
    return degraded(name, `${failures} failures in a row (${code ?? ''}); what is made for it waits`);
  });
}
