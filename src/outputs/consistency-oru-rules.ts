import type { Problem } from './types.ts';

/** The checks on ORU^R01. docs/consistency.md lists the same, and a test compares both. */
export const oruChecks = {
  'PL-HL7-001': {
    severity: 'hold',
    rule: 'The message reads back: one each of MSH, PID, ORC, OBR, then OBX numbered 1..n and no other segment, with the type of its version and the control id of this draft.',
  },
  'PL-HL7-002': {
    severity: 'hold',
    rule: 'Patient number with its authority and type (the new one after a merge), every part of the name, birth date and sex are those of the source.',
  },
  'PL-HL7-003': {
    severity: 'hold',
    rule: 'Study UID, accession number and order numbers are those of study and order.',
  },
  'PL-HL7-004': { severity: 'hold', rule: 'The first OBX is the marking, and every status is preliminary.' },
  'PL-HL7-005': {
    severity: 'hold',
    rule: 'Every sentence of the draft stands word for word in its order, and no other.',
  },
  'PL-HL7-006': {
    severity: 'hold',
    rule: 'Each finding has its code once, with its meaning and system, and with present or absent from the shipped table.',
  },
  'PL-HL7-007': {
    severity: 'hold',
    rule: 'Measurements have the codes, values and UCUM units of the draft, and no other is there.',
  },
  'PL-HL7-008': {
    severity: 'hold',
    rule: 'Every segment ends in CR; no other control character, byte order mark or half of a surrogate pair is there.',
  },
  'PL-HL7-009': {
    severity: 'hold',
    rule: 'The header names the usual delimiters, the sender, its time with zone, production and UTF-8.',
  },
  'PL-HL7-010': {
    severity: 'hold',
    rule: 'OBR names the procedure of the order, else of the images, else a title of DICOM CID 7000; the time of study and of draft; the section of table 0074.',
  },
  'PL-HL7-011': {
    severity: 'hold',
    rule: 'Every OBX has a value type of its version and what it needs: code with system, plain number with unit; none has the OBX-3 and OBX-4 of another.',
  },
  'PL-HL7-012': {
    severity: 'hold',
    rule: 'A sentence with a mask has one link to this study in the site’s viewer, a mask that failed its reason, an answer its question, and no other text is there.',
  },
  'PL-HL7-013': { severity: 'hold', rule: 'The model is named: in OBX-18 of every row, in 2.3.1 in a note.' },
} as const satisfies Record<string, { severity: Problem['severity']; rule: string }>;

export type OruCheck = keyof typeof oruChecks;
export type SayOru = (check: OruCheck, message: string) => void;
