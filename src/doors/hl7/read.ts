import { isUid, PlumblineError } from '../../base/index.ts';
import {
  hl7Day,
  isHl7Time,
  type ErrorCondition,
  type Hl7Message,
  type Hl7Segment,
  type Hl7Value,
} from '../../hl7/index.ts';
import type { OrderAct, OrderFacts, OrderPatient, OrderPriority } from '../../studies/index.ts';

export interface ReadOptions {
  /** Where the accession number stands, e.g. `OBR-18`; the first that is not empty counts. */
  readonly accessionPaths: readonly string[];
  /** Assigning authority whose patient number counts; without it the first of type MR, else PI, else the first. */
  readonly patientAuthority?: string;
}

/** A message that cannot be taken: what is said in ERR, and with which code. */
export class Hl7Refusal extends PlumblineError {
  readonly condition: ErrorCondition;
  readonly location: string;
  readonly rejected: boolean;

  /** @param rejected AR: the header is wrong; else AE: the content is */
  constructor(condition: ErrorCondition, location: string, message: string, rejected = false) {
    super('hl7-refused', message, { where: location });
    this.condition = condition;
    this.location = location;
    this.rejected = rejected;
  }
}

/** Messages with more segments are refused. */
const mostSegments = 10_000;

const orderTypes = new Set(['ORM^O01', 'OMI^O23', 'OMG^O19']);
const demographicEvents = new Set(['A08', 'A31']);
/** Merges and changes of a number, the older ones beside A40 and A47. */
const mergeEvents = new Set(['A18', 'A30', 'A34', 'A36', 'A40', 'A46', 'A47']);

/** HL7 table 0119: what each Order Control code does here. */
const controls: Readonly<Record<string, Extract<OrderAct, { kind: 'order' }>['control']>> = {
  NW: 'new',
  SN: 'new',
  XO: 'update',
  XX: 'update',
  RO: 'update',
  RU: 'update',
  CA: 'cancel',
  DC: 'cancel',
  OC: 'cancel',
  OD: 'cancel',
  CR: 'cancel',
  HD: 'hold',
  RL: 'release',
  NA: 'number',
  ...Object.fromEntries('SC RE SR OK UA UC UD OR PA CH UX UH DR DE SS'.split(' ').map((c) => [c, 'note'])),
};

/**
 * What a message asks for.
 * @throws Hl7Refusal with condition and place
 */
export function readActs(message: Hl7Message, options: ReadOptions): OrderAct[] {
  if (message.segments.length > mostSegments) throw new Hl7Refusal(207, '', `more than ${mostSegments} segments`);
  const msh = message.segment('MSH')!;
  const type = `${msh.text(9, 1)}^${msh.text(9, 2)}`;
  const pid = requirePatient(message);
  const patient = patientOf(pid, 3, options);
  if (orderTypes.has(type)) return readOrders(message, patient, options);
  if (type === 'ORU^R01') return readReports(message, options);
  const event = msh.text(9, 2);
  if (demographicEvents.has(event)) return [{ kind: 'demographics', patient, deleted: deletedOf(pid) }];
  if (mergeEvents.has(event)) return readMerges(message, patient, options);
  return [];
}

/** @throws Hl7Refusal */
function requirePatient(message: Hl7Message): Hl7Segment {
  const pid = message.segment('PID');
  if (!pid) throw new Hl7Refusal(101, 'PID', 'the message names no patient');
  if (!pid.repetitions(3).some((r) => r.text(1) !== '')) throw new Hl7Refusal(101, 'PID-3', 'no patient number');
  const born = pid.text(7);
  if (born !== '' && !isHl7Time(born)) throw new Hl7Refusal(102, 'PID-7', 'the birth date is no date');
  return pid;
}

function deletedOf(pid: Hl7Segment): ('birthDate' | 'sex')[] {
  return [...(pid.isNull(7) ? (['birthDate'] as const) : []), ...(pid.isNull(8) ? (['sex'] as const) : [])];
}

function patientOf(pid: Hl7Segment, field: number, { patientAuthority }: ReadOptions): OrderPatient {
  const numbers = pid.repetitions(field).filter((r) => r.text(1) !== '');
  const best =
    numbers.find((n) => patientAuthority !== undefined && [n.text(4, 1), n.text(4, 2)].includes(patientAuthority)) ??
    numbers.find((n) => n.text(5) === 'MR') ??
    numbers.find((n) => n.text(5) === 'PI') ??
    numbers[0]!;
  const sex = pid.text(8).toUpperCase();
  const born = pid.id === 'PID' ? hl7Day(pid.text(7)) : '';
  return { ...numberOf(best), birthDate: born, sex: pid.id === 'PID' && /^[MFO]$/.test(sex) ? sex : '' };
}

function numberOf(cx: Hl7Value): Pick<OrderPatient, 'id' | 'issuer' | 'issuerOid'> {
  return { id: cx.text(1), issuer: cx.text(4, 1), issuerOid: cx.text(4, 3) === 'ISO' ? cx.text(4, 2) : '' };
}

function readMerges(message: Hl7Message, patient: OrderPatient, options: ReadOptions): OrderAct[] {
  const priors = message.all('MRG').filter((mrg) => mrg.repetitions(1).length > 0);
  if (priors.length === 0) throw new Hl7Refusal(101, 'MRG-1', 'no prior patient number');
  return priors.map((mrg) => ({ kind: 'merge', patient, prior: patientOf(mrg, 1, options) }));
}

/** One procedure of a message: its ORC, its OBR, and what follows them. */
interface Group {
  readonly orc: Hl7Segment | undefined;
  readonly obr: Hl7Segment | undefined;
  readonly rest: readonly Hl7Segment[];
}

function groupsOf(message: Hl7Message): Group[] {
  const groups: { orc: Hl7Segment | undefined; obr: Hl7Segment | undefined; rest: Hl7Segment[] }[] = [];
  for (const segment of message.segments) {
    const last = groups.at(-1);
    if (segment.id === 'ORC') groups.push({ orc: segment, obr: undefined, rest: [] });
    else if (segment.id === 'OBR' && last && !last.obr) last.obr = segment;
    else if (segment.id === 'OBR') groups.push({ orc: last?.orc, obr: segment, rest: [] });
    else last?.rest.push(segment);
  }
  return groups;
}

function readOrders(message: Hl7Message, patient: OrderPatient, options: ReadOptions): OrderAct[] {
  const groups = groupsOf(message);
  if (groups.length === 0 || !groups[0]!.orc) throw new Hl7Refusal(100, 'ORC', 'no ORC before the first OBR');
  const zds = message.segment('ZDS');
  return groups.flatMap((group) => {
    const code = group.orc!.text(1);
    const control = controls[code];
    if (control === undefined) throw new Hl7Refusal(code === '' ? 101 : 103, 'ORC-1', 'the order control is not known');
    const makes = control === 'new' || control === 'update';
    if (makes && !group.obr) throw new Hl7Refusal(100, 'OBR', 'no OBR after the ORC');
    if (makes && group.obr!.text(4) === '' && group.obr!.text(4, 2) === '')
      throw new Hl7Refusal(101, 'OBR-4', 'no procedure');
    const steps = group.rest.filter((s) => s.id === 'IPC');
    return (steps.length > 0 ? steps : [undefined]).map((ipc): OrderAct => {
      const order = factsOf({ ...group, patient, ipc, zds, options });
      if (order.placer === '' && order.filler === '' && order.accession === '')
        throw new Hl7Refusal(101, 'ORC-2', 'the order has no number');
      return { kind: 'order', control, order };
    });
  });
}

interface Parts extends Group {
  readonly patient: OrderPatient;
  readonly ipc: Hl7Segment | undefined;
  readonly zds: Hl7Segment | undefined;
  readonly options: ReadOptions;
}

function factsOf(parts: Parts): OrderFacts {
  const { orc, obr, rest, patient, ipc, zds, options } = parts;
  const first = (...texts: (string | undefined)[]): string => texts.find((t) => t !== undefined && t !== '') ?? '';
  const priority = priorityOf(
    first(rest.find((x) => x.id === 'TQ1')?.text(9), orc?.text(7, 6), obr?.text(27, 6), obr?.text(5)),
  );
  return {
    ...(priority === undefined ? {} : { priority }),
    placer: first(orc?.text(2), obr?.text(2)),
    filler: first(obr?.text(3), orc?.text(3)),
    accession: accessionOf(parts, options),
    studyUid: studyUidOf(ipc, zds, rest),
    requestedProcedure: first(ipc?.text(2), obr?.text(19)),
    step: first(ipc?.text(4), obr?.text(20)),
    procedure: { code: obr?.text(4, 1) ?? '', text: obr?.text(4, 2) ?? '', scheme: obr?.text(4, 3) ?? '' },
    modality: first(ipc?.text(5), obr?.text(24)),
    patient,
  };
}

function accessionOf({ orc, obr, ipc, rest }: Parts, { accessionPaths }: ReadOptions): string {
  for (const path of accessionPaths) {
    const [id, field, component = '1'] = path.split(/[-.]/);
    const segment = { ORC: orc, OBR: obr, IPC: ipc }[id!] ?? rest.find((s) => s.id === id);
    const text = segment?.text(Number(field), Number(component)) ?? '';
    if (text !== '') return text;
  }
  return '';
}

/** ZDS-1 (IHE RAD-4), IPC-3, or an OBX that is coded as Study Instance UID. @throws Hl7Refusal where it is none */
function studyUidOf(ipc: Hl7Segment | undefined, zds: Hl7Segment | undefined, rest: readonly Hl7Segment[]): string {
  const obx = rest.find((s) => s.id === 'OBX' && ['113014', '110180'].includes(s.text(3)));
  const places = [
    ['IPC-3', ipc?.text(3)],
    ['ZDS-1', zds?.text(1)],
    ['OBX-5', obx?.text(5)],
  ] as const;
  for (const [location, text] of places) {
    if (text === undefined || text === '') continue;
    if (!isUid(text)) throw new Hl7Refusal(102, location, 'the Study Instance UID is no UID');
    return text;
  }
  return '';
}

/** HL7 table 0485 and its forebears: STAT, ASAP and what is timed, routine. */
function priorityOf(text: string): OrderPriority | undefined {
  if (text === '') return undefined;
  if (/^(S|ST|STAT)$/i.test(text)) return 0;
  if (/^(A|P|T|TS\d*|TM\d*|TH\d*|ASAP|U|URGENT)$/i.test(text)) return 1;
  return 2;
}

function readReports(message: Hl7Message, options: ReadOptions): OrderAct[] {
  return groupsOf(message).flatMap((group): OrderAct[] => {
    const { obr, rest } = group;
    if (!obr) return [];
    const parts: Parts = { ...group, patient: noPatient, ipc: undefined, zds: undefined, options };
    const uid = rest.find((s) => s.id === 'OBX' && ['113014', '110180'].includes(s.text(3)))?.text(5) ?? '';
    return [
      { kind: 'report', accession: accessionOf(parts, options), studyUid: isUid(uid) ? uid : '', status: obr.text(25) },
    ];
  });
}

const noPatient: OrderPatient = { id: '', issuer: '', issuerOid: '', birthDate: '', sex: '' };
