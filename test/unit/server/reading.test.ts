import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/base/index.ts';
import { openReading } from '../../../src/server/index.ts';
import { tempFolder } from '../../builders/program.ts';
import { root } from '../../peers/index.ts';

const routes = (rule: string): string =>
  JSON.stringify({ version: 1, rules: [{ name: rule, when: {}, then: { bundle: 'plumbline-tiny', task: 'report' } }] });

function site(files: Readonly<Record<string, string>>): ReturnType<typeof parseConfig> {
  const dir = tempFolder('mappings');
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  return parseConfig(JSON.stringify({ mappingsDir: dir }), '(test)', dir);
}

describe('mappingsDir', () => {
  it('with routes alone keeps the codes and presence words that come with Plumbline', async () => {
    const reading = openReading(site({ 'routes.json': routes('mine') }));
    const presence = JSON.parse(readFileSync(join(root, 'mappings/presence.json'), 'utf8')) as object;
    expect(reading.routes.rules.map((r) => r.name)).toEqual(['mine']);
    expect(reading.presence).toEqual(presence);
    await reading.close();
  });

  it('without routes is refused: nobody means the shipped ones by naming a folder', () => {
    expect(() => openReading(site({}))).toThrow(expect.objectContaining({ code: 'config-missing' }) as Error);
  });

  it('with a file that is no JSON is refused by the name of the file', () => {
    const config = site({ 'routes.json': routes('mine'), 'presence.json': '{' });
    expect(() => openReading(config)).toThrow(/presence\.json is no JSON/);
  });
});
