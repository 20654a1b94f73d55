import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inspectPart10, text } from '../../src/dicom/index.ts';
import { filesBelow } from '../../src/cli/scan.ts';
import { stow } from '../../src/cli/stow-client.ts';
import { copyRealStudies, realStudies } from '../builders/real-studies.ts';
import { mappingsTo } from '../builders/mappings.ts';
import { serveChild, tempFolder, until, type ServedGateway } from '../builders/program.ts';
import { startMedplum, type MedplumServer } from '../peers/fhir-server.ts';
import { missing } from '../peers/index.ts';
import { orthancMissing, startOrthanc, type Orthanc } from '../peers/orthanc.ts';

interface StudyJson {
  readonly studyUid: string;
  readonly state: string;
  readonly holdCode?: string;
  readonly drafts: readonly {
    readonly state: string;
    readonly files: readonly string[];
    readonly reason?: { readonly code: string; readonly message: string };
  }[];
}

const patients = 'urn:oid:1.2.3.4.5';

describe.skipIf(orthancMissing || missing('shared'))('real studies of every modality', () => {
  let orthanc: Orthanc;
  let ehr: MedplumServer;
  let gateway: ServedGateway;
  let files: Uint8Array[];
  let studies: StudyJson[];
  /** Studies whose images name no patient: an EHR cannot be given those. */
  let nameless: Set<string>;

  beforeAll(async () => {
    [orthanc, ehr] = await Promise.all([startOrthanc(), startMedplum()]);
    const folder = tempFolder('real');
    copyRealStudies(folder);
    files = (await filesBelow(folder)).map((f) => new Uint8Array(readFileSync(f)));
    const inspected = files.map((f) => inspectPart10(f));
    const ids = new Set(inspected.map((f) => text(f.attributes, 'PatientID')));
    nameless = new Set(inspected.filter((f) => text(f.attributes, 'PatientID') === '').map((f) => f.studyUid));
    for (const value of ids) {
      if (value) await ehr.create({ resourceType: 'Patient', identifier: [{ system: patients, value }] } as never);
    }
    gateway = await serveChild(
      JSON.stringify({
        dataDir: tempFolder('data'),
        // A few planes of each: what is proved here is the way, not the reading.
        mappingsDir: mappingsTo(['pacs', 'ehr'], { policy: { slices: { max: 3 } } }),
        http: { port: 0 },
        gate: { quietSeconds: 0.5 },
        log: { level: 'error' },
        delivery: { firstPauseSeconds: 0.2, maxPauseSeconds: 1 },
        destinations: [
          { name: 'pacs', kind: 'dicomweb', url: orthanc.dicomweb },
          { name: 'ehr', kind: 'fhir', url: ehr.url, patientSystem: patients },
        ],
      }),
    );
    const answer = await stow(gateway.dicomweb, files);
    expect([answer.status, answer.failed]).toEqual([200, []]);
    studies = await until(
      async () => {
        const list = (await (await fetch(`${gateway.url}/api/studies`)).json()) as StudyJson[];
        const moving = list.some(
          (s) =>
            s.state === 'arriving' ||
            s.drafts.length === 0 ||
            s.drafts.some((d) => ['waiting', 'ready', 'claimed'].includes(d.state)) ||
            (!nameless.has(s.studyUid) && s.drafts.some((d) => d.state === 'drafted')),
        );
        return list.length === Object.keys(realStudies).length && !moving ? list : undefined;
      },
      'all studies to be delivered',
      240,
    );
  }, 300_000);
  afterAll(async () => {
    await gateway?.stop();
    await ehr?.stop();
    await orthanc?.stop();
  });

  it('go all the way: each has a draft that is delivered to PACS and EHR', () => {
    const stuck = studies.filter((s) => !nameless.has(s.studyUid) && s.drafts.some((d) => d.state !== 'delivered'));
    expect(stuck).toEqual([]);
  });

  it('wait at the EHR by name where the images name no patient', async () => {
    expect(nameless.size).toBe(1);
    for (const uid of nameless) {
      const { timeline } = (await (await fetch(`${gateway.url}/api/studies/${uid}`)).json()) as {
        timeline: { text: string }[];
      };
      expect(timeline.map((t) => t.text).join('\n')).toMatch(/ehr: held.*no patient identifier/);
    }
  });

  it('are in the PACS with exactly the SEG and SR that were written, in the study of their sources', async () => {
    const series =
      await orthanc.get<{ ParentStudy: string; MainDicomTags: { Modality: string }; Instances: string[] }[]>(
        '/series?expand',
      );
    const written = studies.flatMap((s) => s.drafts.flatMap((d) => d.files.filter((f) => f.endsWith('.dcm'))));
    expect(series.flatMap((s) => s.Instances).length).toBe(written.length);
    expect(new Set(series.map((s) => s.MainDicomTags.Modality))).toEqual(new Set(['SEG', 'SR']));
    const there = await orthanc.get<{ MainDicomTags: { StudyInstanceUID: string } }[]>('/studies?expand');
    expect(there.map((s) => s.MainDicomTags.StudyInstanceUID).sort()).toEqual(studies.map((s) => s.studyUid).sort());
  });

  it('have one report each at the EHR, with an Observation for every finding', async () => {
    const reports = (await ehr.all('DiagnosticReport')) as unknown as { result?: unknown[]; status: string }[];
    expect(reports).toHaveLength(studies.length - nameless.size);
    expect(new Set(reports.map((r) => r.status))).toEqual(new Set(['preliminary']));
    const observations = await ehr.all('Observation');
    expect(observations.length).toBe(reports.reduce((n, r) => n + (r.result?.length ?? 0), 0));
  });
});
