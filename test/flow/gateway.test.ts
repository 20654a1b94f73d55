import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoStudies } from '../../src/cli/demo/studies.ts';
import { stow } from '../../src/cli/stow-client.ts';
import { startMedplum, type MedplumServer } from '../peers/fhir-server.ts';
import { missing, sharedPath } from '../peers/index.ts';
import { orthancMissing, startOrthanc, type Orthanc } from '../peers/orthanc.ts';
import { mappingsTo } from '../builders/mappings.ts';
import { serveChild, tempFolder, until, type ServedGateway } from '../builders/program.ts';

interface StudyJson {
  readonly state: string;
  readonly drafts: readonly {
    readonly key: string;
    readonly state: string;
    readonly reason?: { readonly code: string };
    readonly files: readonly string[];
  }[];
}

async function study(gateway: ServedGateway, uid: string): Promise<StudyJson | undefined> {
  const response = await fetch(`${gateway.url}/api/studies/${uid}`);
  return response.ok ? ((await response.json()) as StudyJson) : undefined;
}

/** The study's drafts once each of them is in one of the states. */
function drafts(gateway: ServedGateway, uid: string, ...states: string[]): Promise<StudyJson['drafts']> {
  return until(
    async () => {
      const found = await study(gateway, uid);
      return found && found.drafts.length > 0 && found.drafts.every((d) => states.includes(d.state))
        ? found.drafts
        : undefined;
    },
    `${uid} to be ${states.join(' or ')}`,
    120,
  );
}

describe.skipIf(orthancMissing)('a gateway between Orthanc and a FHIR server', () => {
  let orthanc: Orthanc;
  let ehr: MedplumServer;
  let gateway: ServedGateway;
  const [ct, us] = demoStudies();

  beforeAll(async () => {
    [orthanc, ehr] = await Promise.all([startOrthanc(), startMedplum()]);
    const mappings = mappingsTo(['pacs', 'ehr']);
    gateway = await serveChild(
      JSON.stringify({
        dataDir: tempFolder('data'),
        mappingsDir: mappings,
        http: { port: 0 },
        gate: { quietSeconds: 0.5 },
        delivery: { firstPauseSeconds: 0.2, maxPauseSeconds: 1 },
        destinations: [
          { name: 'pacs', kind: 'dicomweb', url: orthanc.dicomweb },
          { name: 'ehr', kind: 'fhir', url: ehr.url, patientSystem: 'urn:oid:1.2.3.4' },
        ],
      }),
    );
  }, 120_000);
  afterAll(async () => {
    await gateway?.stop();
    await ehr?.stop();
    await orthanc?.stop();
  });

  it('delivers SEG and SR to the PACS and the report to the EHR, once, however often the study comes', async () => {
    await ehr.create({
      resourceType: 'Patient',
      identifier: [{ system: 'urn:oid:1.2.3.4', value: 'DEMO-CT' }],
    } as never);
    expect((await stow(gateway.dicomweb, ct!.files)).status).toBe(200);
    const [draft] = await drafts(gateway, ct!.studyUid, 'delivered', 'held', 'failed');
    expect(draft).toMatchObject({ state: 'delivered' });
    expect((await stow(gateway.dicomweb, ct!.files)).stored).toHaveLength(ct!.files.length);
    await new Promise((done) => setTimeout(done, 1500));
    expect(await drafts(gateway, ct!.studyUid, 'delivered')).toHaveLength(1);
    const series = await orthanc.get<{ MainDicomTags: { Modality: string }; Instances: string[] }[]>('/series?expand');
    expect(series.map((s) => [s.MainDicomTags.Modality, s.Instances.length]).sort()).toEqual([
      ['SEG', 1],
      ['SR', 1],
    ]);
    const reports = await ehr.all('DiagnosticReport');
    expect(reports).toHaveLength(1);
    expect(reports[0]).toMatchObject({
      status: 'preliminary',
      subject: { reference: expect.stringMatching(/^Patient\//) as string },
    });
    const observations = await ehr.all('Observation');
    expect(observations.length).toBe((reports[0] as { result: unknown[] }).result.length);
  }, 180_000);

  it('holds the delivery to the EHR of a patient whom it does not know, while the PACS gets its objects', async () => {
    await stow(gateway.dicomweb, us!.files);
    await drafts(gateway, us!.studyUid, 'drafted');
    const timeline = await until(async () => {
      const text = await (await fetch(`${gateway.url}/api/studies/${us!.studyUid}`)).text();
      return text.includes('ehr: held') && text.includes('pacs: delivered') ? text : undefined;
    }, 'the two deliveries');
    expect(timeline).toContain('no patient');
    expect(await ehr.all('DiagnosticReport')).toHaveLength(1);
  }, 120_000);

  it('writes no patient data into its log', () => {
    for (const word of ['DEMO-CT', 'DEMO^', 'ABDOMEN', 'liver lesion']) expect(gateway.log()).not.toContain(word);
  });
});

describe.skipIf(missing('shared'))('a gateway without destinations', () => {
  let gateway: ServedGateway;
  beforeAll(async () => {
    gateway = await serveChild(
      JSON.stringify({ dataDir: tempFolder('data'), http: { port: 0 }, gate: { quietSeconds: 0.5 } }),
    );
  });
  afterAll(() => gateway?.stop());

  it('reads a real CT and shows what came in and what it wrote by QIDO-RS and WADO-RS', async () => {
    const dir = sharedPath('data/dicom/CT/tiny-24x38x3');
    const files = readdirSync(dir)
      .filter((f) => f.endsWith('.dcm'))
      .map((f) => new Uint8Array(readFileSync(join(dir, f))));
    const answer = await stow(gateway.dicomweb, files);
    expect(answer.status).toBe(200);
    const rows = (await (await fetch(`${gateway.dicomweb}/studies`)).json()) as Record<string, { Value: string[] }>[];
    const uid = rows[0]!['0020000D']!.Value[0]!;
    const [draft] = await drafts(gateway, uid, 'delivered', 'held');
    const instances = (await (await fetch(`${gateway.dicomweb}/studies/${uid}/instances`)).json()) as Record<
      string,
      { Value: string[] }
    >[];
    const modalities = instances.map((i) => i['00080060']!.Value[0]!).sort();
    if (draft!.state === 'delivered') expect(modalities).toEqual(expect.arrayContaining(['CT', 'SR']));
    const page = await (await fetch(`${gateway.url}/studies/${uid}`)).text();
    expect(page).toContain(uid);
  }, 120_000);
});
