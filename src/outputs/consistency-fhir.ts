import { checkFinding } from './consistency-fhir-finding.ts';
import { checkShapes } from './consistency-fhir-form.ts';
import { checkPage, checkReport } from './consistency-fhir-report.ts';
import { fhirChecks, type FhirRead, type SayFhir } from './consistency-fhir-rules.ts';
import { segSaid, srSaid, type SrSaid } from './dicom-said.ts';
import { fhirContext, segOf } from './fhir-common.ts';
import { entriesOf, isNode, list, node, str, visit, type Node } from './fhir-nodes.ts';
import type { EncodingInput, EncodingSet, Problem } from './types.ts';

/**
 * The gate for FHIR and report page: both bundles are read as plain JSON and compared with the draft, the SEGs and the
 * SR. An empty list means that all say the same.
 */
export function checkFhir(input: EncodingInput, set: EncodingSet): Problem[] {
  const problems: Problem[] = [];
  const sr = srSaid(set.sr);
  for (const version of ['R4', 'R5'] as const) {
    const say: SayFhir = (check, message) =>
      void problems.push({ check, severity: fhirChecks[check].severity, message: `${version}: ${message}` });
    const read = readBundle(input, set, version, sr);
    checkForm(read, version === 'R4' ? set.fhirR4 : set.fhirR5, say);
    checkShapes(read, version === 'R4' ? set.fhirR4 : set.fhirR5, say);
    checkReferences(read, say);
    checkPatient(read, say);
    checkStudy(read, say);
    checkMasks(read, say);
    checkFindings(read, say);
    checkReport(read, say);
    checkOrigin(read, say);
  }
  checkPage(
    input,
    set.html,
    (check, message) =>
      void problems.push({ check, severity: fhirChecks[check].severity, message: `page: ${message}` }),
  );
  return problems;
}

function readBundle(input: EncodingInput, set: EncodingSet, version: 'R4' | 'R5', sr: SrSaid): FhirRead {
  const maskType = version === 'R4' ? 'DocumentReference' : 'ImagingSelection';
  const entries = entriesOf(version === 'R4' ? set.fhirR4 : set.fhirR5);
  return {
    version,
    context: fhirContext(input, set.segs, set.sr, set.html, maskType),
    set,
    entries,
    of: (type) => entries.filter((e) => e.type === type),
    maskType,
    sr,
  };
}

// — form and references —

function checkForm({ entries }: FhirRead, bundle: unknown, say: SayFhir): void {
  if (!isNode(bundle) || bundle['type'] !== 'transaction') say('PL-FHIR-001', 'the Bundle is no transaction');
  const urls = new Set<string>();
  for (const { fullUrl, type, resource, request } of entries) {
    if (!/^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(fullUrl) || urls.has(fullUrl))
      say('PL-FHIR-001', `full URL ${fullUrl} is no UUID or not unique`);
    urls.add(fullUrl);
    if (str(request, 'method') !== 'POST' || str(request, 'url') !== type)
      say('PL-FHIR-001', `${type} is not created by POST`);
    if (!ownKeys(resource).includes(str(request, 'ifNoneExist')))
      say('PL-FHIR-001', `${type} would not be found again by its identifier`);
  }
}

/** Searches that find a resource by what it carries. */
function ownKeys(resource: Node): string[] {
  const find = (parameter: string, system: string, value: string) =>
    `${parameter}=${encodeURIComponent(`${system}|${value}`)}`;
  return [
    ...list(resource, 'identifier').map((i) => find('identifier', str(i, 'system'), str(i, 'value'))),
    ...list(node(resource, 'meta'), 'tag').map((t) => find('_tag', str(t, 'system'), str(t, 'code'))),
  ];
}

/** What each field may point at. */
const targets: Readonly<Record<string, readonly string[]>> = {
  subject: ['Patient'],
  device: ['Device'],
  author: ['Device'],
  actor: ['Device'],
  who: ['Device'],
  result: ['Observation'],
  imagingStudy: ['ImagingStudy'],
  study: ['ImagingStudy'],
  related: ['ImagingStudy'],
  endpoint: ['Endpoint'],
  derivedFrom: ['ImagingStudy', 'DocumentReference', 'ImagingSelection'],
  target: ['DiagnosticReport', 'Observation', 'DocumentReference', 'ImagingSelection'],
  what: ['ImagingStudy'],
};

function checkReferences({ entries }: FhirRead, say: SayFhir): void {
  const types = new Map(entries.map((e) => [e.fullUrl, e.type]));
  for (const { type, resource } of entries) {
    visit(resource, (at, field) => {
      const reference = at['reference'];
      if (typeof reference !== 'string') return;
      const found = types.get(reference) ?? /^(Patient)\/[A-Za-z0-9.-]{1,64}$/.exec(reference)?.[1];
      if (found === undefined)
        say('PL-FHIR-002', `${type}.${field} points to ${reference}, which is not in the Bundle`);
      else if (!(targets[field] ?? []).includes(found)) say('PL-FHIR-002', `${type}.${field} points to a ${found}`);
    });
  }
}

// — patient and study —

function checkPatient({ entries, context }: FhirRead, say: SayFhir): void {
  const wanted = context.subject.identifier;
  const literal = new Set<string>();
  for (const { type, resource } of entries) {
    const subject = node(resource, 'subject');
    if (!subject) {
      if (withSubject.has(type)) say('PL-FHIR-003', `${type} has no subject`);
      continue;
    }
    if (subject['reference'] !== undefined) literal.add(str(subject, 'reference'));
    else if (
      str(node(subject, 'identifier'), 'value') !== (wanted?.value ?? '') ||
      str(node(subject, 'identifier'), 'system') !== (wanted?.system ?? '')
    ) {
      say('PL-FHIR-003', `${type} is about another patient than the images`);
    }
  }
  if (literal.size > 1) say('PL-FHIR-003', 'the resources are about several patients');
}
const withSubject = new Set([
  'ImagingStudy',
  'DocumentReference',
  'ImagingSelection',
  'Observation',
  'DiagnosticReport',
]);

function checkStudy({ of, context, set, version }: FhirRead, say: SayFhir): void {
  const { draft } = context.input;
  const studies = of('ImagingStudy');
  const identified = studies.filter((s) =>
    list(s.resource, 'identifier').some(
      (i) => str(i, 'system') === 'urn:dicom:uid' && str(i, 'value') === `urn:oid:${draft.studyUid}`,
    ),
  );
  if (studies.length !== 1 || identified.length !== 1)
    say('PL-FHIR-004', 'there is not one ImagingStudy with the UID of the draft');
  for (const s of of('ImagingSelection'))
    if (str(s.resource, 'studyUid') !== draft.studyUid) say('PL-FHIR-004', 'an ImagingSelection names another study');
  const url = studies[0]?.fullUrl;
  for (const r of of('DiagnosticReport')) {
    const named = list(r.resource, version === 'R4' ? 'imagingStudy' : 'study').map((n) => str(n, 'reference'));
    if (named.length !== 1 || named[0] !== url) say('PL-FHIR-004', 'the report does not name the study');
  }
  const there = new Set(
    studies
      .flatMap((s) => list(s.resource, 'series'))
      .flatMap((s) => list(s, 'instance').map((i) => `${str(s, 'uid')}/${str(i, 'uid')}`)),
  );
  const planes = draft.stacks.flatMap((s) => s.planes.map((p) => `${s.seriesUid}/${p.instanceUid}`));
  const wanted = new Set([...planes, ...[...set.segs, set.sr].map((o) => `${o.seriesUid}/${o.instanceUid}`)]);
  const differ = [...wanted].filter((w) => !there.has(w)).length + [...there].filter((t) => !wanted.has(t)).length;
  if (differ > 0) say('PL-FHIR-018', `${differ} instances are missing from the ImagingStudy or do not belong there`);
}

// — masks and findings —

function checkMasks({ of, context, set, maskType }: FhirRead, say: SayFhir): void {
  const { draft } = context.input;
  if (of(maskType).length !== draft.masks.length)
    say('PL-FHIR-009', `${of(maskType).length} mask resources for ${draft.masks.length} masks`);
  for (const mask of draft.masks) {
    const seg = segOf(set.segs, mask);
    const finding = draft.findings.find((f) => f.id === mask.finding);
    if (seg && segSaid(seg).get(mask.segment) !== finding?.trackingUid) {
      say('PL-FHIR-008', `segment ${mask.segment} has another Tracking UID than finding ${mask.finding}`);
    }
    const key = context.keys.mask(mask);
    const resource = of(maskType).find((e) =>
      list(e.resource, 'identifier').some((i) => str(i, 'value') === key.value),
    )?.resource;
    if (!resource || !seg) {
      say('PL-FHIR-009', `mask ${mask.id} has no ${maskType}`);
      continue;
    }
    const named = maskType === 'ImagingSelection' ? selected(resource) : attached(resource);
    if (named.segment !== String(mask.segment) || !named.where.includes(seg.instanceUid))
      say('PL-FHIR-009', `${maskType} of mask ${mask.id} does not name segment ${mask.segment} of its SEG`);
  }
}

function selected(resource: Node): { segment: string; where: readonly string[] } {
  const instances = list(resource, 'instance');
  const subset = instances[0]?.['subset'];
  return {
    segment: instances.length === 1 && Array.isArray(subset) && subset.length === 1 ? String(subset[0]) : '',
    where: [str(instances[0], 'uid')],
  };
}

function attached(resource: Node): { segment: string; where: readonly string[] } {
  const attachment = node(list(resource, 'content')[0], 'attachment');
  return { segment: str(attachment, 'title').replace(/^segment /, ''), where: str(attachment, 'url').split(/[/:]/) };
}

function checkFindings(read: FhirRead, say: SayFhir): void {
  const { of, context, sr } = read;
  const { findings } = context.input.draft;
  const observations = of('Observation');
  if (observations.length !== findings.length)
    say('PL-FHIR-005', `${observations.length} Observations for ${findings.length} findings`);
  for (const finding of findings) {
    const key = context.keys.finding(finding.id);
    const own = observations.filter((o) =>
      list(o.resource, 'identifier').some((i) => str(i, 'system') === key.system && str(i, 'value') === key.value),
    );
    if (own.length !== 1) say('PL-FHIR-005', `finding ${finding.id} has ${own.length} Observations`);
    else checkFinding(read, finding, own[0]!.resource, say);
  }
  const { absent } = context.input.presence;
  const negatives = sr.codes.filter((c) => c.endsWith(`=${absent.sr.scheme}|${absent.sr.value}`)).length;
  const wanted = findings.filter((f) => f.presence === 'absent').length;
  if (negatives !== wanted)
    say('PL-FHIR-006', `the SR says ${negatives} times that a finding is absent, the draft ${wanted} times`);
}

// — who made it —

function checkOrigin({ of, context }: FhirRead, say: SayFhir): void {
  const { draft } = context.input;
  const devices = of('Device').flatMap((d) => list(d.resource, 'identifier').map((i) => str(i, 'value')));
  if (devices.length !== 1 || devices[0] !== `${draft.bundle.name}@sha256:${draft.bundle.digest}`)
    say('PL-FHIR-019', 'the Device is not the bundle of the draft');
  const named = of('Provenance').flatMap((p) => list(p.resource, 'target').map((t) => str(t, 'reference')));
  const targets = [
    ...of('DiagnosticReport'),
    ...of('Observation'),
    ...of('DocumentReference'),
    ...of('ImagingSelection'),
  ].map((e) => e.fullUrl);
  if (of('Provenance').length !== 1 || [...named].sort().join() !== [...targets].sort().join())
    say('PL-FHIR-019', 'the Provenance does not cover report, findings and masks');
}
