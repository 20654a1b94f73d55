import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { headersFor, identifying, quote, retryAfterMs } from '../../../src/delivery/http.ts';

const peer = { name: 'ehr', url: 'http://ehr.example', headers: { 'x-site': '1' }, timeoutSeconds: 5 };

describe('the words of a peer', () => {
  it('are one short line without markup', () => {
    expect(quote(peer, '<html>\n<h1>Bad   request</h1>\r\n</html>')).toBe('Bad request');
    expect(quote(peer, 'x'.repeat(900))).toBe(`${'x'.repeat(500)}…`);
    expect(quote(peer, '')).toBe('(no words)');
  });

  it.each([
    ['Patient/123 of MUELLER^ANNA refused', 'Patient/… of … refused'],
    ['no match for urn:oid:1.2|123', 'no match for urn:oid:1.2|…'],
    ['anna and Mueller', '… and …'],
    ['HAPI-1230: 4123 is no number', 'HAPI-1230: 4123 is no number'],
  ])('name no patient: %s', (words, quoted) => {
    expect(quote({ ...peer, hide: identifying('123', undefined, 'MUELLER^ANNA') }, words)).toBe(quoted);
  });

  it('may hold what looks like a pattern', () => {
    expect(quote({ ...peer, hide: identifying('A.*(1') }, 'id A.*(1 of ABB')).toBe('id … of ABB');
  });
});

describe('Retry-After', () => {
  it.each([
    ['120', 120_000],
    ['Wed, 21 Oct 2026 07:28:00 GMT', 60_000],
    ['Wed, 21 Oct 2026 07:00:00 GMT', 0],
    ['soon', undefined],
    ['', undefined],
    [null, undefined],
  ])('%j is read as RFC 9110 10.2.3 has it', (value, ms) => {
    expect(retryAfterMs(value, Date.UTC(2026, 9, 21, 7, 27, 0))).toBe(ms);
  });
});

describe('a header from a file', () => {
  it('is read for each request, and held for a person where there is none', () => {
    const folder = mkdtempSync(join(tmpdir(), 'plumbline-header-'));
    const headerFiles = { Authorization: join(folder, 'basic') };
    for (const value of ['Basic b25l', 'Basic dHdv']) {
      writeFileSync(headerFiles.Authorization, `${value}\n`);
      expect(headersFor({ ...peer, headerFiles })).toEqual({ 'x-site': '1', Authorization: value });
    }
    rmSync(folder, { recursive: true });
    expect(() => headersFor({ ...peer, headerFiles })).toThrow(
      expect.objectContaining({ code: 'peer-unauthorized', class: 'hold' }) as Error,
    );
  });
});

describe('the bearer token', () => {
  it('is read from its file for each request, and held for a person where there is none', () => {
    const folder = mkdtempSync(join(tmpdir(), 'plumbline-token-'));
    const bearerFile = join(folder, 'token');
    for (const token of ['one', 'two']) {
      writeFileSync(bearerFile, `${token}\n`);
      expect(headersFor({ ...peer, bearerFile })).toEqual({ 'x-site': '1', authorization: `Bearer ${token}` });
    }
    rmSync(folder, { recursive: true });
    expect(() => headersFor({ ...peer, bearerFile })).toThrow(
      expect.objectContaining({ code: 'peer-unauthorized', class: 'hold' }) as Error,
    );
  });
});
