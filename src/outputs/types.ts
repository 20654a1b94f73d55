import type { DicomJson, MaskSet, Parts, Picture, Site } from '../base/index.ts';
import type { R4Bundle, R5Bundle } from '../fhir/index.ts';
import type { Draft } from '../findings/index.ts';

/** What every encoder is given: the draft, its bits, the sources' attributes, and who writes. */
export interface EncodingInput {
  readonly draft: Draft;
  readonly masks: MaskSet;
  /** Attributes (no pixels) of at least every instance that the draft's stacks name, by SOP Instance UID. */
  readonly sources: ReadonlyMap<string, DicomJson>;
  readonly site: Site;
  readonly presence: PresenceCodes;
  readonly profile: EncodingProfile;
  /** What was ordered, where an order came; its numbers are echoed. */
  readonly order?: OrderEcho;
}

/** Numbers and procedure of the order that a report answers; '' where the order has none, or there is no order. */
export interface OrderEcho {
  /** The patient's number now, where it was merged into another since the images came. */
  readonly patient?: { readonly id: string; readonly issuer: string; readonly issuerOid?: string };
  readonly placer: string;
  readonly filler: string;
  readonly procedure: { readonly code: string; readonly text: string; readonly scheme: string };
}

/** HL7 v2 versions in which a report is written. */
export type OruVersion = '2.3.1' | '2.5.1';

/** One table in mappings/ holds each pair; no encoding spells a presence code by itself. */
export interface PresenceCodes {
  readonly present: { readonly sr: CodeText; readonly fhir: CodeText };
  readonly absent: { readonly sr: CodeText; readonly fhir: CodeText };
}
export interface CodeText {
  readonly value: string;
  readonly scheme: string;
  readonly meaning: string;
}

/** What a destination can take. */
export interface EncodingProfile {
  /** Keep plain BINARY where packing could be misread by some viewers (encoding rule D2). Default false. */
  readonly strictBinary?: boolean;
  /** Plane macros on 2-D sources without a frame of reference: `viewer2d-min` (default) or `plain`. */
  readonly planes2d?: 'viewer2d-min' | 'viewer2d' | 'plain';
  /** Comprehensive 3D SR (default) or Comprehensive SR. */
  readonly srClass?: 'comprehensive-3d' | 'comprehensive';
  /** Security label of AI content in FHIR. Default `AIAST`. */
  readonly aiLabel?: 'AIAST' | 'DEVAST' | 'none';
}

/** A written DICOM object. */
export interface DicomObject {
  readonly role: 'seg' | 'sr';
  /** 1-based among objects of its role in the draft: `seg-1.dcm`. */
  readonly index: number;
  readonly studyUid: string;
  readonly seriesUid: string;
  readonly instanceUid: string;
  readonly sopClass: string;
  /** Stack id, for a SEG. */
  readonly stack?: string;
  /** Whole data set without pixel data. */
  readonly dataset: DicomJson;
  /** The Part 10 file, Explicit VR Little Endian; of a SEG, its head and then the pixels of frame after frame. */
  readonly parts: Parts;
}

/** One draft, all its encodings. */
export interface EncodingSet {
  readonly segs: readonly DicomObject[];
  readonly sr: DicomObject;
  readonly fhirR4: R4Bundle;
  readonly fhirR5: R5Bundle;
  /** The report page: one HTML file without script or external load. */
  readonly html: string;
  /** ORU^R01 by version, where a destination takes it. */
  readonly oru?: ReadonlyMap<OruVersion, string>;
}

/** What the consistency gate found. `hold` stops everything; `warn` is written into the summary. */
export interface Problem {
  /** e.g. `PL-DCM-004`; listed in docs/consistency.md. */
  readonly check: string;
  readonly severity: 'hold' | 'warn';
  readonly message: string;
}

/** Key pictures for the report page, by `<stack>/<plane>`. */
export type KeyPictures = ReadonlyMap<string, Picture>;
