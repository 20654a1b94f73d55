import { PlumblineError } from '../base/index.ts';
import { patientOf, withPatient, type R4Bundle, type R5Bundle } from '../fhir/index.ts';
import { connectFhir, type Entry, type FhirServer, type ServerMemory } from './fhir-server.ts';
import { bring } from './fhir-write.ts';
import { identifying, type Peer } from './http.ts';
import type { Destination } from './types.ts';

/** How AI content is labelled; `AIAST` unless the server refuses it. */
export type AiLabel = 'AIAST' | 'DEVAST' | 'none';

/**
 * A FHIR server: one transaction, or one request each where it takes no transaction. The patient is looked up, never
 * created. See `bring` for what makes a second delivery harmless.
 */
export function fhirDestination(
  peer: Peer,
  options: { readonly version: 'R4' | 'R5'; readonly patientSystem?: string; readonly aiLabel?: AiLabel },
): Destination {
  const memory: ServerMemory = {};
  return {
    name: peer.name,
    kind: 'fhir',
    deliver: async (content, signal, ledger) => {
      const made = await (options.version === 'R5' ? content.fhirR5() : content.fhirR4());
      const named = patientOf(made);
      const hide = identifying(content.patientId, named?.value, displayOf(made));
      const server = connectFhir({ ...peer, hide }, signal, memory);
      const identifier = named?.value === undefined ? { value: content.patientId } : named;
      const patient = await findPatient(server, { ...identifier, ...system(options.patientSystem) });
      const entries = withPatient(made, patient).entry as unknown as readonly Entry[];
      await bring(server, withLabel(entries, options.aiLabel ?? 'AIAST'), patient, signal, ledger);
    },
    check: async (signal) => {
      const said = String((await connectFhir(peer, signal).statement())['fhirVersion'] ?? 'no version');
      const wanted = options.version === 'R5' ? '5.' : '4.0.';
      if (!said.startsWith(wanted))
        throw new PlumblineError('peer-answer-invalid', `${peer.name} speaks FHIR ${said}, expected ${wanted}x`, {
          where: peer.name,
        });
      return `speaks FHIR ${said}`;
    },
  };
}

const system = (configured: string | undefined) => (configured === undefined ? {} : { system: configured });

function displayOf(bundle: R4Bundle | R5Bundle): string | undefined {
  const subjects = (bundle.entry ?? []).map((e) => (e.resource as { subject?: { display?: string } }).subject);
  return subjects.find((s) => s?.display !== undefined)?.display;
}

/**
 * The one patient of that identifier.
 * @returns `Patient/id`
 * @throws PlumblineError `patient-unknown` for none, several, or one that was merged into another: a person must look
 */
async function findPatient(
  server: FhirServer,
  identifier: { readonly system?: string; readonly value?: string },
): Promise<string> {
  const unknown = (what: string) =>
    new PlumblineError('patient-unknown', `${server.peer.name} has ${what} of the identifier that the study carries`, {
      where: server.peer.name,
    });
  // Without this, a search for nothing would find everybody.
  if (!identifier.value)
    throw new PlumblineError('patient-unknown', 'the study carries no patient identifier', { where: server.peer.name });
  const { value } = identifier;
  const found = await server.search('Patient', 'identifier', { value, ...system(identifier.system) });
  if (found.length === 0) throw unknown('no patient');
  if (found.length > 1) throw unknown(`${found.length} patients`);
  const [patient] = found;
  const links = (patient!['link'] ?? []) as readonly { readonly type?: string }[];
  if (patient!['active'] === false || links.some((l) => l.type === 'replaced-by'))
    throw unknown('only a patient who is no longer active, or merged into another,');
  return `Patient/${patient!.id}`;
}

/** Security labels of the encodings are AIAST; a server that refuses this code takes another, or none. */
function withLabel(entries: readonly Entry[], label: AiLabel): readonly Entry[] {
  if (label === 'AIAST') return entries;
  return entries.map((entry) => {
    const security = entry.resource.meta?.security;
    if (!security) return entry;
    const kept = security.flatMap((c) => (c.code !== 'AIAST' ? [c] : label === 'none' ? [] : [{ ...c, code: label }]));
    const { security: _, ...meta } = entry.resource.meta!;
    return {
      ...entry,
      resource: { ...entry.resource, meta: { ...meta, ...(kept.length > 0 && { security: kept }) } },
    };
  });
}
