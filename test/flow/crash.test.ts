import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkpoints } from '../../src/base/index.ts';
import { demoStudies } from '../../src/cli/demo/studies.ts';
import { stow } from '../../src/cli/stow-client.ts';
import { orthancMissing, startOrthanc, type Orthanc } from '../peers/orthanc.ts';
import { mappingsTo } from '../builders/mappings.ts';
import { serveChild, tempFolder, until, type ServedGateway } from '../builders/program.ts';

const [, us] = demoStudies();

interface Counted {
  readonly MainDicomTags: { readonly Modality: string };
  readonly Instances: readonly string[];
}

/** Where a study of the gateway stands; undefined while it is not there or the gateway does not answer. */
async function stateOf(gateway: ServedGateway, uid: string): Promise<string | undefined> {
  const response = await fetch(`${gateway.url}/api/studies/${uid}`).catch(() => undefined); // the gateway may be dead: asked again
  if (!response?.ok) return undefined;
  const { drafts } = (await response.json()) as { drafts: { state: string }[] };
  return drafts[0]?.state;
}

describe.skipIf(orthancMissing)('a gateway that is killed', () => {
  let orthanc: Orthanc;
  beforeAll(async () => void (orthanc = await startOrthanc()));
  afterAll(() => orthanc?.stop());

  it.each(checkpoints)(
    'at %s loses nothing that it acknowledged and delivers it once',
    async (where) => {
      await fetch(`${orthanc.url}/tools/bulk-delete`, {
        method: 'POST',
        body: JSON.stringify({ Resources: await orthanc.get<string[]>('/studies') }),
      });
      const config = JSON.stringify({
        dataDir: tempFolder('data'),
        mappingsDir: mappingsTo(['pacs']),
        http: { port: 0 },
        gate: { quietSeconds: 0.2 },
        delivery: { firstPauseSeconds: 0.2, maxPauseSeconds: 0.5 },
        log: { level: 'error' },
        destinations: [{ name: 'pacs', kind: 'dicomweb', url: orthanc.dicomweb }],
      });
      const doomed = await serveChild(config, { PLUMBLINE_CRASH_AT: where });
      const acknowledged = await stow(doomed.dicomweb, us!.files).then(
        (a) => a.status === 200,
        () => false,
      );
      expect(await doomed.ended).toBe('SIGKILL');

      const next = await serveChild(config);
      try {
        // A sender that got no answer sends again; one that got an answer does not.
        if (!acknowledged) expect((await stow(next.dicomweb, us!.files)).status).toBe(200);
        await until(
          async () => ((await stateOf(next, us!.studyUid)) === 'delivered' ? true : undefined),
          `delivery after ${where}`,
        );
        const series = await orthanc.get<Counted[]>('/series?expand');
        const counted = series.map((s) => [s.MainDicomTags.Modality, s.Instances.length]).sort();
        expect(counted).toEqual([
          ['SEG', 1],
          ['SR', 1],
        ]);
        const rows = (await (await fetch(`${next.dicomweb}/studies/${us!.studyUid}/instances`)).json()) as unknown[];
        expect(rows).toHaveLength(us!.files.length + 2);
      } finally {
        await next.stop();
      }
    },
    90_000,
  );
});
