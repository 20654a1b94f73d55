import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gateway, Rooms } from '../../src/server/index.ts';
import { reach, servePacs, siteConfig, studyUidOf, unpackFolder, withRooms } from '../builders/data-folder.ts';
import { root } from '../peers/index.ts';
import { until } from '../builders/program.ts';

const folder = join(root, 'test/golden/data-folder');
const releases = readdirSync(folder).filter((f) => f.endsWith('.json.br'));

it('has a data folder of the first release', () => {
  expect(releases).toContain('0.1.0.json.br');
});

describe.each(releases)('the data folder of %s', (release) => {
  let pacs: Gateway;
  let dataDir: string;
  beforeAll(async () => {
    pacs = await servePacs();
    dataDir = unpackFolder(join(folder, release));
  });
  afterAll(() => pacs?.stop());
  const site = () => siteConfig(dataDir, pacs.dicomweb);

  /** SOP Instance UIDs by study in the PACS. */
  const inPacs = async (study: string): Promise<string[]> =>
    (await pacs.rooms.studies.instances(studyUidOf(study))).map((i) => i.summary['00080060']?.Value?.[0] as string);
  const stateOf = async ({ work }: Rooms, study: string) =>
    (await work.list({ studyUid: studyUidOf(study) })).map((i) => i.state);

  it('opens, and what waited or was under way is finished', async () => {
    await withRooms(site(), true, async (rooms) => {
      for (const study of ['arriving', 'ready', 'sending']) {
        await reach(rooms, study, 'delivered');
        expect((await inPacs(study)).sort(), study).toEqual(['SEG', 'SR']);
      }
      const [urgent] = await rooms.work.list({ studyUid: studyUidOf('arriving') });
      expect(urgent?.priority).toBe('stat');
    });
  });

  it('does not do again what was done', async () => {
    await withRooms(site(), true, async (rooms) => {
      expect(await stateOf(rooms, 'delivered')).toEqual(['delivered']);
      expect(await inPacs('delivered')).toEqual([]);
      const [item] = await rooms.work.list({ studyUid: studyUidOf('delivered') });
      const { files } = await rooms.work.encodings(item!.key);
      for (const { digest, bytes } of files) expect((await rooms.blobs.read(digest)).length).toBe(bytes);
    });
  });

  it('keeps held what was held, until a person releases it', async () => {
    await withRooms(site(), true, async (rooms) => {
      const contradiction = await rooms.studies.study(studyUidOf('contradiction'));
      expect(contradiction).toMatchObject({ state: 'held', holdCode: 'patient-contradiction' });
      expect(await stateOf(rooms, 'contradiction')).toEqual([]);
      const [held] = await rooms.work.list({ studyUid: studyUidOf('held') });
      expect(held).toMatchObject({ state: 'held', code: 'held-by-hand' });
      const [dead] = await rooms.delivery.rows({ state: 'dead' });
      expect(dead?.study).toBe(studyUidOf('dead'));

      await rooms.studies.release(studyUidOf('contradiction'), 'the same person', 'operator');
      await rooms.work.retry(held!.key, 'looked at', 'operator');
      await rooms.delivery.retry(dead!.id, 'the archive is back');
      for (const study of ['contradiction', 'held', 'dead']) await reach(rooms, study, 'delivered');
    });
    for (const study of ['contradiction', 'held', 'dead'])
      expect((await inPacs(study)).sort(), study).toEqual(['SEG', 'SR']);
  });

  it('remembers the order whose study has not come', async () => {
    await withRooms(site(), false, async ({ db }) => {
      const rows = await until(
        async () =>
          db.all<{ accession: string; state: string }>(
            `SELECT accession, state FROM orders WHERE accession = 'U-later'`,
          ),
        'the order',
      );
      expect(rows).toEqual([{ accession: 'U-later', state: 'open' }]);
    });
  });
});
