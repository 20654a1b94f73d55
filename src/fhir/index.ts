// The FHIR formats: types of R4 and R5, builders of the small parts that both share, deterministic resource ids.
// It never decides what is said about a study.
// Main types: R4Bundle, R5Bundle.
import type * as r4 from 'fhir/r4.js';
import type * as r5 from 'fhir/r5.js';

export type R4Bundle = r4.Bundle<r4.FhirResource>;
export type R5Bundle = r5.Bundle<r5.FhirResource>;
