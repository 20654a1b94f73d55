import { assertEncodable, concept, createEntry, dcm, type R5Bundle, type r5 } from '../fhir/index.ts';
import type { DraftMask } from '../findings/index.ts';
import {
  deviceVersions,
  fhirContext,
  identifierOf,
  modalityCoding,
  provenance,
  ref,
  reportBase,
  segOf,
  seriesFacts,
  sopClassCoding,
  studyIdentifiers,
  type FhirContext,
} from './fhir-common.ts';
import { observation } from './fhir-observation.ts';
import { attachment } from './fhir-r4.ts';
import type { DicomObject, EncodingInput } from './types.ts';

/**
 * The draft as a FHIR R5 transaction: as R4, with an ImagingSelection per mask, which names the segment itself.
 * @param html the report page, for `presentedForm`
 * @throws PlumblineError text-unencodable where a text cannot stand in a FHIR string
 */
export function encodeFhirR5(
  input: EncodingInput,
  segs: readonly DicomObject[],
  sr: DicomObject,
  html?: string,
): R5Bundle {
  const context = fhirContext(input, segs, sr, html, 'ImagingSelection');
  const { keys } = context;
  const { draft } = input;
  const bundle: R5Bundle = {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [
      createEntry(keys.device, device(context)),
      ...(keys.endpoint ? [createEntry(keys.endpoint, endpoint(context))] : []),
      createEntry(keys.study, imagingStudy(context)),
      ...draft.masks.map((m) => createEntry(keys.mask(m), selection(context, m))),
      ...draft.findings.map((f) => createEntry(keys.finding(f.id), observation(context, f) as r5.Observation)),
      createEntry(keys.report, report(context)),
      createEntry(keys.provenance, provenance(context) as r5.Provenance),
    ],
  };
  assertEncodable(bundle);
  return bundle;
}

function device({ input, keys }: FhirContext): r5.Device {
  const { bundle } = input.draft;
  return {
    resourceType: 'Device',
    identifier: [identifierOf(keys.device)],
    status: 'active',
    name: [{ value: bundle.name, type: 'user-friendly-name', display: true }],
    type: [{ text: 'AI model' }],
    version: deviceVersions(input),
    note: [{ text: `Intended use: ${bundle.intendedUse}` }, { text: `Licence: ${bundle.licence}` }],
  };
}

function endpoint({ input, keys }: FhirContext): r5.Endpoint {
  return {
    resourceType: 'Endpoint',
    identifier: [identifierOf(keys.endpoint!)],
    status: 'active',
    connectionType: [
      { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/endpoint-connection-type', code: 'dicom-wado-rs' }] },
    ],
    payload: [{ type: [dcm('113014', 'Study')], mimeType: ['application/dicom'] }],
    address: input.site.dicomwebUrl!,
  };
}

function imagingStudy(context: FhirContext): r5.ImagingStudy {
  const { keys, facts } = context;
  const series = seriesFacts(context);
  return {
    resourceType: 'ImagingStudy',
    identifier: studyIdentifiers(context),
    status: 'available',
    modality: [...new Set(series.map((s) => s.modality))].map((m) => ({ coding: [modalityCoding(m)] })),
    subject: context.subject,
    ...(facts.started !== undefined && { started: facts.started }),
    ...(keys.endpoint && { endpoint: [ref(keys.endpoint)] }),
    ...(facts.description !== '' && { description: facts.description }),
    series: series.map((s) => ({
      uid: s.uid,
      ...(s.number !== undefined && { number: s.number }),
      modality: { coding: [modalityCoding(s.modality)] },
      instance: s.instances.map((i) => ({
        uid: i.uid,
        sopClass: sopClassCoding(i.sopClass),
        ...(i.number !== undefined && { number: i.number }),
      })),
    })),
  };
}

function selection(context: FhirContext, mask: DraftMask): r5.ImagingSelection {
  const { input, keys, meta } = context;
  const seg = segOf(context.segs, mask)!;
  const finding = input.draft.findings.find((f) => f.id === mask.finding)!;
  const placement = input.draft.stacks.find((s) => s.id === mask.stack)!.grid.placement;
  const frame = placement.kind === 'none' ? undefined : placement.frameOfReferenceUid;
  const { region } = finding.concept;
  return {
    resourceType: 'ImagingSelection',
    ...(meta && { meta }),
    identifier: [identifierOf(keys.mask(mask))],
    status: 'available',
    subject: context.subject,
    issued: input.draft.createdAt,
    performer: [{ actor: ref(keys.device) }],
    code: dcm('113076', 'Segmentation'),
    studyUid: seg.studyUid,
    derivedFrom: [ref(keys.study)],
    ...(keys.endpoint && { endpoint: [ref(keys.endpoint)] }),
    seriesUid: seg.seriesUid,
    ...(frame !== undefined && { frameOfReferenceUid: frame }),
    ...(region && { bodySite: { concept: concept(region, input.site.idBase) } }),
    instance: [{ uid: seg.instanceUid, sopClass: sopClassCoding(seg.sopClass), subset: [String(mask.segment)] }],
  };
}

function report(context: FhirContext): r5.DiagnosticReport {
  const { html } = context;
  return {
    ...reportBase(context),
    study: [ref(context.keys.study)],
    ...(html !== undefined && {
      presentedForm: [{ ...attachment(context, html), size: String(Buffer.byteLength(html)) }],
    }),
  };
}
