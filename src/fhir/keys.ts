import { createHash } from 'node:crypto';

/** A resource's business identifier and what follows from it; equal input, equal key. */
export interface ResourceKey {
  readonly system: string;
  readonly value: string;
  /** Client id where a server takes one: `pl-` and 40 hex digits. */
  readonly id: string;
  /** `urn:uuid:…` by which other entries of a Bundle refer to it. */
  readonly fullUrl: string;
  /** Search that finds it, for `ifNoneExist`. */
  readonly query: string;
}

/**
 * The key of a resource of one type.
 * @param parameter the search parameter that finds it: `identifier`, or `_tag` for types without identifier (Provenance)
 */
export function resourceKey(
  type: string,
  system: string,
  value: string,
  parameter: 'identifier' | '_tag' = 'identifier',
): ResourceKey {
  const token = `${system}|${value}`;
  return {
    system,
    value,
    id: `pl-${createHash('sha256').update(token).digest('hex').slice(0, 40)}`,
    fullUrl: `urn:uuid:${derivedUuid(type, system, value)}`,
    query: `${parameter}=${encodeURIComponent(token)}`,
  };
}

/** A UUID that is a function of its parts: 128 bits of a SHA-256 as version 8 of RFC 9562 (5.8). */
export function derivedUuid(...parts: readonly string[]): string {
  const digest = createHash('sha256').update(JSON.stringify(parts)).digest().subarray(0, 16);
  digest[6] = (digest[6]! & 0x0f) | 0x80;
  digest[8] = (digest[8]! & 0x3f) | 0x80;
  return digest.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
