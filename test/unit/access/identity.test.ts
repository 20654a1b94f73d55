import { describe, expect, it } from 'vitest';
import { identityOfCertificate, permissionsOf } from '../../../src/access/identity.ts';
import { accessOf } from '../../builders/tokens.ts';

const { certificates } = accessOf({
  certificates: [
    { subject: { CN: 'ct-1', O: 'Hospital' }, scopes: ['stow'] },
    { subject: { CN: 'desk' }, roles: ['operator'] },
  ],
});

describe('a client certificate', () => {
  it('is known by all attributes that its entry names', () => {
    expect(identityOfCertificate({ CN: 'ct-1', O: 'Hospital', C: 'DE' }, certificates)).toEqual({
      name: 'CN=ct-1,O=Hospital',
      via: 'certificate',
      may: new Set(['stow']),
    });
    expect(identityOfCertificate({ CN: 'desk' }, certificates)?.may).toEqual(permissionsOf(['operator'], []));
  });

  it.each([
    ['has another value', { CN: 'ct-2', O: 'Hospital' }],
    ['lacks one', { CN: 'ct-1' }],
    ['differs in case', { CN: 'CT-1', O: 'Hospital' }],
    ['has an attribute twice', { CN: ['ct-1', 'other'], O: 'Hospital' }],
    ['has both values in one', { CN: 'ct-1,O=Hospital' }],
    ['is empty', {}],
  ])('is nobody’s where it %s', (_what, subject) => {
    expect(identityOfCertificate(subject, certificates)).toBeUndefined();
  });

  it('is nobody’s where there is none', () => {
    expect(identityOfCertificate(undefined, certificates)).toBeUndefined();
  });
});

describe('roles', () => {
  it('allow what the page says', () => {
    expect([...permissionsOf(['viewer'], [])]).toEqual(['read']);
    expect([...permissionsOf(['reviewer'], [])]).toEqual(['read']);
    expect([...permissionsOf(['operator'], [])].sort()).toEqual(['jobs', 'metrics', 'read']);
    expect([...permissionsOf(['admin'], [])].sort()).toEqual(['jobs', 'metrics', 'read', 'stow']);
    expect([...permissionsOf([], ['stow'])]).toEqual(['stow']);
  });
});
