import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../peers/index.ts';
import { tempFolder } from './program.ts';

interface RoutesFile {
  readonly rules: readonly { readonly then: object }[];
}

/** A folder with the mappings that come with Plumbline, every rule sending to these destinations. */
export function mappingsTo(destinations: readonly string[], then: object = {}): string {
  const dir = tempFolder('mappings');
  const read = (name: string): string => readFileSync(join(root, 'mappings', name), 'utf8');
  for (const name of ['codes.json', 'presence.json']) writeFileSync(join(dir, name), read(name));
  const routes = JSON.parse(read('routes.json')) as RoutesFile;
  const rules = routes.rules.map((r) => ({ ...r, then: { ...r.then, destinations, ...then } }));
  writeFileSync(join(dir, 'routes.json'), JSON.stringify({ ...routes, rules }));
  return dir;
}
