/** How long the doors of a gateway take to answer, idle and while a model runs. */
import { connect } from 'node:net';
import { stow } from '../../src/cli/stow-client.ts';
import { derivedUid } from '../../src/base/index.ts';
import { inspectPart10, splitPart10 } from '../../src/dicom/index.ts';
import { openAssociation } from '../../src/dimse/index.ts';
import { quantile, table } from '../report.ts';
import { renamed, smallStudy, type Study } from './studies.ts';
import { send, withGateway, type Gateway } from './through.ts';

const acknowledgements = 300;
const doors = { stow: 'STOW-RS, one small instance', dimse: 'C-STORE, one small instance', hl7: 'HL7 v2, one order' };
type Times = Record<keyof typeof doors, number[]>;

/** A table of how long each door takes to acknowledge one small thing: alone, and while the study is read again and again. */
export async function answersOfDoors(study: Study): Promise<void> {
  const rows: string[][] = [];
  for (const [title, stubMs] of [
    ['a model that waits', 200],
    ['plumbline-tiny, which computes', undefined],
  ] as const) {
    const work = async (gateway: Gateway): Promise<void> => {
      await acknowledged(gateway, `warm ${title}`, 50);
      const idle = await acknowledged(gateway, `idle ${title}`, acknowledgements);
      const busyWork = keepBusy(gateway, study);
      const busy = await acknowledged(gateway, `busy ${title}`, acknowledgements);
      await busyWork.stop();
      for (const door of Object.keys(doors) as (keyof typeof doors)[]) {
        const p = (ms: readonly number[], q: number) => `${quantile(ms, q).toFixed(1)} ms`;
        const [a, b] = [quantile(idle[door], 0.99), quantile(busy[door], 0.99)];
        rows.push([
          doors[door],
          title,
          p(idle[door], 0.5),
          p(busy[door], 0.5),
          p(idle[door], 0.99),
          p(busy[door], 0.99),
          (b / a).toFixed(2),
        ]);
      }
    };
    // None of the small ones is ever read: nobody announces their number, and the gate waits longer than the bench.
    await withGateway({ stubMs, quietMs: 3_600_000 }, work);
  }
  console.log(`Acknowledgements, ${acknowledgements} of each one after the other, idle and while a model runs:\n`);
  table(['door', 'model', 'idle, median', 'busy, median', 'idle, 99 %', 'busy, 99 %', 'ratio of 99 %'], rows);
}

/** The study again and again, under another UID each time, until it is stopped. */
function keepBusy(gateway: Gateway, study: Study): { stop(): Promise<void> } {
  let stopped = false;
  const loop = (async () => {
    for (let i = 0; !stopped; i++) {
      const { studyUid } = await send(gateway, renamed(study.files, `busy ${i}`), true);
      await gateway.seen(studyUid);
    }
  })();
  return {
    stop: async () => {
      stopped = true;
      await loop;
    },
  };
}

async function acknowledged(gateway: Gateway, name: string, count: number): Promise<Times> {
  const times: Times = { stow: [], dimse: [], hl7: [] };
  const store = await storing(gateway.dimse, smallStudy(name, -1));
  for (let i = 0; i < count; i++) {
    const [one, other] = [smallStudy(`${name} stow`, i), smallStudy(`${name} dimse`, i)];
    const begun = performance.now();
    await stow(gateway.url, [one]);
    times.stow.push(performance.now() - begun);
    times.dimse.push(await store.one(other));
    times.hl7.push(await orderAcknowledged(gateway.hl7, `${name} ${i}`));
  }
  await store.release();
  return times;
}

/** An association for files like this one. `one` gives milliseconds from the request to its status 0000. */
async function storing(port: number, like: Uint8Array) {
  const aets = { calledAet: 'PLUMBLINE', callingAet: 'BENCH' };
  const peer = { name: 'gateway', host: '127.0.0.1', port, ...aets, timeoutMs: 60_000 };
  const { sopClass } = inspectPart10(like);
  const { transferSyntax } = splitPart10(like);
  const signal = new AbortController().signal;
  const association = await openAssociation(peer, [{ sopClass, transferSyntax }], signal);
  const one = async (file: Uint8Array): Promise<number> => {
    const { instanceUid } = inspectPart10(file);
    const { dataset } = splitPart10(file);
    const begun = performance.now();
    const { status } = await association.store({ sopClass, instanceUid, transferSyntax, dataset });
    if (status !== 0) throw new Error(`C-STORE was answered with status ${status}`);
    return performance.now() - begun;
  };
  return { one, release: () => association.release() };
}

/** One order on a connection of its own. @returns milliseconds from its first byte to the last of its AA */
function orderAcknowledged(port: number, name: string): Promise<number> {
  const id = derivedUid(name).slice(-15);
  const message = [
    `MSH|^~\\&|RIS|HOSP|PLUMBLINE|HOSP|20260301101500||ORM^O01^ORM_O01|${id}|P|2.5.1`,
    `PID|||P${id}^^^HOSP^MR||Bench^Anna||19700101|F`,
    `ORC|NW|${id}|F${id}||||1^^^^^R`,
    `OBR|1|${id}|F${id}|CT^CT head||||||||||||||||A${id.slice(0, 8)}`,
  ].join('\r');
  return new Promise((done, failed) => {
    const socket = connect(port, '127.0.0.1');
    let begun = 0;
    let said = '';
    socket.on('connect', () => {
      begun = performance.now();
      socket.write(`\x0b${message}\r\x1c\r`);
    });
    socket.on('data', (bytes) => {
      said += bytes.toString('latin1');
      if (!said.includes('\x1c\r')) return;
      const ms = performance.now() - begun;
      socket.destroy();
      if (said.includes('MSA|AA')) done(ms);
      else failed(new Error(`the order was not taken: ${said}`));
    });
    socket.on('error', failed);
  });
}
