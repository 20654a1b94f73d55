import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoStudies } from '../../src/cli/demo/studies.ts';
import { stow } from '../../src/cli/stow-client.ts';
import { pynetdicomStore, startStorescp, storescu, writeFiles, type Scp } from '../builders/dimse.ts';
import { mappingsTo } from '../builders/mappings.ts';
import { serveChild, tempFolder, until, type ServedGateway } from '../builders/program.ts';
import { missing } from '../peers/index.ts';
import { freePort, orthancMissing, startOrthanc, type Orthanc } from '../peers/orthanc.ts';

interface StudyJson {
  readonly drafts: readonly { readonly key: string; readonly state: string }[];
}

describe.skipIf(orthancMissing || missing('storescp', 'storescu', 'python'))('a gateway that speaks only DIMSE', () => {
  let [scp, orthanc, gateway]: [Scp?, Orthanc?, ServedGateway?] = [];
  let port: number;
  const [ct, us] = demoStudies();

  beforeAll(async () => {
    port = await freePort();
    const archive = await freePort();
    [scp, orthanc] = await Promise.all([startStorescp(), startOrthanc({ DicomPort: archive, DicomAet: 'ARCHIVE' })]);
    gateway = await serveChild(
      JSON.stringify({
        dataDir: tempFolder('data'),
        mappingsDir: mappingsTo(['workstation', 'archive']),
        http: { port: 0 },
        dimse: {
          listeners: [{ port, aeTitle: 'GATEWAY', callers: [{ aeTitle: 'MODALITY', addresses: ['127.0.0.1'] }] }],
        },
        gate: { quietSeconds: 1 },
        delivery: { firstPauseSeconds: 0.2, maxPauseSeconds: 1 },
        destinations: [
          { name: 'workstation', kind: 'dimse', host: '127.0.0.1', port: scp.port, calledAet: 'WS1' },
          {
            name: 'archive',
            kind: 'dimse',
            host: '127.0.0.1',
            port: archive,
            calledAet: 'ARCHIVE',
            callingAet: 'GATEWAY',
          },
        ],
      }),
    );
  }, 120_000);
  afterAll(async () => {
    await gateway?.stop();
    await orthanc?.stop();
    await scp?.stop();
  });

  const drafts = (study: string): Promise<StudyJson['drafts']> =>
    until(
      async () => {
        const response = await fetch(`${gateway!.url}/api/studies/${study}`);
        const found = response.ok ? ((await response.json()) as StudyJson).drafts : [];
        return found.length > 0 && found.every((d) => ['delivered', 'held', 'failed'].includes(d.state))
          ? found
          : undefined;
      },
      `${study} to be delivered`,
      120,
    );

  it('takes a study from storescu and brings SEG and SR to storescp and to Orthanc', async () => {
    const sent = await storescu(port, writeFiles(ct!.files), ['-aet', 'MODALITY', '-aec', 'GATEWAY']);
    expect(sent.code, sent.stderr).toBe(0);
    expect(await drafts(ct!.studyUid)).toMatchObject([{ state: 'delivered' }]);
    const instances = await orthanc!.get<{ MainDicomTags: { SOPInstanceUID: string } }[]>('/instances?expand');
    const atArchive = instances.map((i) => i.MainDicomTags.SOPInstanceUID);
    expect(atArchive.length).toBeGreaterThan(1);
    expect([...scp!.received().keys()].toSorted()).toEqual(atArchive.toSorted());
    const series = await orthanc!.get<{ MainDicomTags: { Modality: string } }[]>('/series?expand');
    expect(new Set(series.map((s) => s.MainDicomTags.Modality))).toEqual(new Set(['SEG', 'SR']));
  }, 150_000);

  it('makes one draft of a study that comes by C-STORE and by STOW-RS', async () => {
    const files = writeFiles(us!.files);
    const said = await pynetdicomStore(port, files, { called: 'GATEWAY', calling: 'MODALITY' });
    expect(new Set(said)).toEqual(new Set(['0000']));
    const again = await stow(gateway!.dicomweb, us!.files);
    expect(again).toMatchObject({ status: 200 });
    expect(again.stored).toHaveLength(files.length);
    const [draft] = await drafts(us!.studyUid);
    expect((await stow(gateway!.dicomweb, us!.files)).status).toBe(200);
    await new Promise((done) => setTimeout(done, 2500));
    expect((await drafts(us!.studyUid)).map((d) => d.key)).toEqual([draft!.key]);
    // Nothing that went wrong, and nobody's name, stands in the log.
    expect(gateway!.log()).not.toMatch(/"level":50|instance refused|\^/);
  }, 150_000);

  it('turns away whom it does not know', async () => {
    const files = writeFiles(us!.files.slice(0, 1));
    const stranger = await storescu(port, files, ['-aet', 'STRANGER', '-aec', 'GATEWAY']);
    expect(stranger.code).not.toBe(0);
    expect(stranger.stderr).toContain('Calling AE Title Not Recognized');
  });
});
