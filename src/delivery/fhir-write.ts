import { setTimeout as pause } from 'node:timers/promises';
import { PlumblineError } from '../base/index.ts';
import { differences, typeAndId } from './fhir-compare.ts';
import type { Entry, FhirServer, Json, Resource, Token, Written } from './fhir-server.ts';
import { PeerRefusal } from './http.ts';
import type { Ledger } from './types.ts';

/** `Type/id` at the server, by fullUrl of the entry. */
type Places = Map<string, string>;

/**
 * Bring the entries of a Bundle to a server: each is asked for by its identifier first; what is there and says the same
 * is left alone, what differs is updated with If-Match, the rest is created with If-None-Exist; then all that was
 * written is read back and compared, since servers drop what they do not know. What others change in between (409,
 * 412, or a conditional create that finds one) is looked at again, five times at most.
 * What was not changed by us since we wrote it is not ours to change: the ledger knows the versions that we left there.
 * @param patient `Patient/id`: nothing that belongs to another patient is touched
 * @throws PlumblineError `superseded` where a person has signed, `peer-edited` where somebody has changed what we wrote,
 * `read-back-differs`, `patient-unknown`, `peer-…`
 */
export async function bring(
  server: FhirServer,
  entries: readonly Entry[],
  patient: string,
  signal: AbortSignal,
  ledger?: Ledger,
): Promise<void> {
  const places: Places = new Map();
  for (let round = 1; ; round++) {
    try {
      const writes = await plan(server, entries, places, patient, ledger);
      if (writes.length === 0) return;
      const written = await write(server, writes, places, ledger);
      if (!written.some((w) => w.existed)) return await readBack(server, writes, places, ledger);
      if (round === 5) throw contested(server);
    } catch (thrown) {
      if (!isConflict(thrown) || round === 5) throw thrown;
    }
    await pause(Math.random() * 20 * 2 ** round, undefined, { signal });
  }
}

const isConflict = (thrown: unknown): boolean =>
  thrown instanceof PeerRefusal && (thrown.status === 409 || thrown.status === 412);

function contested({ peer }: FhirServer): PlumblineError {
  return new PlumblineError('peer-busy', `${peer.name} finds resources of ours that others write at the same time`, {
    where: peer.name,
  });
}

// — what has to be written —

async function plan(
  server: FhirServer,
  entries: readonly Entry[],
  places: Places,
  patient: string,
  ledger: Ledger | undefined,
): Promise<Entry[]> {
  const there = new Map<Entry, Resource>();
  for (const entry of entries) {
    const found = await find(server, entry, entries, places);
    if (found?.id === undefined) {
      places.delete(entry.fullUrl);
      continue;
    }
    refuseSigned(server, found);
    refuseOtherPatient(server, found, patient);
    there.set(entry, found);
    places.set(entry.fullUrl, `${found.resourceType}/${found.id}`);
  }
  const writes: Entry[] = [];
  for (const entry of entries) {
    const found = there.get(entry);
    if (found === undefined) {
      writes.push(entry);
      continue;
    }
    if (kept.has(found.resourceType)) continue;
    if (differences(withLinks(entry.resource, places), found).length === 0) {
      // Written before the program ended, and not noted any more.
      if (ledger && !(await ledger.versionOf(placeOf(found))))
        await note(ledger, placeOf(found), found.meta?.versionId);
      continue;
    }
    if (ledger && ours.has(found.resourceType)) await refuseEdited(server, found, ledger);
    writes.push(updateOf(entry, found));
  }
  return writes;
}

const placeOf = ({ resourceType, id }: Resource): string => `${resourceType}/${id}`;

/** Where the server does not say which version it made, '' stands for it until it is read back. */
async function note(ledger: Ledger | undefined, place: string | undefined, version: string | undefined): Promise<void> {
  if (place !== undefined) await ledger?.wrote(place, version ?? '');
}

/** What differs from what is sent, under another version than the one we left, was changed by somebody else. */
async function refuseEdited({ peer }: FhirServer, there: Resource, ledger: Ledger): Promise<void> {
  const now = there.meta?.versionId;
  const left = await ledger.versionOf(placeOf(there));
  if (now === undefined || now === left) return;
  throw new PlumblineError(
    'peer-edited',
    `${peer.name} holds ${placeOf(there)} in version ${now}, ${!left ? 'of which no write of ours is known' : `we left version ${left}`}`,
    { where: peer.name },
  );
}

/** Never changed once it is there: an ImagingStudy belongs to the archive, a Provenance says who wrote what and when. */
const kept = new Set(['ImagingStudy', 'Provenance']);

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

async function find(
  server: FhirServer,
  entry: Entry,
  entries: readonly Entry[],
  places: Places,
): Promise<Resource | undefined> {
  const place = places.get(entry.fullUrl);
  if (place !== undefined) return server.read(place);
  const { resource } = entry;
  const type = resource.resourceType;
  const found =
    type === 'Provenance'
      ? await findProvenance(server, entry, entries, places)
      : await server.search(type, 'identifier', resource.identifier![0]!);
  if (found.length > 1) {
    throw new PlumblineError(
      'read-back-differs',
      `${server.peer.name} holds ${found.length} ${type} of one identifier`,
      {
        where: server.peer.name,
      },
    );
  }
  return found[0];
}

/**
 * A Provenance has no identifier: it is found by its tag, or, where a server strips or cannot search tags, as the one of
 * our report that says the same.
 */
async function findProvenance(
  server: FhirServer,
  { resource }: Entry,
  entries: readonly Entry[],
  places: Places,
): Promise<Resource[]> {
  const tagged = await searchTag(server, resource.meta!.tag![0]!);
  const report = entries.find((e) => e.resource.resourceType === 'DiagnosticReport');
  const place = report && places.get(report.fullUrl);
  if (tagged.length > 0 || place === undefined) return tagged;
  const linked = withLinks(resource, places);
  return (await server.provenancesOf(place)).filter((p) => differences(linked, p).length === 0);
}

async function searchTag(server: FhirServer, tag: Token): Promise<Resource[]> {
  try {
    return await server.search('Provenance', '_tag', tag);
  } catch (thrown) {
    // A server that cannot search tags says so; the report's own Provenances are looked through instead.
    if (thrown instanceof PeerRefusal && [400, 404, 405, 422, 501].includes(thrown.status)) return [];
    throw thrown;
  }
}

/** States that only a person makes: what a person has signed, or declared an error, is never written over. */
const signed = new Set([
  'final',
  'amended',
  'corrected',
  'appended',
  'modified',
  'cancelled',
  'entered-in-error',
  'superseded',
]);
const ours = new Set(['DiagnosticReport', 'Observation', 'DocumentReference', 'ImagingSelection']);

function refuseSigned({ peer }: FhirServer, there: Resource): void {
  const state = [there['status'], there['docStatus']].find((s) => signed.has(String(s)));
  if (!ours.has(there.resourceType) || state === undefined) return;
  throw new PlumblineError('superseded', `${peer.name} already holds the ${there.resourceType} as ${String(state)}`, {
    where: peer.name,
  });
}

function refuseOtherPatient({ peer }: FhirServer, there: Resource, patient: string): void {
  const { reference } = (there['subject'] ?? {}) as { readonly reference?: string };
  if (reference === undefined || typeAndId(reference) === patient) return;
  throw new PlumblineError(
    'patient-unknown',
    `${peer.name} holds the ${there.resourceType} under another patient than the one whose identifier the study carries`,
    { where: peer.name },
  );
}

// — writing —

async function write(
  server: FhirServer,
  writes: readonly Entry[],
  places: Places,
  ledger: Ledger | undefined,
): Promise<Written[]> {
  if (server.memory.refusesTransactions) return writeSingly(server, writes, places, ledger);
  try {
    const written = await server.transaction(writes.map((w) => ({ ...w, resource: withLinks(w.resource, places) })));
    for (const [i, { reference, existed, version }] of written.entries()) {
      if (reference === undefined) continue;
      places.set(writes[i]!.fullUrl, reference);
      if (!existed) await note(ledger, reference, version);
    }
    return written;
  } catch (thrown) {
    if (thrown instanceof PeerRefusal && (await isOfTransaction(server, thrown)))
      return writeSingly(server, writes, places, ledger);
    throw thrown;
  }
}

/**
 * One request each, in an order in which every link leads to something that is there; the report comes after all that it
 * names, so that nobody reads half of it.
 */
async function writeSingly(
  server: FhirServer,
  writes: readonly Entry[],
  places: Places,
  ledger: Ledger | undefined,
): Promise<Written[]> {
  const written: Written[] = [];
  for (const entry of writes.toSorted((a, b) => rank(a) - rank(b))) {
    const answer = await writeOne(server, { ...entry, resource: withLinks(entry.resource, places) });
    const found = answer.reference === undefined ? await find(server, entry, writes, places) : undefined;
    const reference = answer.reference ?? (found && `${found.resourceType}/${found.id}`);
    if (reference !== undefined) places.set(entry.fullUrl, reference);
    if (!answer.existed) await note(ledger, answer.reference, answer.version);
    written.push(answer);
  }
  return written;
}

/** Some servers take no condition by tag. It was asked for just now, so that the condition is a second guard only. */
async function writeOne(server: FhirServer, entry: Entry): Promise<Written> {
  try {
    return await server.write(entry);
  } catch (thrown) {
    const byTag = entry.request.ifNoneExist?.startsWith('_tag=') === true;
    if (!byTag || !(thrown instanceof PeerRefusal) || ![400, 501].includes(thrown.status)) throw thrown;
    const { ifNoneExist: _, ...request } = entry.request;
    return server.write({ ...entry, request });
  }
}

const order = [
  'Device',
  'Endpoint',
  'ImagingStudy',
  'DocumentReference',
  'ImagingSelection',
  'Observation',
  'DiagnosticReport',
  'Provenance',
];
const rank = ({ resource }: Entry): number => order.indexOf(resource.resourceType);

/**
 * Whether it was the transaction that was refused, and not what is in it: by status, by words about its size or kind, or
 * because the server does not claim to take any. Anything else would be refused again one by one, and leave half of it.
 */
async function isOfTransaction(server: FhirServer, { status, message }: PeerRefusal): Promise<boolean> {
  if ([404, 405, 413, 501].includes(status)) return true;
  if (status !== 400 && status !== 422) return false;
  const ofSize = /too many|too large|too long|more .{0,40}than allowed|exceed|limit|maximum|not supported|unsupported/i;
  if (/transaction|bundle|batch|entries/i.test(message) && ofSize.test(message)) return true;
  const { rest } = (await server.statement()) as {
    readonly rest?: readonly { readonly interaction?: readonly { readonly code?: string }[] }[];
  };
  const claimed = (rest ?? []).some((r) => r.interaction?.some((i) => i.code === 'transaction'));
  server.memory.refusesTransactions = !claimed;
  return !claimed;
}

/** The resource with links to other entries made literal where their place is known. */
function withLinks(resource: Resource, places: ReadonlyMap<string, string>): Resource {
  const link = (value: unknown, key: string): unknown => {
    if (key === 'reference' && typeof value === 'string') return places.get(value) ?? value;
    if (Array.isArray(value)) return value.map((v) => link(v, key));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value as Json).map(([k, v]) => [k, link(v, k)]));
  };
  return link(resource, '') as Resource;
}

// — reading back —

async function readBack(
  server: FhirServer,
  writes: readonly Entry[],
  places: Places,
  ledger: Ledger | undefined,
): Promise<void> {
  for (const entry of writes) {
    const there = await find(server, entry, writes, places);
    const place =
      places.get(entry.fullUrl) ?? (there?.id !== undefined ? `${there.resourceType}/${there.id}` : undefined);
    if (place !== undefined) places.set(entry.fullUrl, place);
    const lost = there === undefined ? ['all of it'] : differences(withLinks(entry.resource, places), there);
    if (lost.length === 0) {
      // Not every server says with its answer which version it made.
      if (ledger && place !== undefined && !(await ledger.versionOf(place)))
        await note(ledger, place, there?.meta?.versionId);
      continue;
    }
    throw new PlumblineError(
      'read-back-differs',
      `${server.peer.name} did not keep of ${entry.resource.resourceType}: ${lost.slice(0, 6).join(', ')}`,
      { where: server.peer.name },
    );
  }
}
