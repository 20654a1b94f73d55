#!/usr/bin/env node
// `plumbline ARGS` where it is installed, `npm run -s plumbline -- ARGS` in a clone: installs what is missing, finds a
// Node that is new enough, and becomes the program.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { become, ensureInstalled, findNode, nodeFlags, root } from './ensure.mjs';

ensureInstalled();
const source = join(root, 'src/cli/main.ts');
const main = existsSync(source) ? source : join(root, 'dist/cli/main.js');
// npm runs scripts in the project's folder; paths that a person types are meant from where they typed them.
const cwd = process.env.npm_lifecycle_event ? process.env.INIT_CWD : undefined;
become(findNode(), [...nodeFlags, main, ...process.argv.slice(2)], cwd ? { cwd } : {});
