/**
 * Refused and half-open associations in numbers: `node bench/associations.ts [total, default 100000]`.
 *
 * Another called AE title, bytes that are no DICOM, half a request and then silence, a reset at once, in turn, 64 at a
 * time, at a listener that takes 16 associations; the server is a process of its own with a heap of at most 64 MiB, in
 * which 100,000 connections that stayed would not fit. Asserted, exit code 1 where it is not so: resident memory, which
 * goes up and down with the collector, reaches in the second half no more than a tenth above the first, no descriptor
 * stays open, and a good association is served afterwards.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openAssociation } from '../src/dimse/index.ts';
import { stopProcess } from '../test/peers/orthanc.ts';
import { askInVain, type RefusedCounts } from '../test/builders/refused.ts';
import { heading, table } from './report.ts';

const total = Number(process.argv[2] ?? 100_000);
const folder = mkdtempSync(join(tmpdir(), 'bench-associations-'));
const script = join(import.meta.dirname, 'dimse-server.ts');
const child = spawn(
  process.execPath,
  ['--max-old-space-size=64', script, folder, JSON.stringify({ associationSeconds: 0.5 })],
  { stdio: ['ignore', 'pipe', 'inherit'] },
);

/** MiB, and open descriptors, once the connections have ended. */
async function state(): Promise<{ readonly mib: number; readonly descriptors: number }> {
  await new Promise((done) => setTimeout(done, 3000));
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  const mib = Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024);
  return { mib, descriptors: readdirSync(`/proc/${child.pid}/fd`).length };
}

try {
  const port = Number(await new Promise<string>((done) => createInterface(child.stdout).once('line', done)));
  const before = await state();
  const rows: [number, RefusedCounts, Awaited<ReturnType<typeof state>>][] = [];
  for (let part = 1; part <= 10; part++)
    rows.push([(total * part) / 10, await askInVain(port, Math.round(total / 10), 64), await state()]);
  const peer = { name: 'door', host: '127.0.0.1', port, calledAet: 'PLUMBLINE', callingAet: 'GOOD', timeoutMs: 10_000 };
  const association = await openAssociation(peer, [], new AbortController().signal);
  const echo = await association.echo();
  await association.release();

  heading('Associations that come to nothing', { total, 'at once': 64, 'associations that are taken': 16 });
  table(
    ['so far', 'rejected', 'aborted', 'closed', 'reset by us', 'resident, MiB', 'descriptors'],
    [
      [0, '', '', '', '', before.mib, before.descriptors],
      ...rows.map(([n, c, s]) => [n, c.rejected, c.aborted, c.closed, c.other, s.mib, s.descriptors]),
    ],
  );
  const most = (part: typeof rows): number => Math.max(...part.map(([, , s]) => s.mib));
  const flat = most(rows.slice(5)) <= most(rows.slice(0, 5)) * 1.1;
  const good = echo === 0 && flat && rows.at(-1)![2].descriptors <= before.descriptors;
  console.log(good ? 'Memory is flat, nothing stays open, and C-ECHO is answered.' : 'NOT as it should be.');
  process.exitCode = good ? 0 : 1;
} finally {
  await stopProcess(child);
  rmSync(folder, { recursive: true, force: true });
}
