import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog, systemClock, type Checkpoint } from '../../../src/base/index.ts';
import { openStudies } from '../../../src/studies/index.ts';
import { openWork } from '../../../src/work/index.ts';
import { openStore, uid } from '../../builders/store.ts';
import { root } from '../../peers/index.ts';

const studyCount = 3;
let dir: string;
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), 'plumbline-kill-'))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

interface Ended {
  readonly signal: string | null;
  readonly code: number | null;
  readonly acknowledged: readonly string[];
  readonly errors: string;
}

/** Run the child to its end, its own or the one that is made for it. */
async function runChild(crashAt?: string, killAfterMs?: number): Promise<Ended> {
  const child = spawn(process.execPath, [join(root, 'test/builders/crash-child.ts'), dir, String(studyCount)], {
    env: { ...process.env, ...(crashAt ? { PLUMBLINE_CRASH_AT: crashAt } : {}) },
  });
  let out = '';
  let errors = '';
  child.stdout.on('data', (d: Buffer) => {
    if (out === '' && killAfterMs !== undefined) setTimeout(() => child.kill('SIGKILL'), killAfterMs);
    out += d.toString();
  });
  child.stderr.on('data', (d: Buffer) => (errors += d.toString()));
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
    child.on('close', (c, s) => resolve([c, s])),
  );
  return { code, signal, acknowledged: [...out.matchAll(/^acknowledged (\S+)$/gm)].map((m) => m[1]!), errors };
}

/** Everything acknowledged is there whole; every workitem is there once; its encodings are what its draft says. */
async function verify(acknowledged: readonly string[]): Promise<void> {
  const { db, blobs } = await openStore(dir);
  const studies = await openStudies({
    db,
    blobs,
    clock: systemClock,
    log: silentLog,
    gate: { quietMs: 0, deadlineMs: 1 },
    onReady: async () => {},
  });
  const work = openWork({ db, blobs, clock: systemClock, log: silentLog, studies });
  for (const study of acknowledged) {
    const kept = (await studies.instances(study)).filter((i) => i.origin === 'received');
    expect(kept).toHaveLength(4);
    for (const { ref } of kept) expect((await blobs.read(ref.digest)).length).toBe(ref.bytes);
  }
  const items = await work.list();
  expect(items.map((i) => i.studyUid).sort()).toEqual([1, 2, 3].map((n) => uid(`${n}`)));
  for (const item of items) {
    const text = Buffer.from((await work.draft(item.key)).draft).toString();
    const report = (await work.encodings(item.key)).files.find((f) => f.name === 'report.html')!;
    expect(Buffer.from(await blobs.read(report.digest)).toString()).toBe(`<p>${text}</p>`);
    expect((await studies.instances(item.studyUid)).filter((i) => i.origin === 'own')).toHaveLength(1);
    expect(
      (await work.timeline(item.key)).filter((e) => ['created', 'answered', 'encoded'].includes(e.event)),
    ).toHaveLength(3);
  }
  await blobs.close();
  await db.close();
}

describe('a process that is killed', () => {
  const places: Checkpoint[] = [
    'stow.blobs-durable',
    'stow.admitted',
    'gate.snapshot',
    'work.claimed',
    'work.answered',
    'work.drafted',
    'work.encoded',
  ];
  it.each(places)('at %s loses nothing that it acknowledged and repeats nothing', async (place) => {
    // The second time it comes by, so that one study is whole and one is cut.
    const first = await runChild(`${place}#2`);
    expect(first.signal, first.errors).toBe('SIGKILL');
    const second = await runChild();
    expect(second.code, second.errors).toBe(0);
    await verify([...first.acknowledged, ...second.acknowledged]);
  });

  it('at random moments, again and again, loses and repeats nothing either', async () => {
    const acknowledged = new Set<string>();
    for (const ms of [2, 15, 35]) {
      const ended = await runChild(undefined, ms);
      ended.acknowledged.forEach((a) => acknowledged.add(a));
    }
    const last = await runChild();
    expect(last.code, last.errors).toBe(0);
    await verify([...acknowledged, ...last.acknowledged]);
  });
});
