import type { Json, Resource } from './fhir-server.ts';

/**
 * Paths at which a stored resource says something else than what is sent; empty where it says the same. The server's
 * own are id, meta and narrative of the resource. References are compared by type and id, dates by their instant,
 * numbers by value (integer64 is a string in R5). It may add fields, and identifiers, codings and extensions to a list;
 * any other list must have the same length, since one finding more or less is another statement.
 */
export function differences(sent: Resource, stored: Resource): string[] {
  return Object.keys(sent)
    .filter((key) => !['id', 'meta', 'text'].includes(key))
    .flatMap((key) => differing(sent[key], stored[key], key));
}

function differing(sent: unknown, stored: unknown, path: string): string[] {
  if (sent === null || typeof sent !== 'object') return sameValue(sent, stored, path) ? [] : [path];
  if (stored === null || typeof stored !== 'object') return [path];
  if (Array.isArray(sent)) return Array.isArray(stored) ? differingList(sent, stored, path) : [path];
  return Object.keys(sent).flatMap((key) => differing((sent as Json)[key], (stored as Json)[key], `${path}.${key}`));
}

function differingList(sent: readonly unknown[], stored: readonly unknown[], path: string): string[] {
  if (!/(^|\.)(identifier|coding|extension)$/.test(path)) {
    return sent.length === stored.length ? sent.flatMap((v, i) => differing(v, stored[i], `${path}[${i}]`)) : [path];
  }
  const missing = (value: unknown) => stored.every((other) => differing(value, other, '').length > 0);
  return sent.flatMap((value, i) => (missing(value) ? [`${path}[${i}]`] : []));
}

const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

function sameValue(sent: unknown, stored: unknown, path: string): boolean {
  if (sent === stored) return true;
  if (typeof sent === 'number' || typeof stored === 'number')
    return String(sent).trim() !== '' && Number(sent) === Number(stored);
  if (typeof sent !== 'string' || typeof stored !== 'string') return false;
  if (path.endsWith('.reference')) return typeAndId(sent) === typeAndId(stored);
  return instant.test(sent) && instant.test(stored) && Date.parse(sent) === Date.parse(stored);
}

/** `Type/id` of a reference, which a server may make absolute or versioned. */
export function typeAndId(reference: string): string {
  return /([A-Z][A-Za-z]+\/[A-Za-z0-9.-]+)(\/_history\/[^/]+)?$/.exec(reference)?.[1] ?? reference;
}
