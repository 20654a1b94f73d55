/** A gateway beside the bench, and a study sent through it. */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stow } from '../../src/cli/stow-client.ts';
import { inspectPart10 } from '../../src/dicom/index.ts';
import type { Seen } from './gateway.ts';

export interface Gateway {
  readonly url: string;
  readonly hl7: number;
  readonly dimse: number;
  seen(studyUid: string): Promise<Seen>;
}

/** One study on its way: when it was stored and complete, and what the gateway says of it. */
export interface Way extends Seen {
  readonly stored: number;
  readonly complete: number;
}

/** Send a study and wait until it is encoded. */
export async function through(gateway: Gateway, files: readonly Uint8Array[]): Promise<Way> {
  const sent = await send(gateway, files, true);
  return { ...(await gateway.seen(sent.studyUid)), ...sent };
}

/** @returns `stored`: milliseconds until the acknowledgement; `complete`: when it came */
export async function send(gateway: Gateway, files: readonly Uint8Array[], announced: boolean) {
  const begun = Date.now();
  const { stored } = await stow(gateway.url, files, announced ? files.length : undefined);
  const complete = Date.now();
  if (stored.length !== files.length) throw new Error(`${stored.length} of ${files.length} instances were stored`);
  return { stored: complete - begun, complete, studyUid: inspectPart10(files[0]!).studyUid };
}

/**
 * A gateway in a process of its own, with a store that is new, until the work is done.
 * @param options.stubMs the model waits so long for each picture; without it, it is the bundle plumbline-tiny
 */
export async function withGateway(
  { stubMs, quietMs }: { readonly stubMs: number | undefined; readonly quietMs: number },
  work: (gateway: Gateway) => Promise<void>,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'bench-way-'));
  const config = `{dataDir: store, http: {port: 0}, gate: {quietSeconds: ${quietMs / 1000}}, inference: {threads: 1},
    hl7: {listeners: [{name: ris, port: 0}]}, dimse: {listeners: [{port: 0}]}}`;
  const child = fork(join(import.meta.dirname, 'gateway.ts'), [dir, config, String(stubMs ?? '')], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  const gone = new Promise<void>((done) => child.once('exit', () => done()));
  const message = <T>() =>
    new Promise<T>((done, failed) => {
      const ended = () => failed(new Error('the gateway ended'));
      child.once('exit', ended);
      child.once('message', (m) => (child.off('exit', ended), done(m as T)));
    });
  try {
    const said = await message<Omit<Gateway, 'seen'>>();
    await work({ ...said, seen: (studyUid) => (child.send({ studyUid }), message<Seen>()) });
  } finally {
    if (child.connected) child.send('stop');
    await gone;
    rmSync(dir, { recursive: true });
  }
}
