import { readFileSync } from 'node:fs';
import { sharedPath } from '../../test/peers/index.ts';

/** One file of the index of damaged files. */
export interface Case {
  readonly file: string;
  readonly wrong: string;
  readonly action: 'reject' | 'hold' | 'accept';
  readonly stow: number;
  readonly code: string;
  readonly note: string;
}

export function brokenCases(): Case[] {
  return JSON.parse(readFileSync(sharedPath('data/dicom-broken/cases.json'), 'utf8')) as Case[];
}

/** What became of a file: not kept, kept and held, or read to its end. */
export type Outcome = 'refused' | 'held' | 'done';

export interface RunAnswer {
  readonly outcome: Outcome | 'passed over';
  readonly code: string;
  /** Whether the good study beside it was read. */
  readonly good: boolean;
  readonly left: string;
}

export interface GatewayAnswer {
  readonly status: number;
  /** Failure Reason (0008,1197) in hexadecimal, or nothing. */
  readonly failure: string;
  readonly outcome: Outcome;
  readonly code: string;
  readonly left: string;
}

export interface Verdict {
  /** What is worse than asked, if anything. */
  readonly worse?: string;
  /** Why an answer other than the one asked is as good. */
  readonly asGood?: string;
}

interface Other {
  readonly outcomes: readonly Outcome[];
  readonly failure?: string;
  readonly why: string;
}

const twoDimensional = 'index: a 2-D answer without measures is as good';

/** Answers other than those that the index asks for first, and why they are as good or better. */
const asGood: Readonly<Record<string, Other>> = {
  'trunc-pixels.dcm': { outcomes: ['refused'], failure: 'C000', why: 'index: rejecting with C000 is as good' },
  'deflate-bomb-256m.dcm': { outcomes: ['refused'], failure: 'C000', why: 'index: 409 with C000 is as good' },
  'encapsulated-under-native.dcm': { outcomes: ['held'], why: 'index: hold as pixel-decode is as good' },
  'patientid-twice.dcm': {
    outcomes: ['refused'],
    failure: 'C000',
    why: 'an element that comes twice breaks the encoding of data sets (PS3.5 7.1), not the rules of the SOP class: Cxxx',
  },
  'duplicate-1.dcm': { outcomes: ['held'], why: 'its study is held once study-of-two-patients.dcm has come into it' },
  'rows-wrong-vr.dcm': { outcomes: ['done'], why: 'index: reading it as 16 and accepting is as good' },
  'high-bit-wrong.dcm': { outcomes: ['done'], why: 'index: shifting by HighBit is as good' },
  'pixels-long.dcm': { outcomes: ['held'], why: 'index: hold as pixel-length is as good' },
  'text-cr-accession.dcm': { outcomes: ['held'], why: 'index: holding as identity is as good' },
  'name-65000.dcm': { outcomes: ['done'], why: 'index: accepting with the shown name cut is as good' },
  'charset-escape-open.dcm': { outcomes: ['done'], why: 'index: accepting is as good' },
  'is-overflow.dcm': { outcomes: ['done'], why: 'index: accepting is as good' },
  'offset-table-beyond.dcm': { outcomes: ['done'], why: 'index: one fragment a frame is as good' },
  'patientid-missing.dcm': { outcomes: ['held'], why: 'index: hold as patient-unknown is as good' },
  'class-unknown.dcm': { outcomes: ['refused'], why: 'index: refusing with 0122 is as good' },
  ...Object.fromEntries(
    ['zero', 'negative', 'one-value', 'comma', 'overflow'].map((name) => [
      `geometry-spacing-${name}.dcm`,
      { outcomes: ['done'] as const, why: twoDimensional },
    ]),
  ),
};

/** Remarks on rows that are answered as asked. */
const remarks: Readonly<Record<string, string>> = {
  'name-65000.dcm':
    'kept; a name of 65,000 characters breaks its value representation and cannot be copied into a legal SEG or SR, and a cut one would name another patient',
};

export function reasonOf(file: string): string {
  return remarks[file] ?? '';
}

const wanted = { reject: 'refused', hold: 'held', accept: 'done' } as const;

export function judgeRun(c: Case, answer: RunAnswer): Verdict {
  if (!answer.good) return { worse: `by run the good study beside it was not read (${answer.code})` };
  // A run keeps nothing of its own: a file that is named with the reason and stays where it was is held.
  if (c.action === 'hold' && answer.outcome === 'refused' && answer.code !== '') return {};
  const outcome = answer.outcome === 'passed over' ? 'refused' : answer.outcome;
  return judge(c, outcome, `by run ${answer.outcome} ${answer.code}`);
}

export function judgeGateway(c: Case, answer: GatewayAnswer): Verdict {
  const said = `by STOW-RS ${answer.status} ${answer.failure}, then ${answer.outcome} ${answer.code}`;
  const verdict = judge(c, answer.outcome, said);
  if (verdict.worse) return verdict;
  if (answer.left.includes('PREAMBLE')) return { worse: `${c.file}: served with what its sender put before DICM` };
  if (answer.code === 'internal' || answer.code === 'inconsistent') return { worse: said };
  if (answer.outcome !== 'refused') return answer.status === 200 ? verdict : { worse: said };
  if (answer.left !== 'nothing') return { worse: `${said}; on disk: ${answer.left}` };
  const other = asGood[c.file];
  if (c.action === 'reject' && answer.status === c.stow && answer.failure === c.code) return verdict;
  if (other?.outcomes.includes('refused') && answer.failure === other.failure) return { ...verdict, asGood: other.why };
  return { worse: said };
}

function judge(c: Case, outcome: Outcome, said: string): Verdict {
  if (outcome === wanted[c.action]) return {};
  const other = asGood[c.file];
  return other?.outcomes.includes(outcome) ? { asGood: other.why } : { worse: `asked ${c.action}, ${said}` };
}
