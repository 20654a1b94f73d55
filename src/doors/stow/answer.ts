import type { DicomJson, PlumblineError } from '../../base/index.ts';
import { storeStatus } from '../../dicom/index.ts';

/** What became of one part of a request. */
export type Outcome =
  | { readonly kind: 'stored'; readonly sopClass: string; readonly instanceUid: string; readonly url: string }
  | {
      readonly kind: 'failed';
      /** Undefined where the object is not readable enough to say. */
      readonly sopClass: string | undefined;
      readonly instanceUid: string | undefined;
      readonly error: PlumblineError;
    };

/**
 * HTTP status of a store transaction (PS3.18 Table 10.5.3-1): 200 all stored, 202 some, 409 none.
 * An empty request is the caller's to refuse.
 */
export function statusOf(outcomes: readonly Outcome[]): 200 | 202 | 409 {
  const stored = outcomes.filter((o) => o.kind === 'stored').length;
  if (stored === outcomes.length) return 200;
  return stored === 0 ? 409 : 202;
}

/**
 * The Store Instances Response Module (PS3.18 Table I.1-1). What failed without our knowing its SOP Class and Instance
 * UID stands in Other Failures Sequence; what failed and is known, in Failed SOP Sequence. The words stand in an Error
 * Comment, because a sender that sees only a number cannot repair anything.
 *
 * @param studyUrl where the one study of the request can be retrieved; empty when there is none or several
 */
export function storeResponse(outcomes: readonly Outcome[], studyUrl: string): DicomJson {
  const stored = outcomes.filter((o) => o.kind === 'stored');
  const failed = outcomes.filter((o) => o.kind === 'failed');
  const sequences = {
    '00081198': failed.filter(isNamed).map((o) => ({ ...reference(o), ...failure(o.error) })),
    '00081199': stored.map((o) => ({ ...reference(o), ...retrieveUrl(o.url) })),
    '0008119A': failed.filter((o) => !isNamed(o)).map((o) => failure(o.error)),
  };
  const filled = Object.entries(sequences).filter(([, list]) => list.length > 0);
  return { ...retrieveUrl(studyUrl), ...Object.fromEntries(filled.map(([tag, Value]) => [tag, { vr: 'SQ', Value }])) };
}

function retrieveUrl(url: string): DicomJson {
  return { '00081190': url === '' ? { vr: 'UR' } : { vr: 'UR', Value: [url] } };
}

function isNamed(o: Outcome & { readonly kind: 'failed' }): boolean {
  return o.sopClass !== undefined && o.instanceUid !== undefined;
}

function reference(o: Outcome): DicomJson {
  return {
    '00081150': { vr: 'UI', Value: [o.sopClass] },
    '00081155': { vr: 'UI', Value: [o.instanceUid] },
  };
}

function failure(error: PlumblineError): DicomJson {
  const comment = `${error.code}: ${error.message}`;
  return {
    '00081197': { vr: 'US', Value: [storeStatus(error.code)] },
    '00741048': { vr: 'SQ', Value: [{ '00000902': { vr: 'LO', Value: [comment.slice(0, 64)] } }] },
  };
}
