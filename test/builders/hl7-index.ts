/** The shared HL7 v2 messages with the answers that their index asks for. */
import { readFileSync } from 'node:fs';
import { sharedPath } from '../peers/index.ts';
import { answered } from './hl7.ts';

export interface Hl7Entry {
  readonly path: string;
  /** What it is about. */
  readonly use?: string;
  readonly expected_ack: {
    readonly code?: string;
    readonly err?: string;
    readonly loc?: string;
    readonly batch?: readonly string[] | string;
  };
  readonly extract?: Readonly<Record<string, unknown>>;
}

export function hl7Entries(): Hl7Entry[] {
  const index = JSON.parse(readFileSync(sharedPath('data/index.json'), 'utf8')) as
    Hl7Entry[] | { readonly files: Hl7Entry[] };
  return (Array.isArray(index) ? index : index.files).filter((f) => f.path.startsWith('hl7/'));
}

/** Answers that differ from the first wish of the index, each equally good there or better, and why. */
export const otherAnswers: Readonly<Record<string, { readonly got: readonly string[]; readonly why: string }>> = {
  'hl7/siu-s12.hl7': { got: ['AR 200'], why: 'the index takes it: scheduling is not taken' },
  'hl7/published/SIU-S12-01.hl7': { got: ['AR 200'], why: 'scheduling is not taken' },
  'hl7/published/connect-batch01.hl7': { got: ['AR 200', 'AR 200', 'AR 200'], why: 'by type, each is SIU' },
  'hl7/published/ORM-O01-04.hl7': { got: ['AE 100'], why: 'a diet order: it has no OBR' },
  'hl7/published/OMG-O19-01.hl7': { got: ['AE 101'], why: 'no order number in ORC-2, ORC-3, OBR-2 or OBR-3' },
  'hl7/bad-duplicate-control-id.hl7': {
    got: ['AE 205'],
    why: 'another message under a used control id is told to its sender, not taken in silence',
  },
};

/** The answers that the index asks for: code, then condition and place where it names them. */
export function askedAnswers({ expected_ack: wish }: Hl7Entry): string[] {
  if (Array.isArray(wish.batch)) return wish.batch as string[];
  return wish.code === 'none' ? [] : [[wish.code, wish.err, wish.loc].filter(Boolean).join(' ')];
}

/** An answer as the index writes it. */
export function saidAs({ expected_ack: wish }: Hl7Entry, ack: string): string {
  const { code, condition, location } = answered(ack);
  return [code, condition, wish.loc === undefined ? '' : location].filter((p) => p !== '').join(' ');
}
