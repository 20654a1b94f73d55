import { sha256 } from '../base/index.ts';
import { number, text } from '../dicom/index.ts';
import {
  codeSystem,
  resourceKey,
  type CodeableConcept,
  type Coding,
  type Identifier,
  type Meta,
  type Reference,
  type ResourceKey,
  type r4,
} from '../fhir/index.ts';
import type { DraftMask } from '../findings/index.ts';
import { narrative } from './narrative.ts';
import { reportCategories, reportCode } from './report-codes.ts';
import { acquiredAt, firstSource, studyFacts, type StudyFacts } from './study-facts.ts';
import type { DicomObject, EncodingInput } from './types.ts';

/** What both FHIR versions are made from. */
export interface FhirContext {
  readonly input: EncodingInput;
  readonly segs: readonly DicomObject[];
  readonly sr: DicomObject;
  readonly facts: StudyFacts;
  readonly html: string | undefined;
  readonly keys: FhirKeys;
  readonly subject: Reference;
  /** `meta` of everything that the model claims. */
  readonly meta: Meta | undefined;
}

export interface FhirKeys {
  readonly device: ResourceKey;
  readonly endpoint: ResourceKey | undefined;
  readonly study: ResourceKey;
  readonly report: ResourceKey;
  readonly provenance: ResourceKey;
  readonly finding: (id: string) => ResourceKey;
  readonly mask: (mask: DraftMask) => ResourceKey;
}

/** @param maskType the resource that stands for a mask in this version */
export function fhirContext(
  input: EncodingInput,
  segs: readonly DicomObject[],
  sr: DicomObject,
  html: string | undefined,
  maskType: 'DocumentReference' | 'ImagingSelection',
): FhirContext {
  const facts = studyFacts(input);
  return {
    input,
    segs,
    sr,
    facts,
    html,
    keys: keysOf(input, segs, maskType),
    subject: subjectOf(facts),
    meta: aiMeta(input),
  };
}

/**
 * Keys hold the workitem key: another model or other inputs make another report, and never a mixture of two under one
 * identifier. Later versions of one draft (a person's review) are the same resources.
 */
function keysOf({ draft, site }: EncodingInput, segs: readonly DicomObject[], maskType: string): FhirKeys {
  const id = (kind: string) => `${site.idBase}/id/${kind}`;
  const work = draft.key.slice(0, 16);
  return {
    device: resourceKey('Device', id('model'), `${draft.bundle.name}@sha256:${draft.bundle.digest}`),
    endpoint: site.dicomwebUrl === undefined ? undefined : resourceKey('Endpoint', id('endpoint'), site.dicomwebUrl),
    study: resourceKey('ImagingStudy', 'urn:dicom:uid', `urn:oid:${draft.studyUid}`),
    report: resourceKey('DiagnosticReport', id('report'), `${draft.studyUid}#${draft.task}#${work}`),
    provenance: resourceKey('Provenance', id('provenance'), `${draft.key}#${draft.version}`, '_tag'),
    finding: (finding) => resourceKey('Observation', id('finding'), `${draft.studyUid}#${work}#${finding}`),
    mask: (mask) => resourceKey(maskType, id('mask'), `${segOf(segs, mask)?.instanceUid ?? 'none'}#${mask.segment}`),
  };
}

/** The SEG that holds a mask: one SEG per stack. */
export function segOf(segs: readonly DicomObject[], mask: DraftMask): DicomObject | undefined {
  return segs.find((s) => s.stack === mask.stack);
}

/** A logical reference: the patient is looked up by whoever delivers (`withPatient`), never created. */
function subjectOf({ patient }: StudyFacts): Reference {
  const name = patient.names[0];
  return {
    type: 'Patient',
    ...(patient.id !== '' && {
      identifier: { ...(patient.system !== undefined && { system: patient.system }), value: patient.id },
    }),
    display: name ?? (patient.id || 'Patient without identifier'),
  };
}

function aiMeta({ profile }: EncodingInput): Meta | undefined {
  const label = profile.aiLabel ?? 'AIAST';
  return label === 'none' ? undefined : { security: [{ system: aiSystem, code: label }] };
}
export const aiSystem = 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue';

export const ref = (key: ResourceKey): Reference => ({ reference: key.fullUrl });
export const identifierOf = (key: ResourceKey): Identifier => ({ system: key.system, value: key.value });
export const dicomUid = (uid: string): Identifier => ({ system: 'urn:dicom:uid', value: `urn:oid:${uid}` });
export const sopClassCoding = (uid: string): Coding => ({ system: 'urn:ietf:rfc:3986', code: `urn:oid:${uid}` });
export const modalityCoding = (modality: string): Coding => ({ system: codeSystem('DCM', ''), code: modality });

/** The model as versions of a Device, equal in R4 and R5. The gateway is no part of it: it stands in the Provenance. */
export function deviceVersions({ draft }: EncodingInput): { type: CodeableConcept; value: string }[] {
  return [
    { type: { text: 'model version' }, value: draft.bundle.version },
    { type: { text: 'bundle digest' }, value: `sha256:${draft.bundle.digest}` },
  ];
}

/** The fields of DiagnosticReport that R4 and R5 share; the study and the attachment differ. */
export function reportBase(context: FhirContext) {
  const { input, keys, meta, facts } = context;
  const { draft, site } = input;
  const effective = acquiredAt(firstSource(input));
  return {
    resourceType: 'DiagnosticReport' as const,
    ...(meta && { meta }),
    text: { status: 'additional' as const, div: narrative(input) },
    identifier: [identifierOf(keys.report)],
    status: 'preliminary' as const,
    category: reportCategories(facts.modalities),
    code: reportCode(facts.modalities, facts.bodyPart),
    subject: context.subject,
    ...(effective !== undefined && { effectiveDateTime: effective }),
    issued: draft.createdAt,
    performer: [{ type: 'Organization', display: site.organization }],
    // FHIR has no empty arrays.
    ...(draft.findings.length > 0 && { result: draft.findings.map((f) => ref(keys.finding(f.id))) }),
  };
}

/** Who made it, from what. Same JSON in R4 and R5. `meta.tag` is its key, since Provenance has no identifier. */
export function provenance(context: FhirContext): r4.Provenance {
  const { input, keys } = context;
  const { draft, site } = input;
  const type = (code: string) => ({
    coding: [{ system: 'http://terminology.hl7.org/CodeSystem/provenance-participant-type', code }],
  });
  const source = (kind: string, value: string, display: string): r4.ProvenanceEntity => ({
    role: 'source',
    what: { identifier: { system: `${site.idBase}/id/${kind}`, value }, display },
  });
  return {
    resourceType: 'Provenance',
    meta: { tag: [{ system: keys.provenance.system, code: keys.provenance.value }] },
    target: [keys.report, ...draft.findings.map((f) => keys.finding(f.id)), ...draft.masks.map(keys.mask)].map(ref),
    occurredDateTime: draft.createdAt,
    recorded: draft.createdAt,
    activity: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-DataOperation', code: 'CREATE' }] },
    agent: [
      { type: type('author'), who: ref(keys.device) },
      {
        type: type('assembler'),
        who: {
          type: 'Device',
          identifier: { system: `${site.idBase}/id/gateway`, value: site.installationId },
          display: `Plumbline ${site.gatewayVersion}`,
        },
      },
    ],
    entity: [
      { role: 'source', what: ref(keys.study) },
      source('model', `${draft.bundle.name}@sha256:${draft.bundle.digest}`, 'Model bundle'),
      source('input-digest', `sha256:${draft.inputDigest}`, 'Images that were read'),
      source('prompt-digest', `sha256:${sha256(draft.prompt)}`, 'Prompt'),
      source('mapping-digest', `sha256:${draft.mappingDigest}`, 'Mappings of labels to codes'),
    ],
  };
}

/** A series of the study: what was read, then what was written. Instances are those that the draft names. */
export interface SeriesFacts {
  readonly uid: string;
  readonly number?: number;
  readonly modality: string;
  readonly instances: readonly { readonly uid: string; readonly sopClass: string; readonly number?: number }[];
}

export function seriesFacts({ input, segs, sr }: FhirContext): SeriesFacts[] {
  const read = new Map<
    string,
    { modality: string; number: number | undefined; instances: Map<string, SeriesFacts['instances'][number]> }
  >();
  for (const stack of input.draft.stacks) {
    const series = read.get(stack.seriesUid) ?? {
      modality: stack.modality || 'OT',
      number: undefined,
      instances: new Map(),
    };
    read.set(stack.seriesUid, series);
    for (const { instanceUid, sopClass } of stack.planes) {
      const source = input.sources.get(instanceUid);
      const instanceNumber = source && number(source, 'InstanceNumber');
      series.number ??= source && number(source, 'SeriesNumber');
      series.instances.set(instanceUid, {
        uid: instanceUid,
        sopClass,
        ...(countable(instanceNumber) && { number: instanceNumber }),
      });
    }
  }
  const sources = [...read].map(([uid, s]) => ({
    uid,
    ...(countable(s.number) && { number: s.number }),
    modality: s.modality,
    instances: [...s.instances.values()],
  }));
  return [...sources, ...[...segs, sr].map(ownSeries)];
}

/** unsignedInt of FHIR: DICOM's Integer String may also be negative. */
const countable = (n: number | undefined): n is number =>
  n !== undefined && Number.isInteger(n) && n >= 0 && n < 2 ** 31;

function ownSeries({ dataset, seriesUid, instanceUid, sopClass, role }: DicomObject): SeriesFacts {
  const series = number(dataset, 'SeriesNumber');
  const instance = number(dataset, 'InstanceNumber');
  const modality = text(dataset, 'Modality') || role.toUpperCase();
  return {
    uid: seriesUid,
    ...(countable(series) && { number: series }),
    modality,
    instances: [{ uid: instanceUid, sopClass, ...(countable(instance) && { number: instance }) }],
  };
}

/** Identifiers of the study: its UID, and the accession number as PS3.17 and the FHIR mapping of ImagingStudy give it. */
export function studyIdentifiers({ keys, facts }: FhirContext): Identifier[] {
  const accession: Identifier = {
    type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'ACSN' }] },
    ...(facts.accessionIssuer !== '' && { system: facts.accessionIssuer }),
    value: facts.accession,
  };
  return [identifierOf(keys.study), ...(facts.accession === '' ? [] : [accession])];
}

/** WADO-RS instance URL of a SEG (PS3.18 10.4), or its UID as a URN where the site has no DICOMweb service. */
export function segUrl({ input }: FhirContext, seg: DicomObject): string {
  const root = input.site.dicomwebUrl?.replace(/\/+$/, '');
  return root === undefined
    ? `urn:oid:${seg.instanceUid}`
    : `${root}/studies/${seg.studyUid}/series/${seg.seriesUid}/instances/${seg.instanceUid}`;
}
