// `npm run docs`: write the files that are printed from the program. A test fails where they are out of date.
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { printedFiles } from './printed.ts';

for (const [path, text] of printedFiles()) writeFileSync(resolve(import.meta.dirname, '../..', path), text);
