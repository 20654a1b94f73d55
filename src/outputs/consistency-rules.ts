import type { DicomJson } from '../base/index.ts';
import type { InspectedFile } from '../dicom/index.ts';
import type { DicomObject, Problem } from './types.ts';

/**
 * The checks on the DICOM objects, each made on the bytes as read back. docs/consistency.md lists the same, and a test
 * compares both.
 */
export const dicomChecks = {
  'PL-DCM-001': { severity: 'hold', rule: 'The object reads back as the SOP class it was written as, in UTF-8.' },
  'PL-DCM-002': {
    severity: 'hold',
    rule: 'SOP Instance and Series UIDs are the ones of this draft and no source has them.',
  },
  'PL-DCM-003': { severity: 'hold', rule: 'Patient: name, id, issuer, birth date and sex are those of the source.' },
  'PL-DCM-004': { severity: 'hold', rule: 'Study: UID, date, time, id and accession number are those of the source.' },
  'PL-DCM-005': {
    severity: 'hold',
    rule: 'The Frame of Reference UID is that of the source; of the stack, where the source has none; absent for unplaced pictures.',
  },
  'PL-DCM-006': { severity: 'hold', rule: 'Each stack with masks has exactly one SEG, and no other stack has one.' },
  'PL-DCM-007': { severity: 'hold', rule: 'Rows, Columns, orientation and pixel spacing are those of the source.' },
  'PL-DCM-008': { severity: 'hold', rule: 'Source image and plane position of each frame name the same slice.' },
  'PL-DCM-009': { severity: 'hold', rule: 'Number of Frames, per-frame groups, bits and length of Pixel Data agree.' },
  'PL-DCM-010': {
    severity: 'hold',
    rule: 'Frames are packed so that no viewer can misread them, unless strictBinary asks otherwise.',
  },
  'PL-DCM-011': {
    severity: 'hold',
    rule: 'The pixels of each segment are those of its mask: same count, same digest.',
  },
  'PL-DCM-012': {
    severity: 'hold',
    rule: 'One frame per segment and place; none is empty but one that the packing needs.',
  },
  'PL-DCM-013': { severity: 'hold', rule: 'Segments Overlap says what the pixels say.' },
  'PL-DCM-014': { severity: 'hold', rule: 'Segments are numbered 1..n without gap, in order, as in the draft.' },
  'PL-DCM-015': { severity: 'hold', rule: 'Tracking id and UID of each segment are those of its finding, and unique.' },
  'PL-DCM-016': { severity: 'hold', rule: 'Category, type, region and side of each segment are those of its finding.' },
  'PL-DCM-017': {
    severity: 'hold',
    rule: 'Referenced Series lists every source image of every frame, in its own series.',
  },
  'PL-DCM-018': {
    severity: 'hold',
    rule: 'Dimension indices point to attributes that are there and order the frames.',
  },
  'PL-DCM-019': {
    severity: 'hold',
    rule: 'Each frame names one source image, and the frame of it where that has several.',
  },
  'PL-DCM-020': {
    severity: 'hold',
    rule: 'The object says that software made it: equipment, algorithm, series, flags.',
  },
  'PL-DCM-021': { severity: 'warn', rule: 'The description of a segment begins as its sentence does.' },
  'PL-DCM-022': {
    severity: 'hold',
    rule: 'Every value obeys its representation, and group 2 names the instance of the data set.',
  },
  'PL-DCM-023': {
    severity: 'hold',
    rule: 'What the modules require is there: number, date and time, image type, photometric interpretation, lossy compression as in the sources, fractional type, colours.',
  },
  'PL-DCM-030': {
    severity: 'hold',
    rule: 'The report has the items of TID 1500, with the code meanings that readers match.',
  },
  'PL-DCM-031': {
    severity: 'hold',
    rule: 'One measurement group per mask, its tracking id and UID unique and those of the SEG.',
  },
  'PL-DCM-032': { severity: 'hold', rule: 'Each group names an existing segment of our SEG, and the right source.' },
  'PL-DCM-033': { severity: 'hold', rule: 'Category, finding, site and side of each group are those of the draft.' },
  'PL-DCM-034': {
    severity: 'hold',
    rule: 'Numbers and units are those of the draft, units are UCUM, and numbers have no children.',
  },
  'PL-DCM-035': {
    severity: 'hold',
    rule: 'Every sentence of the draft stands in the report word for word, and no other.',
  },
  'PL-DCM-036': { severity: 'hold', rule: 'Every absent finding is coded as absent, and nothing else is.' },
  'PL-DCM-037': {
    severity: 'hold',
    rule: 'The evidence lists every instance that the report names, once, images first.',
  },
  'PL-DCM-038': {
    severity: 'hold',
    rule: 'Each content item is whole: a relationship, a concept, and a value of a type that the SOP class allows.',
  },
  'PL-DCM-039': { severity: 'hold', rule: 'A sentence that answers a question has the question under it.' },
} as const satisfies Record<string, { readonly severity: Problem['severity']; readonly rule: string }>;

export type DicomCheck = keyof typeof dicomChecks;

/** Says that a check failed, and of what. */
export type Say = (check: DicomCheck, message: string) => void;

/** Collects problems; of one check at most `most` messages are kept, the rest are counted. */
export function collect(most = 5): { readonly say: Say; readonly problems: () => Problem[] } {
  const said = new Map<DicomCheck, string[]>();
  return {
    say: (check, message) => said.set(check, [...(said.get(check) ?? []), message]),
    problems: () =>
      [...said].flatMap(([check, messages]) => {
        const { severity } = dicomChecks[check];
        const kept = messages.slice(0, most).map((message): Problem => ({ check, severity, message }));
        const more = messages.length - kept.length;
        return more > 0 ? [...kept, { check, severity, message: `and ${more} more of the same check` }] : kept;
      }),
  };
}

/** An object of ours as it reads back from its bytes. */
export interface ReadBack {
  readonly object: DicomObject;
  readonly file: InspectedFile;
  readonly attributes: DicomJson;
}

/** `seg-1`, for messages. */
export function nameOf(object: DicomObject): string {
  return `${object.role}-${object.index}`;
}
