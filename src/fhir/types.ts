import type * as r4 from 'fhir/r4.js';
import type * as r5 from 'fhir/r5.js';

export type { r4, r5 };
export type R4Bundle = r4.Bundle<r4.FhirResource>;
export type R5Bundle = r5.Bundle<r5.FhirResource>;
