import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { DicomJson, SourceInstance } from '../../src/base/index.ts';
import { makeDestination, type DeliverContent } from '../../src/delivery/index.ts';
import { dataset, sopClasses, tagOf, transferSyntaxes } from '../../src/dicom/index.ts';
import { refusalOf } from '../../src/imaging/eligible.ts';
import { implementationClassUid, implementationVersionName } from '../../src/dicom/meta.ts';
import { keywordsOf, sourceWith, writtenKinds } from '../builders/conformance.ts';
import { encodeAll, sampleInput, type InputOptions } from '../builders/encodings.ts';
import { testTitles } from '../builders/test-titles.ts';
import { startFakeFhir, startMedplum } from '../peers/fhir-server.ts';
import { startHapi, type Hapi } from '../peers/hapi.ts';
import { missing, root } from '../peers/index.ts';

const folder = join(root, 'conformance');
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
const pages = readdirSync(folder).filter((name) => name.endsWith('.md'));
/** Also docs/modalities.md says of each row which test holds it. */
const claiming = [...pages, '../docs/modalities.md'];

describe('conformance statements', () => {
  const claims = claiming.flatMap((page) =>
    [...read(page).matchAll(/\[test: ([^\]]*)\]/g)].map((m) => ({ page, text: m[1]! })),
  );

  it('are the five that the others speak of, and four tables that commands print', () => {
    const tables = ['faults.md', 'hostile-input.md', 'mutations.md', 'syntaxes.md'];
    expect(pages.toSorted()).toEqual(
      [...['dicom.md', 'dicomweb.md', 'fhir.md', 'hl7.md', 'ihe.md'], ...tables].toSorted(),
    );
  });

  it('name, for each claim, a test that exists', () => {
    expect(claims.length).toBeGreaterThan(40);
    const wrong = claims.filter(({ text }) => {
      const [path = '', title = ''] = text.split(' › ');
      return !testTitles(path)?.has(title);
    });
    expect(wrong).toEqual([]);
  });

  it('have no claim that is cut or spelt in another way', () => {
    for (const page of claiming) {
      const paths = read(page).match(/\btest\/\S*\.test\.ts/g) ?? [];
      expect(paths.length, page).toBe(claims.filter((c) => c.page === page).length);
    }
  });
});

describe('conformance/dicom.md', () => {
  const page = read('dicom.md');
  const table = (section: string): string[][] => {
    const text = page.split(`\n${section}\n`)[1]!.split(/\n##/)[0]!;
    const rows = text.split('\n').filter((line) => /^\| 1\.2\.840\.10008\./.test(line));
    return rows.map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  };
  const image = dataset({ Rows: 64, Columns: 64, PhotometricInterpretation: 'MONOCHROME2' });
  const instance = (sopClass: string, transferSyntax: string): SourceInstance =>
    ({ ref: { sopClass, transferSyntax }, attributes: image }) as unknown as SourceInstance;

  it('names this implementation as group 2 does', () => {
    expect(page).toContain(`| Implementation Class UID | ${implementationClassUid} |`);
    expect(page).toContain(`| Implementation Version Name | ${implementationVersionName} |`);
  });

  it('lists the SOP classes of the program and what it does with each', () => {
    const known = [...sopClasses].map(([uid, { name }]) => {
      const refusal = refusalOf(instance(uid, '1.2.840.10008.1.2.1'), { burnedIn: 'hold' });
      return [uid, name, refusal ? `stored only: \`${refusal.code}\`` : 'image'];
    });
    expect(known.length).toBeGreaterThan(100);
    expect(table('### Stored and read')).toEqual(known);
  });

  it('lists the transfer syntaxes of the program and what it does with each', () => {
    const known = [...transferSyntaxes].map(([uid, { name, lossy }]) => {
      const refusal = refusalOf(instance('1.2.840.10008.5.1.4.1.1.77.1.4', uid), { burnedIn: 'hold' });
      return [
        uid,
        name,
        'yes',
        refusal ? `no: \`${refusal.code}\`` : 'yes',
        refusal ? '' : lossy ? 'may be lossy' : 'exact',
      ];
    });
    expect(known.length).toBeGreaterThan(30);
    expect(table('## 3. Transfer syntaxes')).toEqual(known);
  });

  interface Row {
    readonly keywords: readonly string[];
    readonly origin: string;
  }
  const attributes = (heading: string): Row[] => {
    const text = page.split(`\n### ${heading}\n`)[1]!.split(/\n##/)[0]!;
    const rows = text.split('\n').filter((line) => line.startsWith('| ') && line.includes('`'));
    return rows.map((line) => {
      const [, , cell = '', origin = ''] = line.split('|');
      return { keywords: [...cell.matchAll(/`(\w+)`/g)].map((m) => m[1]!), origin: origin.trim() };
    });
  };
  const both = { seg: attributes('Segmentation'), sr: attributes('Structured Report') };
  const copied = (rows: readonly Row[]): string[] =>
    rows.filter((r) => r.origin === 'COPIED, if present').flatMap((r) => r.keywords);
  /** Whether an attribute stands in any of the data sets as it stands in the full source. */
  const isCopied = (keyword: string, written: readonly DicomJson[]): boolean => {
    const same = (ds: DicomJson): boolean =>
      JSON.stringify(ds[tagOf(keyword)]) === JSON.stringify(fullSource[tagOf(keyword)]);
    return written.some(same);
  };
  /** A source that has everything that may be copied. */
  const fullSource: DicomJson = {
    ...sourceWith([...copied(both.seg), ...copied(both.sr)]),
    ...dataset({ TimezoneOffsetFromUTC: '+0100', LossyImageCompression: '01', LossyImageCompressionRatio: 10 }),
    ...dataset({ LossyImageCompressionMethod: 'ISO_10918_1' }),
  };

  it.each(['seg', 'sr'] as const)(
    'lists every attribute that the encoders write, and none that they never write: %s',
    (kind) => {
      const rows = both[kind];
      const written = new Set([...writtenKinds()[kind], ...writtenKinds(fullSource)[kind]].flatMap(keywordsOf));
      const documented = new Set(rows.flatMap((r) => r.keywords));
      expect(documented.size).toBeGreaterThan(60);
      // A copied sequence is copied with what is in it: its codes are listed as such.
      expect([...written].filter((k) => !documented.has(k))).toEqual([]);
      const sometimes = ['LongCodeValue', 'TemporalPositionIndex', 'SegmentedPropertyTypeModifierCodeSequence'];
      expect([...documented].filter((k) => !written.has(k) && !sometimes.includes(k))).toEqual([]);
    },
  );

  it.each(['seg', 'sr'] as const)('copies each attribute that is said to be copied: %s', (kind) => {
    const keywords = copied(both[kind]).filter((k) => kind === 'seg' || !k.startsWith('Lossy'));
    expect(keywords.length).toBeGreaterThan(50);
    const [bare, full] = [writtenKinds()[kind], writtenKinds(fullSource)[kind]];
    expect(keywords.filter((k) => !isCopied(k, full))).toEqual([]);
    expect(keywords.filter((k) => isCopied(k, bare))).toEqual([]);
  });
});

interface Statement {
  readonly fhirVersion: string;
  readonly rest: readonly {
    readonly mode: string;
    readonly interaction: readonly { readonly code: string }[];
    readonly resource: readonly {
      readonly type: string;
      readonly interaction: readonly { readonly code: string }[];
      readonly conditionalCreate?: boolean;
      readonly searchParam: readonly { readonly name: string }[];
    }[];
  }[];
}
const statement = (version: 'r4' | 'r5'): Statement => JSON.parse(read(`fhir-${version}.capability.json`)) as Statement;

describe('the CapabilityStatements', () => {
  it.each([
    ['r4', 'fhirR4', '4.0.1'],
    ['r5', 'fhirR5', '5.0.0'],
  ] as const)('names the resource types that are written, and Patient: %s', (version, bundle, fhirVersion) => {
    const written = encodeAll(sampleInput())[bundle].entry!.map((e) => e.resource!.resourceType);
    const said = statement(version);
    expect(said.fhirVersion).toBe(fhirVersion);
    expect(said.rest.map((r) => r.mode)).toEqual(['client']);
    expect(said.rest[0]!.resource.map((r) => r.type).toSorted()).toEqual([...new Set([...written, 'Patient'])].sort());
  });

  describe.skipIf(missing('hapi', 'java'))('for HAPI', () => {
    let hapi: Hapi;
    beforeAll(() => void (hapi = startHapi()));
    afterAll(() => hapi.stop());

    it.each(['r4', 'r5'] as const)('are valid for the HAPI validator: %s', { timeout: 240_000 }, async (version) => {
      const verdict = await hapi.validate(version, join(folder, `fhir-${version}.capability.json`));
      expect(verdict.errors).toEqual([]);
    });
  });

  afterEach(() => vi.restoreAllMocks());

  it('names the interactions that a delivery uses, no more and no less', async () => {
    const r4 = await interactionsOfDeliveries('R4');
    expect([...r4].toSorted()).toEqual(saidInteractions('r4'));
    // No R5 server of others is at hand: the first delivery, to a small one of ours, which takes no updates.
    const r5 = await interactionsOfDeliveries('R5');
    expect([...r5].toSorted()).toEqual(saidInteractions('r5').filter((said) => !said.endsWith(' update')));
    const asR4 = saidInteractions('r5').map((said) => said.replace('ImagingSelection', 'DocumentReference'));
    expect(asR4.toSorted()).toEqual(saidInteractions('r4'));
  });
});

function saidInteractions(version: 'r4' | 'r5'): string[] {
  const [rest] = statement(version).rest;
  const each = rest!.resource.flatMap(({ type, interaction, searchParam, conditionalCreate }) => {
    const by = searchParam.map((p) => p.name).join();
    const words = { 'search-type': `search-type ${by}`, create: conditionalCreate ? `create if none ${by}` : 'create' };
    return interaction.map(({ code }) => `${type} ${words[code as keyof typeof words] ?? code}`);
  });
  return [...each, ...rest!.interaction.map((i) => i.code)].sort();
}

/** What goes over the wire in a first delivery, the same again, and one of a changed draft (R4). */
async function interactionsOfDeliveries(version: 'R4' | 'R5'): Promise<Set<string>> {
  const seen = new Set<string>();
  const through = globalThis.fetch;
  const spy = vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    const request = new Request(input, init);
    for (const one of await interactionsOf(request.clone())) seen.add(one);
    return through(request);
  });
  const person = { resourceType: 'Patient', identifier: [{ system: 'urn:oid:1.2', value: 'PID-77' }] };
  const medplum = version === 'R4' ? await startMedplum() : undefined;
  const fake = version === 'R5' ? await startFakeFhir({ fhirVersion: '5.0.0' }) : undefined;
  const { url, stop } = (medplum ?? fake)!;
  const who = { name: 'ehr', kind: 'fhir', url, fhirVersion: version, timeoutSeconds: 30 } as const;
  const destination = makeDestination({ ...who, patientSystem: 'urn:oid:1.2' });
  const deliver = (options: InputOptions) => destination.deliver(contentOf(options), AbortSignal.timeout(60_000));
  fake?.put({ ...person, id: 'p1' });
  await medplum?.create(person as never);
  // An Endpoint that somebody has switched off is put right.
  const endpoint = encodeAll(sampleInput()).fhirR4.entry!.find((e) => e.resource?.resourceType === 'Endpoint');
  await medplum?.create({ ...endpoint!.resource, status: 'off' } as never);
  await deliver({});
  if (medplum) await deliverToEmpty(who, person);
  const first = new Set(seen);
  await deliver({});
  expect(seen).toEqual(first);
  if (medplum) await deliver({ change: later });
  spy.mockRestore();
  await stop();
  return seen;
}

/** The same delivery to a server that has the patient only. */
async function deliverToEmpty(who: Parameters<typeof makeDestination>[0], person: object): Promise<void> {
  const { url, stop, create } = await startMedplum();
  await create(person as never);
  const destination = makeDestination({ ...who, patientSystem: 'urn:oid:1.2', url } as typeof who);
  await destination.deliver(contentOf({}), AbortSignal.timeout(60_000));
  await stop();
}

const later: InputOptions['change'] = (s) => ({
  ...s,
  draft: { ...s.draft, createdAt: '2027-01-01T00:00:00Z', bundle: { ...s.draft.bundle, version: '9.9' } },
});

function contentOf(options: InputOptions): DeliverContent {
  const { fhirR4, fhirR5 } = encodeAll(sampleInput(options));
  return {
    workitem: 'w',
    studyUid: '1.2',
    patientId: 'PID-77',
    issuer: 'HOSPITAL',
    objects: [],
    fhirR4: async () => fhirR4,
    fhirR5: async () => fhirR5,
  };
}

async function interactionsOf(request: Request): Promise<string[]> {
  const { pathname, searchParams } = new URL(request.url);
  const type = pathname.replace(/^\/fhir\/?/, '');
  const [ofOne, id] = type.split('/');
  if (request.method === 'GET' && id !== undefined) return [`${ofOne} read`];
  if (request.method === 'GET') return [`${type} search-type ${[...searchParams.keys()].join()}`];
  const { type: kind, entry } = (await request.json()) as {
    readonly type: string;
    readonly entry: readonly { readonly request: Readonly<Record<string, string>> }[];
  };
  return [
    kind,
    ...entry.map(({ request: { method, url = '', ifNoneExist, ifMatch } }) =>
      method === 'POST' && ifNoneExist
        ? `${url} create if none ${ifNoneExist.split('=')[0]}`
        : method === 'PUT' && ifMatch
          ? `${url.split('/')[0]} update`
          : `${method} ${url}`,
    ),
  ];
}
