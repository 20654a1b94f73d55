import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { seeded } from '../../builders/dicom.ts';
import { untilRest } from '../audit.ts';
import { sendAll } from '../load.ts';
import { prove } from '../proof.ts';
import { startReceivers } from '../receivers.ts';
import { newTally } from '../senders.ts';
import { makeSite, type Site } from '../site.ts';
import { makeStudy, orderOf } from '../studies.ts';
import type { Report, Scenario } from '../types.ts';

interface Slowness {
  readonly words: string;
  readonly port: (site: Site) => number;
  /** Sent at once; then one byte of `rest` a second. */
  readonly first: string;
  readonly rest: string;
  /** Node closes these after a minute: seen in the long form alone. */
  readonly patient?: boolean;
}

const post = `POST /dicom-web/studies HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/related; type="application/dicom"; boundary="b"\r\nContent-Length: 100000\r\n\r\n`;
const http = (site: Site): number => Number(new URL(site.url).port);
const slownesses: readonly Slowness[] = [
  { words: 'HTTP headers, one byte a second', port: http, first: '', rest: post, patient: true },
  { words: 'a STOW-RS body, one byte a second', port: http, first: post, rest: '--b\r\n'.padEnd(400, 'x') },
  { words: 'an association request, one byte a second', port: (s) => s.dimsePort, first: '', rest: '\x01\x00\x00\x00\x01\x00'.padEnd(400, '\x00') }, // prettier-ignore
  {
    words: 'an HL7 message, one byte a second',
    port: (s) => s.hl7Port,
    first: '',
    rest: `\x0b${orderOf(999, 'SLOW')}`,
  },
  { words: 'nothing at all to the HTTP port (half-open)', port: http, first: '', rest: '', patient: true },
  { words: 'nothing at all to the DICOM port (half-open)', port: (s) => s.dimsePort, first: '', rest: '' },
  { words: 'nothing at all to the MLLP port (half-open)', port: (s) => s.hl7Port, first: '', rest: '' },
];

/** Senders of one byte a second, and of nothing, on every door, while good ones come by all of them. */
export const slow: Scenario = async ({ short, seed }): Promise<Report> => {
  const each = short ? 4 : 15;
  const patience = short ? 2 : 5;
  const random = seeded(seed);
  const peers = await startReceivers();
  const site = await makeSite({
    destinations: peers.destinations,
    config: { stow: { idleSeconds: patience } },
    listener: {
      dimse: { associationSeconds: patience, idleSeconds: patience },
      hl7: { idleSeconds: patience },
    },
  });
  const studies = Array.from({ length: short ? 2 : 8 }, (_, i) => makeStudy(i));
  const [images, orders] = [newTally(), newTally()];
  try {
    await site.start();
    const held = slownesses.map((s) => ({
      ...s,
      sockets: Array.from({ length: each }, () => trickle(s.port(site), s)),
    }));
    await sendAll(site, studies, { images, orders, random, cutRate: 0, pace: 50 });
    await untilRest(site.dataDir, studies.length, 'good studies to be delivered beside slow senders');
    const sure = held.filter((h) => !h.patient || !short);
    for (const end = performance.now() + (short ? 20_000 : 150_000); performance.now() < end; await pause(100))
      if (sure.every((h) => h.sockets.every((s) => s.closed))) break;
    const rows = held.map((h) => ({
      words: h.words,
      patient: h.patient === true,
      cut: h.sockets.filter((s) => s.closed).length,
    }));
    const stay = sure.map((h) => ({ ...h, n: h.sockets.filter((s) => !s.closed).length })).filter((h) => h.n > 0);
    held.forEach((h) => h.sockets.forEach((s) => s.destroy()));
    await site.stop();
    const { kept, atPeers, breaches } = prove(site, { studies, images, orders }, peers);
    for (const { words, n } of stay) breaches.push(`${words}: ${n} of ${each} were never cut`);
    const left = `beside them ${studies.length} studies were read: ${kept.received.size} instances, ${kept.messages} messages, ${kept.halfWritten.length} half-written files; at the peers ${atPeers}`;
    return {
      name: 'slow',
      breaches,
      rows: rows.map(({ words, cut, patient }) => ({
        fault: `${each} senders of ${words}`,
        asked:
          'cut after the time that is configured; good senders beside them are served; nothing half-written is kept',
        answered: `${cut} of ${each} cut${short && patient ? ' (Node does so after a minute)' : ''}`,
        left,
      })),
    };
  } finally {
    await site.kill();
    await peers.stop();
    site.remove();
  }
};

function trickle(port: number, { first, rest }: Slowness): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => socket.destroy()); // cut, as it should be
  socket.on('data', () => undefined);
  socket.once('connect', () => void socket.write(first, 'latin1'));
  let at = 0;
  const timer = setInterval(() => {
    if (socket.destroyed) clearInterval(timer);
    else if (at < rest.length) socket.write(rest[at++]!, 'latin1');
  }, 1000);
  socket.once('close', () => clearInterval(timer));
  return socket;
}
