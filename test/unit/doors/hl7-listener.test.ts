import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PlumblineError } from '../../../src/base/index.ts';
import { openHl7Listener, type Hl7Door, type Hl7ListenerOptions } from '../../../src/doors/hl7/index.ts';
import { makeDestination, type DeliverContent } from '../../../src/delivery/index.ts';
import { encodeOru } from '../../../src/outputs/index.ts';
import { sampleInput } from '../../builders/encodings.ts';
import { answered, doorDefaults, orm, testDoor, type TestDoor } from '../../builders/hl7.ts';
import { ask, dial, frame } from '../../builders/hl7-receiver.ts';

let store: TestDoor;
const doors: Hl7Door[] = [];
const sockets: Socket[] = [];
beforeEach(async () => void (store = await testDoor()));
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const door of doors.splice(0)) await door.stop();
  await store.remove();
});

async function listen(change: Partial<Hl7ListenerOptions> = {}): Promise<Hl7Door> {
  const door = await openHl7Listener({
    ...doorDefaults,
    studies: store.studies,
    now: () => new Date(store.clock.now()),
    host: '127.0.0.1',
    port: 0,
    maxBytes: 100_000,
    idleMs: 5000,
    endMs: 50,
    maxConnections: 8,
    maxInFlight: 16,
    ...change,
  });
  doors.push(door);
  return door;
}

async function to(door: Hl7Door): Promise<Socket> {
  const socket = await dial(door.port);
  sockets.push(socket);
  return socket;
}

const codes = (answers: readonly string[]): string[] =>
  answers.map((a) => `${answered(a).code} ${answered(a).controlId}`);

describe('the listener', () => {
  it('answers messages of one connection in order, each once, however they are cut and joined', async () => {
    const socket = await to(await listen());
    const ids = Array.from({ length: 40 }, (_, i) => `S${i}`);
    const stream = ids.map((id) => frame(orm({ id, placer: id, filler: id, accession: id }))).join('');
    const pieces = stream.match(/[^]{1,777}/g)!;
    expect(codes(await ask(socket, pieces, 40))).toEqual(ids.map((id) => `AA ${id}`));
    const [row] = await store.db.all<{ n: number }>('SELECT COUNT(*) AS n FROM orders');
    expect(row!.n).toBe(40);
  });

  it('has several messages of a sender that does not wait share a commit', async () => {
    const socket = await to(await listen());
    const ids = Array.from({ length: 64 }, (_, i) => `S${i}`);
    const stream = ids.map((id) => frame(orm({ id, placer: id, filler: id, accession: id }))).join('');
    const before = { ...store.db.counters };
    expect(codes(await ask(socket, [stream], 64))).toEqual(ids.map((id) => `AA ${id}`));
    expect(store.db.counters.transactions - before.transactions).toBe(64);
    // 16 may be in work at a time.
    expect(store.db.counters.commits - before.commits).toBeLessThanOrEqual(16);
  });

  it('acts in the order of the messages, though they are in work together', async () => {
    const socket = await to(await listen());
    const stream = [
      orm({ id: 'A1', control: 'CA' }),
      orm({ id: 'A2' }),
      orm({ id: 'A3', control: 'CA' }),
      orm({ id: 'A4', control: 'XO' }),
      orm({ id: 'A1' }),
      orm({ id: 'A2' }),
    ];
    const answers = await ask(socket, [stream.map(frame).join('')], 6);
    // What was not ordered cannot be cancelled; A2 came before.
    expect(codes(answers)).toEqual(['AE A1', 'AA A2', 'AA A3', 'AA A4', 'AA A1', 'AA A2']);
    expect(await store.db.all('SELECT state FROM orders')).toEqual([{ state: 'open' }]);
  });

  it('takes no more than its bound into work, and reads no more until one is answered', async () => {
    const go = Promise.withResolvers<void>();
    let asked = 0;
    const slow = {
      ...store.studies,
      receiveOrder: async (message: Parameters<typeof store.studies.receiveOrder>[0]) => {
        asked++;
        await go.promise;
        return store.studies.receiveOrder(message);
      },
    };
    const socket = await to(await listen({ studies: slow, maxInFlight: 4 }));
    const ids = Array.from({ length: 40 }, (_, i) => `S${i}`);
    // Long notes: the stream is far longer than what a socket takes at once.
    const long = ids.map((id) =>
      frame(`${orm({ id, placer: id, filler: id, accession: id })}NTE|1||${'x'.repeat(20_000)}\r`),
    );
    const answers = ask(socket, [Buffer.from(long.join(''), 'latin1')], 40);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const most = asked;
    go.resolve();
    expect(most).toBe(4);
    expect(codes(await answers)).toEqual(ids.map((id) => `AA ${id}`));
  });

  it('answers what came before a failure, nothing after it, and closes', async () => {
    let n = 0;
    const once = {
      ...store.studies,
      receiveOrder: (message: Parameters<typeof store.studies.receiveOrder>[0]) =>
        ++n === 3 ? Promise.reject(new PlumblineError('store-locked', 'locked')) : store.studies.receiveOrder(message),
    };
    const socket = await to(await listen({ studies: once }));
    const stream = ['A1', 'A2', 'A3', 'A4'].map((id) => frame(orm({ id, placer: id, filler: id, accession: id })));
    expect(codes(await ask(socket, [stream.join('')], 4))).toEqual(['AA A1', 'AA A2']);
  });

  it('takes a frame without its last carriage return when the sender waits', async () => {
    const socket = await to(await listen());
    expect(codes(await ask(socket, [frame(orm({ id: 'A1' })).slice(0, -1)], 1))).toEqual(['AA A1']);
  });

  it('answers a sender that has closed its half', async () => {
    const socket = await to(await listen());
    const answers = ask(socket, [], 1);
    socket.end(frame(orm({ id: 'A1' })));
    expect(codes(await answers)).toEqual(['AA A1']);
  });

  it('closes on whoever speaks another protocol, and without answer', async () => {
    const socket = await to(await listen());
    expect(await ask(socket, ['GET / HTTP/1.1\r\nHost: x\r\n\r\n'], 1)).toEqual([]);
  });

  it('answers a message above the size limit with AR 207, and closes', async () => {
    const socket = await to(await listen());
    const [answer] = await ask(socket, [`\x0b${orm()}`, 'x'.repeat(200_000)], 1);
    expect(answered(answer!)).toMatchObject({ code: 'AR', condition: '207', controlId: '' });
  });

  it('answers what came before a message above the size limit first', async () => {
    const socket = await to(await listen());
    const answers = await ask(socket, [`${frame(orm({ id: 'A1' }))}\x0b${'x'.repeat(200_000)}`], 2);
    expect(codes(answers)).toEqual(['AA A1', 'AR ']);
  });

  it('closes a silent connection, and an unfinished frame is no message', async () => {
    const socket = await to(await listen({ idleMs: 100 }));
    expect(await ask(socket, [frame(orm()).slice(0, -2)], 1)).toEqual([]);
  });

  it('closes a connection whose message does not end, though a byte comes now and then', async () => {
    const socket = await to(await listen({ idleMs: 300 }));
    const message = frame(orm());
    let sent = 0;
    const trickle = setInterval(() => void (socket.writable && socket.write(message[sent++]!)), 40);
    expect(await ask(socket, [], 1)).toEqual([]);
    clearInterval(trickle);
    expect(sent).toBeLessThan(message.length);
    // Whoever sends whole messages so slowly is served for as long as it likes.
    const other = await to(await listen({ idleMs: 300 }));
    for (let n = 0; n < 5; n++) {
      await new Promise((done) => setTimeout(done, 100));
      expect(codes(await ask(other, [frame(orm({ id: `T${n}` }))], 1))).toEqual([`AA T${n}`]);
    }
  });

  it('answers nobody where nothing can be kept: the sender will repeat', async () => {
    const full = await to(await listen({ full: async () => 'short of space' }));
    expect(await ask(full, [frame(orm())], 1)).toEqual([]);
    const broken = {
      ...store.studies,
      receiveOrder: () => Promise.reject(new PlumblineError('store-locked', 'locked')),
    };
    const locked = await to(await listen({ studies: broken }));
    expect(await ask(locked, [frame(orm())], 1)).toEqual([]);
  });

  it('goes on after a connection that breaks in the middle', async () => {
    const door = await listen();
    const socket = await to(door);
    socket.write(frame(orm()).slice(0, 50));
    socket.destroy();
    expect(codes(await ask(await to(door), [frame(orm({ id: 'A2' }))], 1))).toEqual(['AA A2']);
  });

  it('says that its port is taken', async () => {
    const { port } = await listen();
    await expect(listen({ port })).rejects.toMatchObject({ code: 'address-in-use' });
  });
});

function openssl(): boolean {
  return ['/usr/bin/openssl', '/usr/local/bin/openssl'].some((p) => existsSync(p));
}

describe.skipIf(!openssl())('the listener over TLS', () => {
  const certificates = () => {
    const dir = mkdtempSync(join(tmpdir(), 'plumbline-tls-'));
    const run = (...args: string[]): void => void execFileSync('openssl', args, { cwd: dir, stdio: 'ignore' });
    run(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-days',
      '2',
      '-subj',
      '/CN=test authority',
    );
    writeFileSync(join(dir, 'ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
    for (const name of ['server', 'client']) {
      run(
        'req',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.csr`,
        '-subj',
        `/CN=${name}`,
      );
      run(
        'x509',
        '-req',
        '-in',
        `${name}.csr`,
        '-CA',
        'ca.pem',
        '-CAkey',
        'ca.key',
        '-CAcreateserial',
        '-out',
        `${name}.pem`,
        '-days',
        '2',
        '-extfile',
        'ext',
      );
    }
    return (name: string): string => join(dir, name);
  };

  it('lets in only clients that it knows, where it asks for certificates', async () => {
    const file = certificates();
    const tls = { certFile: file('server.pem'), keyFile: file('server.key'), clientCaFile: file('ca.pem') };
    const { port } = await listen({ tls });
    const dialTls = (identity: object): Promise<string[]> =>
      new Promise((resolve) => {
        const socket = connectTls({
          port,
          host: '127.0.0.1',
          ca: readFileSync(file('ca.pem')),
          servername: 'localhost',
          ...identity,
        });
        sockets.push(socket);
        socket.on('error', () => resolve([]));
        socket.once('secureConnect', () => void ask(socket, [frame(orm({ id: 'T1' }))], 1).then(resolve));
      });
    const known = { cert: readFileSync(file('client.pem')), key: readFileSync(file('client.key')) };
    expect(codes(await dialTls(known))).toEqual(['AA T1']);
    expect(await dialTls({})).toEqual([]);
    // Whoever does not speak TLS is not understood, and the listener goes on.
    expect(await ask(await dial(port), [frame(orm())], 1)).toEqual([]);
    expect(codes(await dialTls(known))).toEqual(['AA T1']);
  });

  it('takes a report of ours over TLS, and only from a listener whose authority we know', async () => {
    const file = certificates();
    const { port } = await listen({ tls: { certFile: file('server.pem'), keyFile: file('server.key') } });
    const common = { name: 'ris', kind: 'hl7', fhirVersion: 'R4', timeoutSeconds: 2 } as const;
    const url = `mllps://localhost:${port}`;
    const content = { oru: async () => encodeOru(sampleInput(), '2.5.1') } as unknown as DeliverContent;
    const known = makeDestination({ ...common, url, tls: { caFile: file('ca.pem') } });
    await known.deliver(content, AbortSignal.timeout(5000));
    const [kept] = await store.db.all<{ type: string }>('SELECT type FROM hl7_messages');
    expect(kept!.type).toBe('ORU^R01^ORU_R01');
    const unknown = makeDestination({ ...common, url });
    await expect(unknown.deliver(content, AbortSignal.timeout(5000))).rejects.toMatchObject({
      code: 'peer-unreachable',
    });
  });

  it('names a certificate file that is not there', async () => {
    await expect(listen({ tls: { certFile: '/nowhere/a.pem', keyFile: '/nowhere/a.key' } })).rejects.toMatchObject({
      code: 'config-missing',
      where: '/nowhere/a.pem',
    });
  });
});
