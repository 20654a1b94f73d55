import { PlumblineError } from '../base/index.ts';
import type { ResourceKey } from './keys.ts';
import type { R4Bundle, R5Bundle } from './types.ts';

/**
 * One entry of a transaction: created only where its key finds nothing. A conditional create never changes what a
 * server already has, so that a second delivery is harmless and a report that a person has signed stays as it is.
 */
export function createEntry<T extends { readonly resourceType: string }>(key: ResourceKey, resource: T) {
  return {
    fullUrl: key.fullUrl,
    resource,
    request: { method: 'POST' as const, url: resource.resourceType, ifNoneExist: key.query },
  };
}

/**
 * The Bundle with its patient named by a literal reference: every `{type: 'Patient', identifier}` becomes
 * `{reference}` (display kept). Patients are looked up by whoever delivers, never created.
 * @param reference e.g. `Patient/1009`
 */
export function withPatient<B extends R4Bundle | R5Bundle>(bundle: B, reference: string): B {
  return replacePatient(bundle, reference) as B;
}

function replacePatient(value: unknown, reference: string): unknown {
  if (Array.isArray(value)) return value.map((v) => replacePatient(v, reference));
  if (typeof value !== 'object' || value === null) return value;
  const { type, identifier, display } = value as { type?: unknown; identifier?: unknown; display?: unknown };
  if (type === 'Patient' && (identifier !== undefined || display !== undefined)) {
    return { reference, ...(display !== undefined && { display }) };
  }
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, replacePatient(v, reference)]));
}

/** The patient whom a Bundle is about: of the first subject that names one. */
export function patientOf(
  bundle: R4Bundle | R5Bundle,
): { readonly system?: string; readonly value?: string; readonly reference?: string } | undefined {
  for (const { resource } of bundle.entry ?? []) {
    const subject = (
      resource as { subject?: { reference?: string; identifier?: { system?: string; value?: string } } } | undefined
    )?.subject;
    if (subject)
      return { ...subject.identifier, ...(subject.reference !== undefined && { reference: subject.reference }) };
  }
  return undefined;
}

/**
 * Refuse what FHIR strings cannot carry (C0 controls but tab, CR and LF; lone surrogates) before anything is written.
 * @throws PlumblineError text-unencodable, `where` is the path of the first such string
 */
export function assertEncodable(value: unknown, path = 'Bundle'): void {
  if (typeof value === 'string') {
    if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(value) || !value.isWellFormed()) {
      throw new PlumblineError(
        'text-unencodable',
        'A text holds a control character or half a surrogate pair, which FHIR cannot carry',
        { where: path },
      );
    }
  } else if (Array.isArray(value)) value.forEach((v, i) => assertEncodable(v, `${path}[${i}]`));
  else if (typeof value === 'object' && value !== null)
    for (const [k, v] of Object.entries(value)) assertEncodable(v, `${path}.${k}`);
}
