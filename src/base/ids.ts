import { createHash } from 'node:crypto';

/** SHA-256 as hex. */
export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/**
 * A UID that is a function of its parts: `2.25.` and 128 bits of a SHA-256, with the version (8) and variant bits
 * of RFC 9562 set. The same parts always give the same UID, so a second delivery is the same object.
 */
export function derivedUid(...parts: readonly (string | number)[]): string {
  const digest = createHash('sha256').update(JSON.stringify(parts)).digest().subarray(0, 16);
  digest[6] = (digest[6]! & 0x0f) | 0x80;
  digest[8] = (digest[8]! & 0x3f) | 0x80;
  return `2.25.${BigInt(`0x${digest.toString('hex')}`)}`;
}

/**
 * The study's own id in logs and for `plumbline jobs show`: always the same for a UID, and nobody who has only the log
 * can tell the UID from it.
 */
export function studyId(studyUid: string): string {
  return `s-${sha256(`study ${studyUid}`).slice(0, 12)}`;
}

/** UID rules of PS3.5 9.1: at most 64 characters, digits and dots, no leading zero in a component. */
export function isUid(text: unknown): text is string {
  return typeof text === 'string' && text.length <= 64 && /^(0|[1-9]\d*)(\.(0|[1-9]\d*))+$/.test(text);
}

/** JSON with sorted keys and no white space: the same value always gives the same text (and digest). */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, v: unknown) =>
    v && typeof v === 'object' && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v).sort(([x], [y]) => (x < y ? -1 : 1)))
      : v,
  );
}
