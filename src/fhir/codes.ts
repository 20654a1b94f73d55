import type { Code } from '../base/index.ts';

/** DICOM coding scheme designators (PS3.16 table 8-1) and the URI by which FHIR knows the same system. */
const systems: Readonly<Record<string, string>> = {
  SCT: 'http://snomed.info/sct',
  DCM: 'http://dicom.nema.org/resources/ontology/DCM',
  UCUM: 'http://unitsofmeasure.org',
  LN: 'http://loinc.org',
  UMLS: 'http://www.nlm.nih.gov/research/umls',
  RADLEX: 'http://radlex.org',
  FMA: 'urn:oid:2.16.840.1.113883.6.119',
};

/** @param idBase base of the site's identifier systems; private and unknown schemes become `<idBase>/id/code/<scheme>` */
export function codeSystem(scheme: string, idBase: string): string {
  return systems[scheme] ?? `${idBase}/id/code/${encodeURIComponent(scheme)}`;
}

// Data types that R4 and R5 share, as far as this program writes them (their declared types differ in parts unused here).
export interface Coding {
  system: string;
  code: string;
  display?: string;
}
export interface CodeableConcept {
  coding?: Coding[];
  text?: string;
}
export interface Identifier {
  type?: CodeableConcept;
  system?: string;
  value: string;
}
export interface Reference {
  reference?: string;
  type?: string;
  identifier?: Identifier;
  display?: string;
}
export interface Meta {
  security?: Coding[];
  tag?: Coding[];
}

export function coding(code: Code, idBase: string): Coding {
  return { system: codeSystem(code.scheme, idBase), code: code.value, display: code.meaning };
}

/** @param text what a person should read, where it is more than the code's meaning */
export function concept(code: Code, idBase: string, text?: string): CodeableConcept {
  return text === undefined ? { coding: [coding(code, idBase)] } : { coding: [coding(code, idBase)], text };
}

/** A DCM code of PS3.16 Annex D. */
export function dcm(value: string, meaning: string): CodeableConcept {
  return { coding: [{ system: systems['DCM']!, code: value, display: meaning }] };
}
