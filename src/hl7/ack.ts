import { PlumblineError, sha256 } from '../base/index.ts';
import { parseMessage, type Hl7Header } from './message.ts';
import { hl7Time } from './time.ts';

export type AckCode = 'AA' | 'AE' | 'AR' | 'CA' | 'CE' | 'CR';

/** Message Error Condition Codes (HL7 table 0357) that Plumbline answers with. */
export const errorConditions = {
  100: 'Segment sequence error',
  101: 'Required field missing',
  102: 'Data type error',
  103: 'Table value not found',
  200: 'Unsupported message type',
  201: 'Unsupported event code',
  202: 'Unsupported processing id',
  203: 'Unsupported version id',
  204: 'Unknown key identifier',
  205: 'Duplicate key identifier',
  207: 'Application internal error',
} as const;
export type ErrorCondition = keyof typeof errorConditions;

export interface AckError {
  readonly condition: ErrorCondition;
  /** `PID-3`, `OBR`, `MSH-9`; '' where no place can be named. */
  readonly location: string;
  /** For people; never with patient data. */
  readonly text: string;
}

/**
 * The acknowledgement of a message (2.9.2), as text. MSA-2 is the sender's MSH-10 exactly as it came; MSH-3 to MSH-6
 * are turned round. The same message and code give the same control id.
 * @param header undefined where the message has none that can be read: MSA-2 stays empty
 */
export function makeAck(header: Hl7Header | undefined, code: AckCode, now: Date, error?: AckError): string {
  const field = (n: number): string => header?.fields[n] ?? '';
  const separators = header?.separators ?? {
    field: '|',
    component: '^',
    repetition: '~',
    escape: '\\',
    subcomponent: '&',
  };
  const f = separators.field;
  const c = separators.component;
  const version = /^2\.[1-9](\.\d)?$/.test(field(12).split(c)[0]!) ? field(12).split(c)[0]! : '2.5.1';
  const event = field(9).split(c)[1] ?? '';
  const type = ['ACK', ...(event === '' ? [] : [event]), ...(event !== '' && version >= '2.4' ? ['ACK'] : [])].join(c);
  const id = `A${sha256(JSON.stringify([code, ...(header?.fields ?? [])]))
    .slice(0, 19)
    .toUpperCase()}`;
  const encoding = field(2) || `${c}${separators.repetition}${separators.escape}${separators.subcomponent}`;
  const msh = ['MSH', encoding, field(5), field(6), field(3), field(4), hl7Time(now), '', type, id, field(11) || 'P'];
  const lines = [[...msh, version].join(f), ['MSA', code, field(10), ...(error ? [said(error)] : [])].join(f)];
  if (error) lines.push(errorSegment(error, version, f, c, separators.subcomponent || '&'));
  return lines.map((line) => `${line}\r`).join('');
}

function said({ condition, text }: AckError): string {
  return plain(text || errorConditions[condition]);
}

/** ERR as 2.5 has it; before, all of it stands in components of ERR-1. */
function errorSegment(error: AckError, version: string, f: string, c: string, s: string): string {
  const { condition, location } = error;
  const [segment = '', field = ''] = location.split('-');
  const place = segment === '' ? [] : [segment, '1', ...(field === '' ? [] : [field])];
  const meaning = errorConditions[condition];
  if (version < '2.5') return `ERR${f}${[...pad(place, 3), [condition, meaning, 'HL70357'].join(s)].join(c)}`;
  const text = said(error);
  return ['ERR', '', place.join(c), [condition, meaning, 'HL70357'].join(c), 'E', '', '', '', text].join(f);
}

function pad(parts: readonly string[], n: number): string[] {
  return Array.from({ length: n }, (_, i) => parts[i] ?? '');
}

/** Our own words hold no delimiter of any sender. */
function plain(text: string): string {
  return text.replace(/[^A-Za-z0-9 .,:;()_/'"=-]/g, ' ').slice(0, 200);
}

/** What an answer of a receiver says. */
export interface Acknowledgement {
  readonly code: AckCode;
  /** MSA-2. */
  readonly controlId: string;
  /** Condition of ERR-3, or of ERR-1 before 2.5. */
  readonly condition?: string;
  /** In the receiver's words. */
  readonly text: string;
}

/**
 * Read a receiver's answer.
 * @throws PlumblineError hl7-invalid, hl7-charset where the bytes are no acknowledgement
 */
export function readAck(bytes: Uint8Array): Acknowledgement {
  const message = parseMessage(bytes);
  const msa = message.segment('MSA');
  const code = msa?.text(1) ?? '';
  if (!msa || !isAckCode(code))
    throw new PlumblineError('hl7-invalid', 'the answer has no MSA with an acknowledgement code', { where: 'MSA-1' });
  const err = message.segment('ERR');
  const condition = err?.text(3) || err?.text(1, 4, 1) || undefined;
  const words = [msa.text(3), err?.text(8) ?? '', err?.text(7) ?? ''].filter((w) => w !== '');
  return {
    code,
    controlId: msa.text(2),
    ...(condition === undefined ? {} : { condition }),
    text: words.join('; '),
  };
}

function isAckCode(code: string): code is AckCode {
  return ['AA', 'AE', 'AR', 'CA', 'CE', 'CR'].includes(code);
}
