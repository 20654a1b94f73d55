// Puts HAPI's FHIR validators and server, and its HL7 v2 parser, where test/peers/hapi.ts looks for them. Needs Java 17 (with javac), Maven and
// Maven Central.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const here = import.meta.dirname;

/** About 110 jars with 180 MB, and 7 with 5 MB. */
const folders = {
  hapi: { from: here, classes: ['Validate.java', 'Serve.java'] },
  'hapi-v2': { from: join(here, 'v2'), classes: ['Hl7.java'] },
};

/** @param {string} cacheDir @returns {Promise<void>} */
export async function installHapi(cacheDir) {
  for (const [name, { from, classes }] of Object.entries(folders)) await install(join(cacheDir, name), from, classes);
}

/**
 * Copy the jars that pom.xml names to `<target>/lib` and compile the classes to `<target>/classes`. The file
 * `ready` holds a digest of what it was made from: with the same one nothing is done. All is made beside the old folder
 * and then takes its place, so that a broken-off installation never looks like a whole one.
 * @param {string} target @param {string} from @param {string[]} classes
 * @returns {Promise<void>}
 */
async function install(target, from, classes) {
  const stamp = await digestOf(from, ['pom.xml', ...classes]);
  if ((await readFile(join(target, 'ready'), 'utf8').catch(() => '')) === stamp) return; // not there: not yet installed
  const fresh = `${target}-${process.pid}`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(join(fresh, 'classes'), { recursive: true });
  const options = { maxBuffer: 1 << 26 };
  const lib = join(fresh, 'lib');
  await run('mvn', ['-q', '-B', '-f', join(from, 'pom.xml'), 'dependency:copy-dependencies', `-DoutputDirectory=${lib}`], options);
  const sources = classes.map((name) => join(from, name));
  await run('javac', ['-encoding', 'UTF-8', '-cp', join(lib, '*'), '-d', join(fresh, 'classes'), ...sources], options);
  await writeFile(join(fresh, 'ready'), stamp);
  const old = `${fresh}-old`;
  await rename(target, old).catch(() => undefined); // the first installation replaces nothing
  await rename(fresh, target);
  await rm(old, { recursive: true, force: true });
}

async function digestOf(from, names) {
  const hash = createHash('sha256');
  for (const name of names) hash.update(await readFile(join(from, name)));
  return hash.digest('hex');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await installHapi(process.env.PLUMBLINE_PEER_CACHE ?? join(homedir(), '.cache', 'plumbline-peers'));
}
