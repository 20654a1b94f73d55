// The FHIR formats: types of R4 and R5, builders of the small parts that both share, deterministic resource ids.
// It never decides what is said about a study.
// Main types: R4Bundle, R5Bundle.
export type { R4Bundle, R5Bundle, r4, r5 } from './types.ts';
export { resourceKey, derivedUuid, type ResourceKey } from './keys.ts';
export { codeSystem, coding, concept, dcm } from './codes.ts';
export type { CodeableConcept, Coding, Identifier, Meta, Reference } from './codes.ts';
export { fhirDate, fhirDateTime, fhirFromDt } from './time.ts';
export { assertEncodable, createEntry, patientOf, withPatient } from './bundle.ts';
