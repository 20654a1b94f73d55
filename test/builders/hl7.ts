/** HL7 v2 by hand: messages, frames, and the door's pure function over a store of its own. */
import { silentLog } from '../../src/base/index.ts';
import { messagesOf, takeMessage, type TakeOptions } from '../../src/doors/hl7/index.ts';
import { createMllpDecoder } from '../../src/hl7/index.ts';
import { testStudies, type TestStudies } from './store.ts';

export interface TestDoor extends TestStudies {
  /** Answers of one frame's content, as text of one character a byte. */
  take(message: string | Uint8Array, change?: Partial<TakeOptions>): Promise<string[]>;
}

export const doorDefaults = {
  name: 'ris',
  log: silentLog,
  acknowledge: 'original',
  processingIds: ['P'],
  accessionPaths: ['IPC-1', 'OBR-18', 'OBR-3', 'ORC-3'],
} as const;

export async function testDoor(): Promise<TestDoor> {
  const store = await testStudies();
  const options: TakeOptions = { ...doorDefaults, studies: store.studies, now: () => new Date(store.clock.now()) };
  return {
    ...store,
    take: async (message, change = {}) => {
      const bytes = typeof message === 'string' ? Buffer.from(message) : message;
      const here = { ...options, ...change };
      const answers = await Promise.all(messagesOf(bytes, here).map((m) => takeMessage(m, here)));
      return answers.flat().map((a) => Buffer.from(a).toString('latin1'));
    },
  };
}

/** Frames of a stream, as the listener would see them when the sender waits at the end. */
export function framesOf(stream: Uint8Array): Uint8Array[] {
  const decoder = createMllpDecoder({ maxBytes: 1 << 25 });
  return [...decoder.push(stream), ...decoder.settle()].flatMap((e) => (e.kind === 'frame' ? [e.bytes] : []));
}

export interface Answered {
  readonly code: string;
  readonly controlId: string;
  readonly condition: string;
  readonly location: string;
}

/** MSA-1, MSA-2 and the error of an acknowledgement, read without the code under test. */
export function answered(ack: string): Answered {
  const lines = ack.split('\r').map((l) => l.split(ack[3]!));
  const msa = lines.find((l) => l[0] === 'MSA') ?? [];
  const err = lines.find((l) => l[0] === 'ERR') ?? [];
  const component = ack[4]!;
  const old = (err[1] ?? '').split(component);
  const condition = err[3] === undefined ? (old[3] ?? '').split(ack[7] ?? '&')[0]! : err[3].split(component)[0]!;
  const place = err[3] === undefined ? old : (err[2] ?? '').split(component);
  const location = [place[0], place[2]].filter((p) => p !== undefined && p !== '').join('-');
  return { code: msa[1] ?? '', controlId: msa[2] ?? '', condition, location };
}

export interface OrderSketch {
  readonly control?: string;
  readonly id?: string;
  readonly placer?: string;
  readonly filler?: string;
  readonly accession?: string;
  readonly studyUid?: string;
  readonly patient?: string;
  readonly born?: string;
  readonly sex?: string;
  readonly priority?: string;
}

let next = 0;

/** ORM^O01 in the form of IHE Scheduled Workflow. */
export function orm(sketch: OrderSketch = {}): string {
  const { control = 'NW', id = `T${++next}`, placer = 'PL1', filler = 'FI1', accession = 'ACC1' } = sketch;
  const patient = sketch.patient ?? 'P1^^^HOSP^MR';
  return [
    `MSH|^~\\&|RIS|HOSP|PLUMBLINE|RAD|20260105095000+0000||ORM^O01|${id}|P|2.3.1`,
    `PID|1||${patient}||DOE^JANE||${sketch.born ?? ''}|${sketch.sex ?? ''}`,
    `ORC|${control}|${placer}|${filler}||||^^^^^${sketch.priority ?? ''}`,
    `OBR|1|${placer}|${filler}|71250^CT CHEST^C4||||||||||||||${accession}||||||CT`,
    ...(sketch.studyUid === undefined ? [] : [`ZDS|${sketch.studyUid}^RIS^Application^DICOM`]),
  ]
    .map((line) => `${line}\r`)
    .join('');
}

export function adt(event: string, ...segments: string[]): string {
  const head = `MSH|^~\\&|RIS|HOSP|PLUMBLINE|RAD|20260105095000+0000||ADT^${event}|T${++next}|P|2.5.1`;
  return [head, `EVN|${event}|20260105`, ...segments].map((line) => `${line}\r`).join('');
}
