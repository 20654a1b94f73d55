/**
 * An MLLP listener alone in a process: `node bench/hl7-server.ts durable FOLDER` is the door over the real store, as the
 * gateway wires it; `node bench/hl7-server.ts echo` answers AA and keeps nothing, the floor. Prints its port; on SIGTERM
 * what it counted, as JSON.
 */
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createLog, parseConfig, systemClock } from '../src/base/index.ts';
import { openHl7Listener } from '../src/doors/hl7/index.ts';
import { createMllpDecoder, makeAck, mllpFrame, readHeader } from '../src/hl7/index.ts';
import { openBlobs, openDatabase } from '../src/store/index.ts';
import { openStudies } from '../src/studies/index.ts';

const [kind = 'durable', folder = '.'] = process.argv.slice(2);
const { port, counts } = await (kind === 'echo' ? echo() : durable());
console.log(port);
process.on('SIGTERM', () => {
  console.log(JSON.stringify(counts()));
  process.exit(0);
});

interface Running {
  readonly port: number;
  readonly counts: () => object;
}

async function durable(): Promise<Running> {
  const config = parseConfig('hl7: {listeners: [{name: bench, port: 0}]}', 'bench', '/');
  const { idleSeconds, ...listener } = config.hl7.listeners[0]!;
  const db = await openDatabase(join(folder, 'plumbline.sqlite'));
  const blobs = await openBlobs(join(folder, 'blobs'), { reserveBytes: config.store.reserveBytes });
  const gate = { quietMs: 20_000, deadlineMs: 3_600_000 };
  // The log is written, as it is in service.
  const log = createLog('info');
  const studies = await openStudies({ db, blobs, clock: systemClock, log, gate, onReady: async () => {} });
  studies.start();
  const door = await openHl7Listener({
    ...(listener as Omit<typeof listener, 'tls'>),
    studies,
    log,
    now: () => new Date(),
    idleMs: idleSeconds * 1000,
    endMs: 5000,
    full: async () => ((await blobs.free()) > config.store.reserveBytes ? undefined : 'the store is short of space'),
  });
  return { port: door.port, counts: () => db.counters };
}

/** The same frames and the same answers, without reading the message or keeping it. */
async function echo(): Promise<Running> {
  let messages = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    const decoder = createMllpDecoder({ maxBytes: 1 << 25 });
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      const answers = decoder.push(chunk).flatMap((event) => {
        if (event.kind !== 'frame') return [];
        messages++;
        return [mllpFrame(Buffer.from(makeAck(readHeader(event.bytes), 'AA', new Date()), 'latin1'))];
      });
      if (answers.length > 0) socket.write(Buffer.concat(answers));
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return { port: (server.address() as AddressInfo).port, counts: () => ({ messages }) };
}
