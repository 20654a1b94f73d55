import type { SrSaid } from './dicom-said.ts';
import type { FhirContext } from './fhir-common.ts';
import type { Entry } from './fhir-nodes.ts';
import type { EncodingSet, Problem } from './types.ts';

/** The checks on FHIR bundles and report page. docs/consistency.md lists the same, and a test compares both. */
export const fhirChecks = {
  'PL-FHIR-001': {
    severity: 'hold',
    rule: 'The Bundle is a transaction of conditional creates with unique full URLs.',
  },
  'PL-FHIR-002': {
    severity: 'hold',
    rule: 'Every reference resolves inside the Bundle, and to a resource of the right type; only patients are outside.',
  },
  'PL-FHIR-003': {
    severity: 'hold',
    rule: 'Every subject is the patient of the source images, by identifier and issuer.',
  },
  'PL-FHIR-004': { severity: 'hold', rule: 'The study is that of the draft, wherever a Study Instance UID stands.' },
  'PL-FHIR-005': {
    severity: 'hold',
    rule: 'Each finding of the draft has exactly one Observation with its code, and no other is there.',
  },
  'PL-FHIR-006': {
    severity: 'hold',
    rule: 'Present and absent are the codes of the shipped table, and the SR says the same with its own.',
  },
  'PL-FHIR-007': { severity: 'hold', rule: 'A finding without mask names no segment; a failed one says so.' },
  'PL-FHIR-008': { severity: 'hold', rule: 'Tracking identifier and UID equal those of draft, SEG and SR.' },
  'PL-FHIR-009': { severity: 'hold', rule: 'Each mask resource names the segment and the SEG that hold the mask.' },
  'PL-FHIR-010': { severity: 'hold', rule: 'Measurements have the codes, values and UCUM units of draft and SR.' },
  'PL-FHIR-011': { severity: 'hold', rule: 'Each sentence stands word for word in Observation, narrative and SR.' },
  'PL-FHIR-012': { severity: 'hold', rule: 'Side codes are those of draft and SR.' },
  'PL-FHIR-013': { severity: 'hold', rule: 'Report, findings and masks carry the AI label of the destination.' },
  'PL-FHIR-014': {
    severity: 'hold',
    rule: 'Report and findings are preliminary; nothing names a person who verified.',
  },
  'PL-FHIR-015': { severity: 'hold', rule: 'The attached page is the report page, with its size and SHA-1.' },
  'PL-FHIR-016': {
    severity: 'hold',
    rule: 'The report page holds the marking, every sentence with its kind, and every Tracking UID.',
  },
  'PL-FHIR-017': {
    severity: 'hold',
    rule: 'Narrative and page hold no script, form, style from elsewhere or external load; sentence ids are unique.',
  },
  'PL-FHIR-018': { severity: 'hold', rule: 'ImagingStudy lists the images that were read, the SEGs and the SR.' },
  'PL-FHIR-019': {
    severity: 'hold',
    rule: 'Device and Provenance name the bundle by its digest, and Provenance covers report, findings and masks.',
  },
  'PL-FHIR-020': {
    severity: 'hold',
    rule: 'Every resource has the fields of its version that Plumbline writes and no other, each of its type; a component has one value or a reason.',
  },
  'PL-FHIR-021': { severity: 'hold', rule: 'The report has a title of the shipped table (DICOM CID 7000).' },
  'PL-FHIR-022': {
    severity: 'hold',
    rule: 'A sentence that answers a question stands beside it in Observation, narrative and page.',
  },
} as const satisfies Record<string, { severity: Problem['severity']; rule: string }>;

export type FhirCheck = keyof typeof fhirChecks;
export type SayFhir = (check: FhirCheck, message: string) => void;

/** One bundle beside what it must agree with. */
export interface FhirRead {
  readonly version: 'R4' | 'R5';
  readonly context: FhirContext;
  readonly set: EncodingSet;
  readonly entries: readonly Entry[];
  readonly of: (type: string) => readonly Entry[];
  readonly maskType: 'DocumentReference' | 'ImagingSelection';
  readonly sr: SrSaid;
}
