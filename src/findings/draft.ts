import type { BundleRef, Code, Notice, PassedOver, Stack } from '../base/index.ts';

/**
 * Everything that the model claims about a study, on the source grids. Immutable; a person's decisions make the next
 * version. All encodings are made from this and nothing else; bits of masks lie beside it (`MaskSet`).
 */
export interface Draft {
  readonly schema: 'plumbline.draft/1';
  /** 1 for the model's own; each review makes the next. */
  readonly version: number;
  /** Workitem key, SHA-256 hex: all UIDs of encodings are derived from it and `version`. */
  readonly key: string;
  readonly studyUid: string;
  readonly task: string;
  readonly prompt: string;
  /** ISO 8601 UTC. The time in every encoding, so that a rebuild is byte-identical. */
  readonly createdAt: string;
  readonly bundle: BundleRef;
  readonly mappingDigest: string;
  readonly inputDigest: string;
  readonly stacks: readonly Stack[];
  readonly sentences: readonly Sentence[];
  readonly findings: readonly Finding[];
  readonly masks: readonly DraftMask[];
  readonly coverage: Coverage;
  /** About the whole draft; what concerns one sentence stands there. */
  readonly warnings: readonly Notice[];
}

/**
 * `linked` a positive claim with its mask · `negative` says that something is not there · `ungrounded` a positive claim
 * whose mask failed or is empty · `plain` claims nothing that a mask could show (the view, the technique).
 */
export type SentenceKind = 'linked' | 'negative' | 'ungrounded' | 'plain';

export interface Sentence {
  /** `s1`, `s2`, … in reading order. */
  readonly id: string;
  /** Markup removed, the model's words otherwise untouched. Every encoding carries exactly this string. */
  readonly text: string;
  readonly kind: SentenceKind;
  /** The question that it answers, where its words alone do not say what they are about. */
  readonly question?: string;
  /** Finding ids. */
  readonly findings: readonly string[];
  /** Phrases in `text` (UTF-16 offsets, end exclusive) and the finding that each names. */
  readonly spans: readonly { readonly start: number; readonly end: number; readonly finding: string }[];
  /** Where the sentence was said: the stack and the (key) plane. */
  readonly stack?: string;
  readonly plane?: number;
  readonly warnings: readonly Notice[];
}

export interface Finding {
  /** `f1`, `f2`, … */
  readonly id: string;
  readonly sentence: string;
  readonly presence: 'present' | 'absent' | 'ungrounded';
  /** The model's phrase, e.g. `liver lesion`. */
  readonly label: string;
  readonly concept: Concept;
  /** Side of the patient on which the mask lies; only where the picture knows the patient's sides. */
  readonly side?: 'left' | 'right' | 'both';
  /** Mask id; for `present` always, else never. */
  readonly mask?: string;
  /** `<label>-<n>`; equal in SEG, SR and FHIR. */
  readonly trackingId: string;
  readonly trackingUid: string;
  readonly measurements: readonly Measurement[];
  /** Why there is no mask, for `ungrounded`. */
  readonly reason?: Notice;
}

/** A label as codes, from mappings/. */
export interface Concept {
  /** Id of the mapping entry, `unknown_region` where none matched. */
  readonly id: string;
  readonly category: Code;
  readonly type: Code;
  readonly region?: Code;
  /** SCT laterality modifier; present only where side is known and the mapping's `lat` rule allows it. */
  readonly laterality?: Code;
  /** 0..255. */
  readonly rgb: readonly [number, number, number];
  /** DICOM-scaled CIELab (PS3.3 C.10.7.1.1). */
  readonly lab: readonly [number, number, number];
}

export interface Measurement {
  readonly kind: 'volume' | 'area' | 'long-axis' | 'short-axis' | 'max-diameter';
  readonly code: Code;
  /** At most 6 significant digits. */
  readonly value: number;
  /** UCUM. */
  readonly unit: Code;
  /** 0-based plane on which it was taken, where that is one plane. */
  readonly plane?: number;
  /** e.g. `partial: slices are missing`. */
  readonly note?: string;
}

export interface DraftMask {
  /** `m1`, `m2`, … */
  readonly id: string;
  readonly finding: string;
  readonly stack: string;
  /** 1-based, without gap within a stack, in order of `masks`: the SEG segment number. */
  readonly segment: number;
  /** Non-empty planes, growing. */
  readonly planes: readonly number[];
  /** Set pixels over all planes. */
  readonly pixels: number;
  /** Plane of largest area; ties: nearest the middle of the mask. */
  readonly keyPlane: number;
  /** Mean (column, row) of set pixels on the key plane. */
  readonly centroid: readonly [number, number];
  /** SHA-256 hex over the planes' bits in order. */
  readonly digest: string;
  /** Model's score, uncalibrated: never shown as a certainty. */
  readonly score?: number;
}

export interface Coverage {
  /** What was read: of each stack how many of its planes. */
  readonly read: readonly { readonly stack: string; readonly planes: number; readonly of: number }[];
  readonly notRead: readonly PassedOver[];
}
