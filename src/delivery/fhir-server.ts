import { Client } from 'fhir-kit-client';
import { asPlumblineError, PlumblineError } from '../base/index.ts';
import { headersFor, PeerRefusal, quote, refusal, unreachable, type Peer } from './http.ts';

export type Json = Readonly<Record<string, unknown>>;
export interface Resource extends Json {
  readonly resourceType: string;
  readonly id?: string;
  readonly meta?: {
    readonly versionId?: string;
    readonly tag?: readonly Token[];
    readonly security?: readonly Token[];
  };
  readonly identifier?: readonly Token[];
}
/** System and value of an Identifier, or system and code of a Coding. */
export interface Token {
  readonly system?: string;
  readonly value?: string;
  readonly code?: string;
}
export interface Entry {
  readonly fullUrl: string;
  readonly resource: Resource;
  readonly request: {
    readonly method: 'POST' | 'PUT';
    readonly url: string;
    readonly ifNoneExist?: string;
    readonly ifMatch?: string;
  };
}
/** What a write came to: `existed` where a conditional create found one and wrote nothing. */
export interface Written {
  /** `Type/id`; undefined where the server did not say. */
  readonly reference: string | undefined;
  readonly existed: boolean;
  /** Under which the server keeps it now, where it said so. */
  readonly version: string | undefined;
}

/** A FHIR server, one request a call. Every call throws PlumblineError; a refusal is a `PeerRefusal` with its status. */
export interface FhirServer {
  readonly peer: Peer;
  readonly memory: ServerMemory;
  /** `reference` is `Type/id`. @returns undefined where there is none */
  read(reference: string): Promise<Resource | undefined>;
  /** Those that carry the token: servers may ignore a parameter that they do not know. */
  search(type: string, parameter: 'identifier' | '_tag', token: Token): Promise<Resource[]>;
  /** Provenances of a resource. */
  provenancesOf(reference: string): Promise<Resource[]>;
  /** One entry as a request of its own. */
  write(entry: Entry): Promise<Written>;
  /** All entries or none. @returns one answer an entry */
  transaction(entries: readonly Entry[]): Promise<Written[]>;
  /** The CapabilityStatement. */
  statement(): Promise<Json>;
}

/** What is learned of a server and holds from one delivery to the next. */
export interface ServerMemory {
  /** It does not claim to take transactions and has refused one: not tried again before the next start. */
  refusesTransactions?: boolean;
}

export function connectFhir(peer: Peer, signal: AbortSignal, memory: ServerMemory = {}): FhirServer {
  const client = new Client({ baseUrl: peer.url.replace(/\/+$/, ''), customHeaders: headersFor(peer) });
  /** fhir-kit-client has no deadline and no retry of its own, and would follow redirects. */
  const call: Call = async (work, headers) => {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(peer.timeoutSeconds * 1000)]);
    try {
      return await work({
        headers: { 'cache-control': 'no-cache', ...headers },
        signal: deadline,
        redirect: 'manual',
      });
    } catch (thrown) {
      throw asRefusal(peer, thrown);
    }
  };
  const searchBy = async (type: string, searchParams: Record<string, string>) => {
    const found = (await call((options) =>
      client.resourceSearch({ resourceType: type, searchParams, options }),
    )) as unknown as { readonly resourceType: string; readonly entry?: readonly { readonly resource?: Resource }[] };
    if (found.resourceType !== 'Bundle') throw notFhir(peer, `a search of ${type} without a Bundle`);
    return (found.entry ?? []).flatMap(({ resource }) => (resource?.resourceType === type ? [resource] : []));
  };
  return {
    peer,
    memory,
    read: async (reference) => {
      const [resourceType, id] = reference.split('/') as [string, string];
      try {
        return (await call((options) => client.read({ resourceType, id, options }))) as unknown as Resource;
      } catch (thrown) {
        if (thrown instanceof PeerRefusal && (thrown.status === 404 || thrown.status === 410)) return undefined;
        throw thrown;
      }
    },
    search: async (type, parameter, token) => {
      const found = await searchBy(type, { [parameter]: searchToken(token) });
      return found.filter((resource) => carries(resource, parameter, token));
    },
    provenancesOf: (reference) => searchBy('Provenance', { target: reference }),
    write: (entry) => writeOne(client, call, entry),
    transaction: async (entries) => {
      const body = { resourceType: 'Bundle', type: 'transaction', entry: entries } as never;
      return written(
        peer,
        entries,
        (await call((options) => client.transaction({ body, options }))) as unknown as Json,
      );
    },
    statement: async () => (await call((options) => client.capabilityStatement(options))) as unknown as Json,
  };
}

async function writeOne(client: Client, call: Call, { resource, request }: Entry): Promise<Written> {
  const { resourceType, id } = resource;
  const body = resource as never;
  const isUpdate = request.method === 'PUT';
  const [name, condition] = isUpdate ? ['if-match', request.ifMatch] : ['if-none-exist', request.ifNoneExist];
  const answer = (await call(
    (options) =>
      isUpdate
        ? client.update({ resourceType, id: id!, body, options })
        : client.create({ resourceType, body, options }),
    condition === undefined ? {} : { [name!]: condition },
  )) as unknown as Resource;
  const { response } = Client.httpFor(answer as never);
  const hasId = answer.id !== undefined && answer.resourceType === resourceType;
  return {
    reference: hasId ? `${resourceType}/${answer.id}` : located(response?.headers.get('location')),
    existed: !isUpdate && response?.status === 200,
    version: answer.meta?.versionId ?? versionIn(response?.headers.get('etag'), response?.headers.get('location')),
  };
}

type Call = <T>(work: (options: CallOptions) => Promise<T>, headers?: Readonly<Record<string, string>>) => Promise<T>;
interface CallOptions {
  readonly headers: Record<string, string>;
  readonly signal: AbortSignal;
  readonly redirect: 'manual';
}

interface AnswerEntry {
  readonly response?: {
    readonly status?: string;
    readonly location?: string;
    readonly etag?: string;
    readonly outcome?: unknown;
  };
}

/** A server that takes the entries one by one may answer 200 as a whole and failures in its entries. */
function written(peer: Peer, sent: readonly Entry[], answer: Json): Written[] {
  const entries = (answer['entry'] ?? []) as readonly AnswerEntry[];
  if (answer['resourceType'] !== 'Bundle' || entries.length !== sent.length)
    throw notFhir(peer, `${entries.length} entries to a transaction of ${sent.length}`);
  const answers = entries.map(({ response }) => ({ ...response, code: Number.parseInt(response?.status ?? '', 10) }));
  const failed = answers.filter(({ code }) => !(code >= 200 && code < 300));
  // What will fail again comes first: there is no use in trying the others again beside it.
  const worst = failed.find(({ code }) => !mayPass(code)) ?? failed[0];
  if (worst) throw refused(peer, worst.code || 502, outcomeText(worst.outcome));
  return answers.map(({ code, location, etag }, i) => ({
    reference: located(location),
    existed: sent[i]!.request.method === 'POST' && code === 200,
    version: versionIn(etag, location),
  }));
}

const mayPass = (status: number): boolean => status >= 500 || [408, 409, 412, 425, 429].includes(status);

/** `Type/id` of a Location, absolute or relative, with or without version. */
function located(location: string | null | undefined): string | undefined {
  return /([A-Z][A-Za-z]+\/[A-Za-z0-9.-]+)(\/_history\/[^/]+)?$/.exec(location ?? '')?.[1];
}

/** The version of an ETag, `W/"3"`, or of a Location that ends with it. */
function versionIn(etag: string | null | undefined, location: string | null | undefined): string | undefined {
  return /"(.+)"/.exec(etag ?? '')?.[1] ?? /\/_history\/([^/]+)$/.exec(location ?? '')?.[1];
}

/** A search parameter of type token; `\`, `,`, `$` and `|` in a value are escaped (FHIR search, "Escaping Search Parameters"). */
function searchToken({ system, value, code }: Token): string {
  const escaped = (text: string) => text.replace(/[\\,$|]/g, '\\$&');
  const own = escaped(value ?? code ?? '');
  return system === undefined ? own : `${escaped(system)}|${own}`;
}

function carries(resource: Resource, parameter: 'identifier' | '_tag', token: Token): boolean {
  const own = (parameter === 'identifier' ? resource.identifier : resource.meta?.tag) ?? [];
  return own.some(
    (t) =>
      (t.value ?? t.code) === (token.value ?? token.code) && (token.system === undefined || t.system === token.system),
  );
}

/** fhir-kit-client throws plain errors with `response` and `config`; network trouble has neither. */
function asRefusal(peer: Peer, thrown: unknown): PlumblineError {
  if (thrown instanceof PlumblineError) return thrown;
  const e = thrown as Error & { response?: { status?: number; data?: unknown }; config?: { headers?: Headers } };
  const status = e.response?.status;
  if (status === undefined) return isNetworkTrouble(e) ? unreachable(peer, e) : asPlumblineError(e);
  const words = outcomeText(e.response?.data);
  const retryAfter = e.config?.headers?.get('retry-after');
  if (status < 300)
    return new PlumblineError(
      'peer-answer-invalid',
      `${peer.name} answered ${status} without FHIR JSON: ${quote(peer, words)}`,
      {
        where: peer.name,
      },
    );
  return refused(peer, status, words, retryAfter);
}

function refused(peer: Peer, status: number, words: string, retryAfter?: string | null): PeerRefusal {
  // HAPI-1091: a conditional reference that finds nobody.
  if (/HAPI-1091|Invalid match URL/.test(words)) return refusal(peer, status, words, retryAfter, 'patient-unknown');
  // 410: what we would update was taken away there, and by a person.
  if (status === 410) return refusal(peer, status, words, retryAfter, 'superseded');
  return refusal(peer, status, words, retryAfter);
}

/** undici: "fetch failed" and "terminated" are TypeErrors with a cause; a deadline is a DOMException. */
function isNetworkTrouble(e: Error): boolean {
  return e.name === 'TimeoutError' || e.name === 'AbortError' || (e instanceof TypeError && e.cause !== undefined);
}

interface Issue {
  readonly severity?: string;
  readonly code?: string;
  readonly diagnostics?: string;
  readonly details?: { readonly text?: string };
}

/** What an OperationOutcome says: its errors, or all of it where it has none. */
function outcomeText(data: unknown): string {
  const issues = (data as { readonly issue?: readonly Issue[] } | null | undefined)?.issue;
  if (!Array.isArray(issues)) return typeof data === 'string' ? data : JSON.stringify(data ?? '');
  const errors = (issues as readonly Issue[]).filter((i) => i.severity === 'error' || i.severity === 'fatal');
  return (errors.length > 0 ? errors : (issues as readonly Issue[]))
    .map((i) => i.diagnostics ?? i.details?.text ?? i.code ?? '')
    .join('; ');
}

function notFhir(peer: Peer, what: string): PlumblineError {
  return new PlumblineError('peer-answer-invalid', `${peer.name} answered ${what}`, { where: peer.name });
}
