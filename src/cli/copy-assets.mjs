// The part of `npm run build` that tsc does not do: files that the program reads beside its modules.
import { cpSync, globSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
for (const file of globSync('src/**/*.{sql,css,svg}', { cwd: root })) {
  cpSync(join(root, file), join(root, 'dist', relative('src', file)));
}
