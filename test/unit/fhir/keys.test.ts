import { describe, expect, it } from 'vitest';
import { derivedUuid, resourceKey } from '../../../src/fhir/index.ts';

describe('keys of resources', () => {
  it('give a version 8 UUID of the RFC 9562 variant', () => {
    for (const part of ['a', 'b', 'c', 'd', 'e', 'f']) {
      expect(derivedUuid(part)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    }
  });

  it('are equal for equal parts and differ where any part differs', () => {
    const key = resourceKey('Device', 'http://a', 'x').fullUrl;
    expect(resourceKey('Device', 'http://a', 'x').fullUrl).toBe(key);
    const others = [
      resourceKey('Patient', 'http://a', 'x'),
      resourceKey('Device', 'http://b', 'x'),
      resourceKey('Device', 'http://a', 'y'),
    ];
    expect(new Set([key, ...others.map((k) => k.fullUrl)]).size).toBe(4);
  });

  it('do not run parts together', () => {
    expect(derivedUuid('ab', 'c')).not.toBe(derivedUuid('a', 'bc'));
  });

  it('give a client id that FHIR takes', () => {
    expect(resourceKey('Device', 'http://a', 'x').id).toMatch(/^[A-Za-z0-9.-]{1,64}$/);
  });

  it('write the search so that # and | reach the server as values', () => {
    const { query } = resourceKey('Observation', 'https://h.example/id/finding', '1.2#f1');
    expect(query).toBe('identifier=https%3A%2F%2Fh.example%2Fid%2Ffinding%7C1.2%23f1');
    expect(new URLSearchParams(query).get('identifier')).toBe('https://h.example/id/finding|1.2#f1');
  });
});
