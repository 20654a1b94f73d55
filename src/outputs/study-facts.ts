import { PlumblineError, type DicomJson, type Site, type Stack } from '../base/index.ts';
import { items, number, personName, text } from '../dicom/index.ts';
import { fhirDate, fhirDateTime, fhirFromDt } from '../fhir/index.ts';
import type { EncodingInput } from './types.ts';

/** What the sources say of patient and study, in the words that FHIR and the report page share. */
export interface StudyFacts {
  readonly patient: {
    readonly id: string;
    readonly issuer: string;
    /** Identifier system: the issuer's OID, else one below the site's base, else none. */
    readonly system?: string;
    /** Each representation that the source has, alphabetic first. */
    readonly names: readonly string[];
    readonly birthDate?: string;
    readonly sex: string;
  };
  readonly description: string;
  readonly accession: string;
  readonly accessionIssuer: string;
  /** FHIR dateTime; only a day where the source says no time zone. */
  readonly started?: string;
  /** Study date and time as the source has them, for people: `2026-03-04 05:00`. */
  readonly startedText: string;
  readonly modalities: readonly string[];
  readonly bodyPart: string;
}

/**
 * @throws PlumblineError draft-invalid when no attributes came with any instance that the draft names
 */
export function studyFacts(input: EncodingInput): StudyFacts {
  const first = firstSource(input);
  const started = fhirDateTime(
    text(first, 'StudyDate'),
    text(first, 'StudyTime'),
    text(first, 'TimezoneOffsetFromUTC'),
  );
  const birthDate = fhirDate(text(first, 'PatientBirthDate'));
  const system = patientSystem(first, input.site);
  return {
    patient: {
      id: text(first, 'PatientID'),
      issuer: text(first, 'IssuerOfPatientID'),
      ...(system !== undefined && { system }),
      names: personName(first, 'PatientName')
        .split('=')
        .map(readableName)
        .filter((n) => n !== ''),
      ...(birthDate !== undefined && { birthDate }),
      sex: text(first, 'PatientSex'),
    },
    description: text(first, 'StudyDescription') || text(first, 'SeriesDescription'),
    accession: text(first, 'AccessionNumber'),
    accessionIssuer: accessionSystem(first, input.site),
    ...(started !== undefined && { started }),
    startedText: [
      fhirDate(text(first, 'StudyDate')) ?? '',
      text(first, 'StudyTime').replace(/^(\d\d)(\d\d).*$/, '$1:$2'),
    ]
      .join(' ')
      .trim(),
    modalities: [...new Set(input.draft.stacks.map((s) => s.modality))],
    bodyPart: text(first, 'BodyPartExamined').toUpperCase(),
  };
}

/** `Family^Given^Middle^Prefix^Suffix` for reading; the order of the components stays. */
function readableName(name: string): string {
  const [family, ...rest] = name.split('^').map((part) => part.trim());
  const others = rest.filter((part) => part !== '').join(' ');
  return others === '' ? (family ?? '') : `${family}, ${others}`;
}

/** PS3.3 table 10-18: a universal entity of type ISO is an OID. */
function patientSystem(source: DicomJson, site: Site): string | undefined {
  const qualifier = items(source, 'IssuerOfPatientIDQualifiersSequence')[0];
  const issuer = text(source, 'IssuerOfPatientID');
  return (
    entityOid(qualifier) ??
    (issuer === '' ? undefined : `${site.idBase}/id/patient-issuer/${encodeURIComponent(issuer)}`)
  );
}

function accessionSystem(source: DicomJson, site: Site): string {
  const issuer = items(source, 'IssuerOfAccessionNumberSequence')[0];
  const local = issuer === undefined ? '' : text(issuer, 'LocalNamespaceEntityID');
  return entityOid(issuer) ?? (local === '' ? '' : `${site.idBase}/id/accession-issuer/${encodeURIComponent(local)}`);
}

function entityOid(item: DicomJson | undefined): string | undefined {
  return item !== undefined && text(item, 'UniversalEntityIDType') === 'ISO'
    ? `urn:oid:${text(item, 'UniversalEntityID')}`
    : undefined;
}

/** The attributes of the first instance of the draft that came with any. */
export function firstSource({ draft, sources }: EncodingInput): DicomJson {
  for (const stack of draft.stacks) {
    for (const plane of stack.planes) {
      const source = sources.get(plane.instanceUid);
      if (source) return source;
    }
  }
  throw new PlumblineError('draft-invalid', 'No attributes came with any instance that the draft names', {
    where: draft.studyUid,
  });
}

/** Acquisition time of one plane as FHIR dateTime; the study's where the instance does not say. */
export function acquiredAt(source: DicomJson): string | undefined {
  const zone = text(source, 'TimezoneOffsetFromUTC');
  return (
    fhirFromDt(text(source, 'AcquisitionDateTime'), zone) ??
    fhirDateTime(text(source, 'AcquisitionDate'), text(source, 'AcquisitionTime'), zone) ??
    fhirDateTime(text(source, 'ContentDate'), text(source, 'ContentTime'), zone) ??
    fhirDateTime(text(source, 'StudyDate'), text(source, 'StudyTime'), zone)
  );
}

/** Where a plane is found by a person: `image 59 of series 3`, `frame 5 of image 1 of series 3`. */
export function planeName(input: EncodingInput, stack: Stack, plane: number): string {
  return `${imageName(input, stack, plane)} of ${seriesName(input, stack)}`;
}

/** `image 59`, `frame 5 of image 1`. */
export function imageName(input: EncodingInput, stack: Stack, plane: number): string {
  const at = stack.planes[plane];
  const source = at && input.sources.get(at.instanceUid);
  const image = (source && number(source, 'InstanceNumber')) ?? plane + 1;
  const frame = at?.frame === undefined ? '' : `frame ${at.frame} of `;
  return `${frame}image ${image}`;
}

/** `series 3`; a number may be missing, then its place in the draft. */
export function seriesName(input: EncodingInput, stack: Stack): string {
  const source = stack.planes.map((p) => input.sources.get(p.instanceUid)).find((s) => s !== undefined);
  const series = source && number(source, 'SeriesNumber');
  return series === undefined ? `series ${stack.id}` : `series ${series}`;
}

/** A link that a person can open, or undefined; the schemes are those that the configuration takes. */
export function viewerLink(site: Site, study: string, series: string, instance: string): string | undefined {
  const uids: Readonly<Record<string, string>> = { study, series, instance };
  const link = site.viewerUrl?.replace(/\{(study|series|instance)\}/g, (_all, name: string) =>
    encodeURIComponent(uids[name]!),
  );
  return link !== undefined && /^(https?|weasis):\/\//i.test(link) ? link : undefined;
}
