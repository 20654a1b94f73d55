import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadMappings, loadTargets } from '../../../src/findings/index.ts';
import { loadBundle, type Bundle } from '../../../src/inference/index.ts';
import { checkBundles, uncodedLabels, type Reading } from '../../../src/server/index.ts';
import { parseRoutes } from '../../../src/work/index.ts';
import { tinyDir } from '../../builders/bundle.ts';
import { root } from '../../peers/index.ts';

const mapping = (name: string): unknown => JSON.parse(readFileSync(join(root, 'mappings', name), 'utf8'));
const mappings = loadMappings(mapping('codes.json'), mapping('presence.json'));
const targets = loadTargets(mapping('targets.json'));
let tiny: Bundle;
beforeAll(async () => void (tiny = await loadBundle(tinyDir)));

function reading(then: object, modality = ['CT']): Reading {
  const rules = [{ name: 'mine', when: { modality }, then: { bundle: 'plumbline-tiny', task: 'report', ...then } }];
  const routes = parseRoutes(JSON.stringify({ version: 1, rules }), 'routes.json');
  return { routes, mappings, targets, bundle: () => Promise.resolve(tiny) } as Partial<Reading> as Reading;
}

describe('the bundles that routes name', () => {
  it('are right where every rule asks for what its bundle has', async () => {
    expect(await checkBundles(reading({ task: 'segment', slots: { target: 'hepatic tumour' } }))).toEqual([]);
  });

  it('are refused where a rule asks for a task that there is not', async () => {
    await expect(checkBundles(reading({ task: 'recite' }))).rejects.toMatchObject({
      code: 'task-unknown',
      message: expect.stringContaining('the rule "mine" asks for the task "recite"') as string,
    });
  });

  it('are refused where a rule asks for a label that the bundle does not have in a modality of the rule', async () => {
    const asked = { task: 'segment', slots: { target: 'melanoma' } };
    await expect(checkBundles(reading(asked, ['XC']))).resolves.toEqual([]);
    await expect(checkBundles(reading(asked, ['XC', 'CT']))).rejects.toMatchObject({
      code: 'target-unknown',
      message: expect.stringContaining('knows no "melanoma" in CT') as string,
    });
  });
});

describe('a label without a code', () => {
  it('is named with its modality', () => {
    const [ct] = tiny.manifest.modalities!;
    const modalities = [{ ...ct!, findings: ['liver lesion', 'gremlin'] }];
    const notices = uncodedLabels({ ...tiny, manifest: { ...tiny.manifest, modalities } }, mappings);
    expect(notices).toEqual([
      { code: 'mapping-miss', message: expect.stringContaining('names "gremlin" in CT') as string },
    ]);
  });
});
