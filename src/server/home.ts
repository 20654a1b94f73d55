import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

/** Where the program lies: package.json, models and mappings are here, in a clone and installed alike. */
export const home = resolve(import.meta.dirname, '../..');

export const version = (JSON.parse(readFileSync(resolve(home, 'package.json'), 'utf8')) as { version: string }).version;
