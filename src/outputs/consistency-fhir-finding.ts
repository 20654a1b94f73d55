import { codeSystem } from '../fhir/index.ts';
import type { Code } from '../base/index.ts';
import type { Finding } from '../findings/index.ts';
import type { FhirRead, SayFhir } from './consistency-fhir-rules.ts';
import { aiSystem } from './fhir-common.ts';
import { componentCodes, sentenceCode } from './fhir-observation.ts';
import { codeToken, list, node, str, type Node } from './fhir-nodes.ts';
import { questionWords } from './words.ts';

/** One Observation against its finding in draft and SR. */
export function checkFinding(read: FhirRead, finding: Finding, observation: Node, say: SayFhir): void {
  const { input } = read.context;
  const token = (code: Code) => `${codeSystem(code.scheme, input.site.idBase)}|${code.value}`;
  if (codeToken(node(observation, 'code')) !== token(finding.concept.type))
    say('PL-FHIR-005', `finding ${finding.id} has another code than the draft`);
  const presence = finding.presence === 'absent' ? input.presence.absent.fhir : input.presence.present.fhir;
  if (codeToken(node(observation, 'valueCodeableConcept')) !== token(presence))
    say('PL-FHIR-006', `finding ${finding.id} does not say ${presence.meaning}`);
  if (str(observation, 'status') !== 'preliminary')
    say('PL-FHIR-014', `finding ${finding.id} is ${str(observation, 'status')}`);
  checkLabel(read, `finding ${finding.id}`, observation, say);
  checkSegment(read, finding, observation, say);
  checkMeasurements(read, finding, observation, say);
  checkSide(read, finding, observation, say);
  checkSentence(read, finding, observation, say);
}

/** `meta.security` holds the label of the profile. */
export function checkLabel({ context }: FhirRead, what: string, resource: Node, say: SayFhir): void {
  const label = context.input.profile.aiLabel ?? 'AIAST';
  const there = list(node(resource, 'meta'), 'security')
    .filter((s) => str(s, 'system') === aiSystem)
    .map((s) => str(s, 'code'));
  if (there.join() !== (label === 'none' ? '' : label))
    say('PL-FHIR-013', `${what} carries the label "${there.join()}", expected ${label}`);
}

function componentsOf(observation: Node, code: { coding?: { system: string; code: string }[] }): Node[] {
  const { system, code: value } = code.coding![0]!;
  return list(observation, 'component').filter((c) => codeToken(node(c, 'code')) === `${system}|${value}`);
}

function checkSegment(
  { context, of, maskType, sr }: FhirRead,
  finding: Finding,
  observation: Node,
  say: SayFhir,
): void {
  const mask = context.input.draft.masks.find((m) => m.id === finding.mask);
  const segments = componentsOf(observation, componentCodes.segment);
  const uids = componentsOf(observation, componentCodes.trackingUid).map((c) => str(c, 'valueString'));
  const ids = componentsOf(observation, componentCodes.trackingId).map((c) => str(c, 'valueString'));
  const from = list(observation, 'derivedFrom').map((d) => str(d, 'reference'));
  if (!mask) {
    const failed =
      segments.length === 1 &&
      codeToken(node(segments[0], 'dataAbsentReason')).endsWith('|error') &&
      segments[0]!['valueInteger'] === undefined;
    const right = finding.presence === 'ungrounded' ? failed : segments.length === 0;
    const study = of('ImagingStudy')[0]?.fullUrl;
    if (!right || uids.length > 0 || from.join() !== study)
      say('PL-FHIR-007', `finding ${finding.id} has no mask but names one, or does not say that its mask failed`);
    return;
  }
  const key = context.keys.mask(mask);
  const own = of(maskType).find((e) => list(e.resource, 'identifier').some((i) => str(i, 'value') === key.value));
  if (segments.length !== 1 || segments[0]!['valueInteger'] !== mask.segment || from.join() !== own?.fullUrl)
    say('PL-FHIR-009', `finding ${finding.id} does not name segment ${mask.segment} and its resource`);
  const identified = list(observation, 'identifier').some(
    (i) => str(i, 'system') === 'urn:dicom:uid' && str(i, 'value') === `urn:oid:${finding.trackingUid}`,
  );
  if (uids.join() !== finding.trackingUid || ids.join() !== finding.trackingId || !identified)
    say('PL-FHIR-008', `finding ${finding.id} has another tracking identifier or UID than the draft`);
  if (!sr.groups.has(finding.trackingUid))
    say('PL-FHIR-008', `the SR has no group with the Tracking UID of finding ${finding.id}`);
}

function checkMeasurements({ context, sr }: FhirRead, finding: Finding, observation: Node, say: SayFhir): void {
  const { idBase } = context.input.site;
  const quantities = list(observation, 'component').filter((c) => c['valueQuantity'] !== undefined);
  const said = quantities.map((c) => {
    const q = node(c, 'valueQuantity');
    return `${codeToken(node(c, 'code'))}=${String(q?.['value'])} ${str(q, 'system')}|${str(q, 'code')}`;
  });
  const draft = finding.measurements.map(
    (m) =>
      `${codeSystem(m.code.scheme, idBase)}|${m.code.value}=${m.value} ${codeSystem(m.unit.scheme, idBase)}|${m.unit.value}`,
  );
  if (said.join(';') !== draft.join(';'))
    say('PL-FHIR-010', `measurements of finding ${finding.id} are not those of the draft`);
  if (finding.mask === undefined) return;
  const inSr = sr.groups.get(finding.trackingUid)?.numbers.map((n) => `${n.code}=${n.value} ${n.unit}`) ?? [];
  const wanted = finding.measurements.map(
    (m) => `${m.code.scheme}|${m.code.value}=${m.value} ${m.unit.scheme}|${m.unit.value}`,
  );
  if (inSr.join(';') !== wanted.join(';'))
    say('PL-FHIR-010', `measurements of finding ${finding.id} differ between FHIR and SR`);
}

function checkSide({ context, sr }: FhirRead, finding: Finding, observation: Node, say: SayFhir): void {
  const { laterality } = finding.concept;
  const sides = componentsOf(observation, componentCodes.laterality).map((c) =>
    codeToken(node(c, 'valueCodeableConcept')),
  );
  const wanted = laterality ? `${codeSystem(laterality.scheme, context.input.site.idBase)}|${laterality.value}` : '';
  if (sides.join() !== wanted) say('PL-FHIR-012', `finding ${finding.id} has another side than the draft`);
  const group = finding.mask === undefined ? undefined : sr.groups.get(finding.trackingUid);
  if (group && [...new Set(group.sides)].join() !== (laterality ? `${laterality.scheme}|${laterality.value}` : ''))
    say('PL-FHIR-012', `finding ${finding.id} has another side in the SR`);
}

function checkSentence({ context, sr }: FhirRead, finding: Finding, observation: Node, say: SayFhir): void {
  const { draft, site } = context.input;
  const sentence = draft.sentences.find((s) => s.id === finding.sentence);
  const ids = componentsOf(observation, sentenceCode(site.idBase)).map((c) => str(c, 'valueString'));
  if (ids.join() !== finding.sentence)
    say('PL-FHIR-011', `finding ${finding.id} names another sentence than the draft`);
  if (str(list(observation, 'note')[0], 'text') !== sentence?.text)
    say('PL-FHIR-011', `finding ${finding.id} does not carry its sentence word for word`);
  const notes = list(observation, 'note').map((n) => str(n, 'text'));
  if (sentence && questionWords(sentence).some((q) => !notes.includes(q)))
    say('PL-FHIR-022', `finding ${finding.id} does not carry the question of its sentence`);
  if (finding.mask !== undefined && !sr.groups.get(finding.trackingUid)?.texts.includes(sentence?.text ?? ''))
    say('PL-FHIR-011', `the SR group of finding ${finding.id} does not carry its sentence`);
}
