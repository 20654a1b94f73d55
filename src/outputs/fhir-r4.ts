import { createHash } from 'node:crypto';
import { assertEncodable, createEntry, dcm, type R4Bundle, type r4 } from '../fhir/index.ts';
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
  segUrl,
  seriesFacts,
  sopClassCoding,
  studyIdentifiers,
  type FhirContext,
} from './fhir-common.ts';
import { observation } from './fhir-observation.ts';
import type { DicomObject, EncodingInput } from './types.ts';

/**
 * The draft as a FHIR R4 transaction: Device, Endpoint, ImagingStudy, a DocumentReference per mask, an Observation per
 * finding, DiagnosticReport, Provenance. Every entry is a conditional create. Equal input gives equal JSON text.
 * @param html the report page, for `presentedForm`
 * @throws PlumblineError text-unencodable where a text cannot stand in a FHIR string
 */
export function encodeFhirR4(
  input: EncodingInput,
  segs: readonly DicomObject[],
  sr: DicomObject,
  html?: string,
): R4Bundle {
  const context = fhirContext(input, segs, sr, html, 'DocumentReference');
  const { keys } = context;
  const { draft } = input;
  const bundle: R4Bundle = {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [
      createEntry(keys.device, device(context)),
      ...(keys.endpoint ? [createEntry(keys.endpoint, endpoint(context))] : []),
      createEntry(keys.study, imagingStudy(context)),
      ...draft.masks.map((m) => createEntry(keys.mask(m), maskReference(context, m))),
      ...draft.findings.map((f) => createEntry(keys.finding(f.id), observation(context, f))),
      createEntry(keys.report, report(context)),
      createEntry(keys.provenance, provenance(context)),
    ],
  };
  assertEncodable(bundle);
  return bundle;
}

function device({ input, keys }: FhirContext): r4.Device {
  const { bundle } = input.draft;
  return {
    resourceType: 'Device',
    identifier: [identifierOf(keys.device)],
    status: 'active',
    deviceName: [{ name: bundle.name, type: 'model-name' }],
    type: { text: 'AI model' },
    version: deviceVersions(input),
    note: [{ text: `Intended use: ${bundle.intendedUse}` }, { text: `Licence: ${bundle.licence}` }],
  };
}

function endpoint({ input, keys }: FhirContext): r4.Endpoint {
  return {
    resourceType: 'Endpoint',
    identifier: [identifierOf(keys.endpoint!)],
    status: 'active',
    connectionType: { system: 'http://terminology.hl7.org/CodeSystem/endpoint-connection-type', code: 'dicom-wado-rs' },
    payloadType: [dcm('113014', 'Study')],
    payloadMimeType: ['application/dicom'],
    address: input.site.dicomwebUrl!,
  };
}

function imagingStudy(context: FhirContext): r4.ImagingStudy {
  const { keys, facts } = context;
  const series = seriesFacts(context);
  return {
    resourceType: 'ImagingStudy',
    identifier: studyIdentifiers(context),
    status: 'available',
    modality: [...new Set(series.map((s) => s.modality))].map(modalityCoding),
    subject: context.subject,
    ...(facts.started !== undefined && { started: facts.started }),
    ...(keys.endpoint && { endpoint: [ref(keys.endpoint)] }),
    ...(facts.description !== '' && { description: facts.description }),
    series: series.map((s) => ({
      uid: s.uid,
      ...(s.number !== undefined && { number: s.number }),
      modality: modalityCoding(s.modality),
      instance: s.instances.map((i) => ({
        uid: i.uid,
        sopClass: sopClassCoding(i.sopClass),
        ...(i.number !== undefined && { number: i.number }),
      })),
    })),
  };
}

/** R4 knows no ImagingSelection: one DocumentReference per segment of the SEG. */
function maskReference(context: FhirContext, mask: DraftMask): r4.DocumentReference {
  const { input, keys, meta } = context;
  const seg = segOf(context.segs, mask)!;
  const finding = input.draft.findings.find((f) => f.id === mask.finding)!;
  return {
    resourceType: 'DocumentReference',
    ...(meta && { meta }),
    identifier: [identifierOf(keys.mask(mask))],
    status: 'current',
    docStatus: 'preliminary',
    type: dcm('113076', 'Segmentation'),
    subject: context.subject,
    date: input.draft.createdAt,
    author: [ref(keys.device)],
    description: finding.trackingId,
    content: [
      {
        attachment: {
          contentType: 'application/dicom',
          url: segUrl(context, seg),
          title: `segment ${mask.segment}`,
          creation: input.draft.createdAt,
        },
        format: sopClassCoding(seg.sopClass),
      },
    ],
    context: { related: [ref(keys.study)] },
  };
}

function report(context: FhirContext): r4.DiagnosticReport {
  const { html } = context;
  return {
    ...reportBase(context),
    imagingStudy: [ref(context.keys.study)],
    ...(html !== undefined && { presentedForm: [{ ...attachment(context, html), size: Buffer.byteLength(html) }] }),
  };
}

/** The report page as an Attachment without its size, which is a number in R4 and a string in R5 (integer64). */
export function attachment({ input }: FhirContext, html: string) {
  const bytes = Buffer.from(html, 'utf8');
  return {
    contentType: 'text/html',
    data: bytes.toString('base64'),
    // FHIR: "base64 SHA-1 of the data prior to base64 encoding".
    hash: createHash('sha1').update(bytes).digest('base64'),
    title: `AI draft ${input.draft.version}, not verified`,
    creation: input.draft.createdAt,
  };
}
