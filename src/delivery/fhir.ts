import { Client } from 'fhir-kit-client';
import { PlumblineError } from '../base/index.ts';
import { headersFor, PeerRefusal, refusal, shorten, unreachable, type Peer } from './http.ts';
import type { DeliverContent, Destination } from './types.ts';

/** How AI content is labelled; `AIAST` unless the server refuses it. */
export type AiLabel = 'AIAST' | 'DEVAST' | 'none';

type Json = Readonly<Record<string, unknown>>;
interface Resource extends Json {
  readonly resourceType: string;
  readonly id?: string;
  readonly meta?: { readonly versionId?: string };
  readonly identifier?: readonly { readonly system?: string; readonly value?: string }[];
}
interface Entry {
  readonly fullUrl?: string;
  readonly resource: Resource;
  readonly request: {
    readonly method: string;
    readonly url: string;
    readonly ifNoneExist?: string;
    readonly ifMatch?: string;
  };
}
interface Bundle extends Json {
  readonly resourceType: 'Bundle';
  readonly entry?: readonly Entry[];
}

/** Report states that only a person makes: what a person has signed is never written over. */
const signed = new Set(['final', 'amended', 'corrected', 'appended', 'modified', 'cancelled', 'entered-in-error']);

/**
 * One transaction to a FHIR server. The patient is looked up, never created. Every resource is asked for by its
 * identifier first: what is there and equal is left alone, what differs is updated with If-Match, the rest is created
 * with If-None-Exist; afterwards all is read back and compared, since servers drop what they do not know.
 */
export function fhirDestination(
  peer: Peer,
  options: { readonly version: 'R4' | 'R5'; readonly patientSystem?: string; readonly aiLabel?: AiLabel },
): Destination {
  return {
    name: peer.name,
    kind: 'fhir',
    deliver: async (content, signal) => {
      const server = connect(peer, signal);
      const bundle = (options.version === 'R5' ? await content.fhirR5() : await content.fhirR4()) as unknown as Bundle;
      const patient = await findPatient(server, bundle, content, options.patientSystem);
      const placed = withLabel(withPatient(bundle, patient), options.aiLabel ?? 'AIAST');
      const plan = await planWrites(server, placed);
      if (plan.changes === 0) return;
      await server.call((client, o) => client.transaction({ body: plan.bundle as never, options: o }));
      await readBack(server, placed);
    },
    check: async (signal) => {
      const statement = (await connect(peer, signal).call((client, o) =>
        client.capabilityStatement(o),
      )) as unknown as Json;
      const said = String(statement['fhirVersion'] ?? 'no version');
      const wanted = options.version === 'R5' ? '5.' : '4.0.';
      if (!said.startsWith(wanted))
        throw new PlumblineError('peer-answer-invalid', `${peer.name} speaks FHIR ${said}, expected ${wanted}x`, {
          where: peer.name,
        });
      return `speaks FHIR ${said}`;
    },
  };
}

interface Server {
  readonly peer: Peer;
  call<T>(
    work: (
      client: Client,
      options: { headers: Record<string, string>; signal: AbortSignal; redirect: 'error' },
    ) => Promise<T>,
  ): Promise<T>;
  search(type: string, identifier: string): Promise<Resource[]>;
}

function connect(peer: Peer, signal: AbortSignal): Server {
  const client = new Client({ baseUrl: peer.url.replace(/\/$/, ''), customHeaders: headersFor(peer) });
  const server: Server = {
    peer,
    call: async (work) => {
      // fhir-kit-client has no deadline and no retry of its own.
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(peer.timeoutSeconds * 1000)]);
      try {
        return await work(client, { headers: { 'cache-control': 'no-cache' }, signal: deadline, redirect: 'error' });
      } catch (thrown) {
        throw asRefusal(peer, thrown);
      }
    },
    search: async (type, identifier) => {
      const found = (await server.call((c, options) =>
        c.resourceSearch({ resourceType: type, searchParams: { identifier }, options }),
      )) as unknown as Bundle;
      if (found.resourceType !== 'Bundle')
        throw new PlumblineError('peer-answer-invalid', `${peer.name} answered a search of ${type} without a Bundle`, {
          where: peer.name,
        });
      return (found.entry ?? []).map((e) => e.resource).filter((r) => r.resourceType === type);
    },
  };
  return server;
}

/** fhir-kit-client throws plain errors with `response` and `config`; network trouble has neither. */
function asRefusal(peer: Peer, thrown: unknown): PlumblineError {
  if (thrown instanceof PlumblineError) return thrown;
  const e = thrown as { response?: { status?: number; data?: unknown }; config?: { headers?: Headers } };
  const status = e.response?.status;
  if (status === undefined) return unreachable(peer, thrown);
  const words = outcomeText(e.response?.data);
  if (status < 400)
    return new PlumblineError(
      'peer-answer-invalid',
      `${peer.name} answered ${status} without FHIR JSON: ${shorten(words)}`,
      { where: peer.name },
    );
  if (/HAPI-1091|Invalid match URL/.test(words))
    return new PeerRefusal('patient-unknown', `${peer.name}: ${shorten(words)}`, peer.name, undefined);
  return refusal(peer, status, words, e.config?.headers?.get?.('retry-after'));
}

function outcomeText(data: unknown): string {
  const issues = (
    data as { issue?: { diagnostics?: string; details?: { text?: string }; code?: string }[] } | undefined
  )?.issue;
  if (Array.isArray(issues)) return issues.map((i) => i.diagnostics ?? i.details?.text ?? i.code ?? '').join('; ');
  return typeof data === 'string' ? data : JSON.stringify(data ?? '');
}

/** The one patient of that identifier. None or several: a person must look. */
async function findPatient(
  server: Server,
  bundle: Bundle,
  content: DeliverContent,
  system: string | undefined,
): Promise<string> {
  const said = patientIdentifier(bundle);
  const identifier = `${system ?? said?.system ?? ''}|${said?.value ?? content.patientId}`.replace(/^\|/, '');
  const found = await server.search('Patient', identifier);
  if (found.length === 1 && found[0]!.id) return `Patient/${found[0]!.id}`;
  const count = found.length === 0 ? 'no patient' : `${found.length} patients`;
  throw new PlumblineError(
    'patient-unknown',
    `${server.peer.name} has ${count} of the identifier that the study carries`,
    { where: server.peer.name },
  );
}

function patientIdentifier(bundle: Bundle): { system?: string; value?: string } | undefined {
  const report = bundle.entry?.find((e) => e.resource.resourceType === 'DiagnosticReport')?.resource as
    { subject?: { identifier?: { system?: string; value?: string } } } | undefined;
  return report?.subject?.identifier;
}

/** The same bundle with the logical references to the patient made literal. */
function withPatient(bundle: Bundle, reference: string): Bundle {
  const place = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(place);
    if (value === null || typeof value !== 'object') return value;
    const o = value as Json;
    if (o['type'] === 'Patient' && o['identifier'] !== undefined && o['reference'] === undefined)
      return { ...o, reference };
    return Object.fromEntries(Object.entries(o).map(([k, v]) => [k, place(v)]));
  };
  return place(bundle) as Bundle;
}

/** Security labels of the encodings are AIAST; a server that refuses this code takes another, or none. */
function withLabel(bundle: Bundle, label: AiLabel): Bundle {
  if (label === 'AIAST') return bundle;
  const entry = (bundle.entry ?? []).map((e) => {
    const security = (e.resource.meta as { security?: { code?: string }[] } | undefined)?.security;
    if (!security) return e;
    const kept = security.flatMap((c) => (c.code !== 'AIAST' ? [c] : label === 'none' ? [] : [{ ...c, code: label }]));
    return { ...e, resource: { ...e.resource, meta: { ...e.resource.meta, security: kept } } };
  });
  return { ...bundle, entry };
}

/** What has to be written, given what is there. @throws PlumblineError `superseded` where a person has signed the report */
async function planWrites(server: Server, bundle: Bundle): Promise<{ bundle: Bundle; changes: number }> {
  const entries: Entry[] = [];
  let changes = 0;
  for (const entry of bundle.entry ?? []) {
    const there = await findOurs(server, entry.resource);
    if (there === undefined) {
      entries.push(entry);
      if (entry.resource.identifier) changes++;
      continue;
    }
    refuseSigned(server.peer, there);
    // An ImagingStudy that is there belongs to the archive: it is referred to, never changed.
    const keep = entry.resource.resourceType === 'ImagingStudy' || missingFields(entry.resource, there).length === 0;
    if (!keep) changes++;
    entries.push(keep ? entry : updateOf(entry, there));
  }
  return { bundle: { ...bundle, entry: entries }, changes };
}

function refuseSigned(peer: Peer, there: Resource): void {
  if (there.resourceType !== 'DiagnosticReport' || !signed.has(String(there['status']))) return;
  throw new PlumblineError('superseded', `${peer.name} already holds the report as ${String(there['status'])}`, {
    where: peer.name,
  });
}

function updateOf(entry: Entry, there: Resource): Entry {
  const version = there.meta?.versionId;
  return {
    ...entry,
    resource: { ...entry.resource, id: there.id! },
    request: {
      method: 'PUT',
      url: `${there.resourceType}/${there.id}`,
      ...(version === undefined ? {} : { ifMatch: `W/"${version}"` }),
    },
  };
}

async function findOurs(server: Server, resource: Resource): Promise<Resource | undefined> {
  const id = resource.identifier?.[0];
  if (!id?.value) return undefined;
  const found = await server.search(resource.resourceType, `${id.system ?? ''}|${id.value}`);
  if (found.length > 1) {
    throw new PlumblineError(
      'read-back-differs',
      `${server.peer.name} holds ${found.length} ${resource.resourceType} of one identifier`,
      { where: server.peer.name },
    );
  }
  return found[0];
}

async function readBack(server: Server, bundle: Bundle): Promise<void> {
  for (const { resource } of bundle.entry ?? []) {
    if (!resource.identifier) continue;
    const there = await findOurs(server, resource);
    const missing =
      there === undefined
        ? ['all of it']
        : resource.resourceType === 'ImagingStudy'
          ? []
          : missingFields(resource, there);
    if (missing.length === 0) continue;
    throw new PlumblineError(
      'read-back-differs',
      `${server.peer.name} did not keep of ${resource.resourceType}: ${missing.slice(0, 6).join(', ')}`,
      { where: server.peer.name },
    );
  }
}

/** Paths of what we sent and the server does not hold. References, ids, meta and narrative may be rewritten by it. */
function missingFields(sent: unknown, there: unknown, path = ''): string[] {
  if (sent === null || typeof sent !== 'object') return sent === there || Number(sent) === Number(there) ? [] : [path];
  if (Array.isArray(sent)) {
    if (!Array.isArray(there) || there.length < sent.length) return [path];
    return sent.flatMap((v, i) => missingFields(v, there[i], `${path}[${i}]`));
  }
  return Object.entries(sent as Json).flatMap(([key, value]) => {
    if (['id', 'meta', 'text', 'reference', 'resourceType'].includes(key)) return [];
    const other = (there as Json | undefined)?.[key];
    return other === undefined
      ? [path ? `${path}.${key}` : key]
      : missingFields(value, other, path ? `${path}.${key}` : key);
  });
}
