import type { Code, DicomJson } from '../base/index.ts';
import { codeSystem, concept, dcm, type CodeableConcept, type r4 } from '../fhir/index.ts';
import type { DraftMask, Finding, Sentence } from '../findings/index.ts';
import { dicomUid, identifierOf, ref, type FhirContext } from './fhir-common.ts';
import { acquiredAt, firstSource } from './study-facts.ts';
import type { CodeText, EncodingInput } from './types.ts';
import { questionWords } from './words.ts';

/** Observation of one finding; the same JSON in R4 and R5 but for what `derivedFrom` points at. */
export function observation(context: FhirContext, finding: Finding): r4.Observation {
  const { input, keys, meta } = context;
  const { draft, site } = input;
  const sentence = draft.sentences.find((s) => s.id === finding.sentence)!;
  const mask = draft.masks.find((m) => m.id === finding.mask);
  const effective = acquiredAt(sourceOf(input, sentence, mask));
  const bodySite = finding.concept.region && concept(finding.concept.region, site.idBase);
  const uid = finding.presence === 'present' ? [dicomUid(finding.trackingUid)] : [];
  return {
    resourceType: 'Observation',
    ...(meta && { meta }),
    identifier: [identifierOf(keys.finding(finding.id)), ...uid],
    status: 'preliminary',
    category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'imaging' }] }],
    code: concept(finding.concept.type, site.idBase, finding.label),
    subject: context.subject,
    ...(effective !== undefined && { effectiveDateTime: effective }),
    issued: draft.createdAt,
    valueCodeableConcept: presenceConcept(input, finding),
    note: notes(sentence, finding),
    ...(bodySite && { bodySite }),
    method: { text: `AI model ${draft.bundle.name} ${draft.bundle.version}, not verified by a person` },
    device: ref(keys.device),
    derivedFrom: [ref(mask ? keys.mask(mask) : keys.study)],
    component: components(context, finding, mask),
  };
}

/** An ungrounded finding is a positive claim of the text; that its mask failed is said by the segment component. */
function presenceConcept({ presence, site }: EncodingInput, finding: Finding): CodeableConcept {
  const { fhir } = finding.presence === 'absent' ? presence.absent : presence.present;
  return concept(asCode(fhir), site.idBase);
}
const asCode = (text: CodeText): Code => ({ value: text.value, scheme: text.scheme, meaning: text.meaning });

/** The sentence itself first, then what a reader has to know about it. */
function notes(sentence: Sentence, finding: Finding): r4.Annotation[] {
  const partial = finding.measurements.flatMap((m) => (m.note === undefined ? [] : [`${m.code.meaning}: ${m.note}`]));
  const warnings = sentence.warnings.map((w) => `Warning: ${w.message}`);
  return [sentence.text, ...questionWords(sentence), ...warnings, ...partial].map((text) => ({ text }));
}

/** Codes of components beside the measurements; the DCM and SCT codes are those of the same facts in the SR. */
export const componentCodes = {
  segment: dcm('121191', 'Referenced Segment'),
  trackingUid: dcm('112040', 'Tracking Unique Identifier'),
  trackingId: dcm('112039', 'Tracking Identifier'),
  laterality: { coding: [{ system: 'http://snomed.info/sct', code: '272741003', display: 'Laterality' }] },
};

export function sentenceCode(idBase: string): CodeableConcept {
  return { coding: [{ system: `${idBase}/id/code`, code: 'sentence', display: 'Sentence of the report' }] };
}

function components({ input }: FhirContext, finding: Finding, mask: DraftMask | undefined): r4.ObservationComponent[] {
  const { idBase } = input.site;
  const { laterality } = finding.concept;
  const out: r4.ObservationComponent[] = [{ code: sentenceCode(idBase), valueString: finding.sentence }];
  if (mask) {
    out.push({ code: componentCodes.segment, valueInteger: mask.segment });
    out.push({ code: componentCodes.trackingUid, valueString: finding.trackingUid });
    out.push({ code: componentCodes.trackingId, valueString: finding.trackingId });
  } else if (finding.presence === 'ungrounded') {
    const why = {
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/data-absent-reason', code: 'error' }],
      text: finding.reason?.message ?? 'The model gave no mask.',
    };
    out.push({ code: componentCodes.segment, dataAbsentReason: why });
  }
  if (laterality) out.push({ code: componentCodes.laterality, valueCodeableConcept: concept(laterality, idBase) });
  for (const m of finding.measurements) {
    const quantity = {
      value: m.value,
      unit: m.unit.meaning,
      system: codeSystem(m.unit.scheme, idBase),
      code: m.unit.value,
    };
    out.push({ code: concept(m.code, idBase), valueQuantity: quantity });
  }
  return out;
}

/** The instance in which a finding was seen: of the mask's key plane, else of the sentence's plane. */
function sourceOf(input: EncodingInput, sentence: Sentence, mask: DraftMask | undefined): DicomJson {
  const stack = input.draft.stacks.find((s) => s.id === (mask?.stack ?? sentence.stack));
  const plane = stack?.planes[mask?.keyPlane ?? sentence.plane ?? 0];
  return (plane && input.sources.get(plane.instanceUid)) ?? firstSource(input);
}
