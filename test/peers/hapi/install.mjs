// Puts the HAPI FHIR validators where test/peers/hapi.ts looks for them. Needs Java 17 (with javac), Maven and Maven Central.
import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const here = import.meta.dirname;

/**
 * Copy the jars that pom.xml names to `<cacheDir>/hapi/lib`, compile Validate.java to `<cacheDir>/hapi/classes`, and write
 * the file `ready` last, so that a broken-off installation never looks like a whole one. About 90 jars, 170 MB.
 * @param {string} cacheDir
 * @returns {Promise<void>}
 */
export async function installHapi(cacheDir) {
  const target = join(cacheDir, 'hapi');
  const lib = join(target, 'lib');
  const classes = join(target, 'classes');
  await rm(join(target, 'ready'), { force: true });
  await rm(lib, { recursive: true, force: true });
  await mkdir(classes, { recursive: true });
  const options = { maxBuffer: 1 << 26 };
  await run('mvn', ['-q', '-B', '-f', join(here, 'pom.xml'), 'dependency:copy-dependencies', `-DoutputDirectory=${lib}`], options);
  await run('javac', ['-encoding', 'UTF-8', '-cp', join(lib, '*'), '-d', classes, join(here, 'Validate.java')], options);
  await writeFile(join(target, 'ready'), `${new Date().toISOString()}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await installHapi(process.env.PLUMBLINE_PEER_CACHE ?? join(homedir(), '.cache', 'plumbline-peers'));
}
