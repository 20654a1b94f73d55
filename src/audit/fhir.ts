import { eventKinds, type AuditEvent, type AuditRow } from './types.ts';

type Json = Readonly<Record<string, unknown>>;

const dcm = 'http://dicom.nema.org/resources/ontology/DCM';
const terminology = 'http://terminology.hl7.org/CodeSystem';

export interface AuditSource {
  readonly organization: string;
  readonly installationId: string;
}

/** A row as FHIR R4 AuditEvent, which carries the vocabulary of PS3.15 A.5 (FHIR R4 AuditEvent, Mappings: DICOM). */
export function auditToFhir({ number, at, event, digest }: AuditRow, source: AuditSource): Json {
  const { code, display } = eventKinds[event.kind];
  return {
    resourceType: 'AuditEvent',
    id: `audit-${number}`,
    type: { system: dcm, code, display },
    ...(event.kind === 'login' && { subtype: [{ system: dcm, code: '110122', display: 'Login' }] }),
    action: event.action,
    recorded: at,
    outcome: String(event.outcome),
    ...(event.detail && { outcomeDesc: event.detail }),
    agent: agentsOf(event),
    source: {
      site: source.organization,
      observer: { display: `Plumbline ${source.installationId}` },
      type: [{ system: `${terminology}/security-source-type`, code: '4', display: 'Application Server' }],
    },
    entity: [...studyOf(event), ...patientOf(event), ...queryOf(event), ...chainOf(number, digest)],
  };
}

/** Who sends and who receives (PS3.16 110153, 110152); the one that asked for it is the requestor. */
function agentsOf({ kind, action, door, who, from }: AuditEvent): Json[] {
  const outgoing = door === 'delivery';
  const gives = outgoing || (action === 'R' && (kind === 'transferred' || kind === 'accessed'));
  const role = (source: boolean): Json => ({
    coding: [
      { system: dcm, code: source ? '110153' : '110152', display: source ? 'Source Role ID' : 'Destination Role ID' },
    ],
  });
  // Type 2 is an address, type 1 the name of a machine (FHIR network-type).
  const network = from === '' ? {} : { network: { address: from, type: /^[0-9a-f.:]+$/i.test(from) ? '2' : '1' } };
  const other = {
    type: role(!gives),
    who: { identifier: { value: who || 'unknown' } },
    requestor: !outgoing,
    ...network,
  };
  return [other, { type: role(gives), who: { display: 'Plumbline' }, requestor: outgoing }];
}

function studyOf({ study, count }: AuditEvent): Json[] {
  if (study === undefined) return [];
  return [
    {
      what: { identifier: { system: 'urn:dicom:uid', value: `urn:oid:${study}` } },
      type: { system: `${terminology}/audit-entity-type`, code: '2', display: 'System Object' },
      role: { system: `${terminology}/object-role`, code: '3', display: 'Report' },
      ...(count !== undefined && { detail: [{ type: 'count', valueString: String(count) }] }),
    },
  ];
}

function patientOf({ patient }: AuditEvent): Json[] {
  if (patient === undefined) return [];
  const { id, issuer } = patient;
  return [
    {
      what: { identifier: { value: id, ...(issuer && { assigner: { display: issuer } }) } },
      type: { system: `${terminology}/audit-entity-type`, code: '1', display: 'Person' },
      role: { system: `${terminology}/object-role`, code: '1', display: 'Patient' },
    },
  ];
}

function queryOf({ query }: AuditEvent): Json[] {
  if (query === undefined) return [];
  return [
    {
      type: { system: `${terminology}/audit-entity-type`, code: '2', display: 'System Object' },
      role: { system: `${terminology}/object-role`, code: '24', display: 'Query' },
      query: Buffer.from(query, 'utf8').toString('base64'),
    },
  ];
}

/** The row's place in the chain, so that a copy elsewhere can be compared. */
function chainOf(number: number, digest: string): Json[] {
  return [
    {
      type: { system: `${terminology}/audit-entity-type`, code: '2', display: 'System Object' },
      role: { system: `${terminology}/object-role`, code: '13', display: 'Security Resource' },
      name: 'chain',
      detail: [
        { type: 'number', valueString: String(number) },
        { type: 'sha256', valueString: digest },
      ],
    },
  ];
}
