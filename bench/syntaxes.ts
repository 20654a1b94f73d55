/**
 * Every transfer syntax and character set of the test data through the whole program: `npm run bench -- syntaxes`.
 *
 * Each file is copied as a study of its own (test/peers/relabel.py) and goes in by `plumbline run` and by STOW-RS. Its frames
 * are decoded and compared with the digest of the index; its names are looked for in everything that is written. One row a
 * file, written to conformance/syntaxes.md. Exit code 1 where an answer is worse than asked.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { charsetWays } from '../test/builders/charset-way.ts';
import { syntaxWays } from '../test/builders/syntax-way.ts';
import { missing, root } from '../test/peers/index.ts';

async function main(): Promise<void> {
  if (missing('shared', 'python')) throw new Error('needs the shared test data and the Python peers');
  const syntaxes = await syntaxWays();
  const charsets = await charsetWays();
  const worse = [
    ...syntaxes.flatMap((w) => (w.worse === undefined ? [] : [`${w.file.file}: ${w.worse}`])),
    ...charsets.flatMap((w) => w.places.filter((p) => !p.right).map((p) => `${w.file.file}: ${p.place}: ${p.shown}`)),
    ...charsets.flatMap((w) => (w.wanted !== undefined && !w.outcome.done ? [`${w.file.file}: ${w.outcome.code}`] : [])),
  ]; // prettier-ignore
  const text = [
    head,
    ...table('Transfer syntaxes', syntaxNote, ['file', 'asked', 'decoded', 'run', 'STOW-RS, gateway', 'written', 'given back'], syntaxes.map((w) => [w.file.file, w.asked, w.decoded, w.run, w.gateway, w.written, w.givenBack])),
    ...table('Character sets', charsetNote, ['file', 'asked', 'answered'], charsets.map((w) => [w.file.file, w.wanted ?? w.file.text?.note ?? 'no name: the bytes are not of the declared set', answered(w)])),
  ].join('\n'); // prettier-ignore
  writeFileSync(join(root, 'conformance/syntaxes.md'), `${text.trimEnd()}\n`);
  console.log(worse.length === 0 ? 'Every answer is as asked.' : `Worse than asked:\n${worse.join('\n')}`);
  process.exitCode = worse.length === 0 ? 0 : 1;
}

const head = `# Transfer syntaxes and character sets: what each file asks, and what it gets

Printed by \`npm run bench -- syntaxes\`, which ends with 1 where an answer is worse than asked. Each file of the published test data
is a study of its own here: it has UIDs and a patient number of its own, the rest is as published.
`;

const syntaxNote = `*decoded*: \`digest\` means that the stored values are those of the index, byte for byte. Lossy streams whose decoders round differently
are compared with a second decoder [test: test/unit/imaging/decode.test.ts › JPEG of 12 bits is within 1 of DCMTK]. *done*: read to its end, with everything that is
written. A code: held by that name ([docs/errors.md](../docs/errors.md), [docs/warnings.md](../docs/warnings.md)). *given back*: what WADO-RS gives of it
in its own transfer syntax. A codec that fails or hangs is replaced, and the next frame decodes
[test: test/unit/imaging/decode-damaged.test.ts › decodes on after a codec has failed] [test: test/unit/imaging/decode-damaged.test.ts › is stopped when a frame takes too long, and a new one goes on].`;

const charsetNote = `Names as pydicom reads them in SEG and SR, in the FHIR Bundles, on the report page, and in PID-5 of the ORU^R01 that two receivers got,
one in UTF-8 and one in Latin 1, each read by its MSH-18. Each file was given a picture that can be read, its text untouched
[test: test/flow/charsets.test.ts › are right in SEG, SR, FHIR, ORU and on the page, for each file that has one].`;

function answered({ outcome, places, wanted }: Awaited<ReturnType<typeof charsetWays>>[number]): string {
  if (!outcome.done) return `held: ${outcome.code}`;
  if (wanted === undefined) return 'read';
  const wrong = places.filter((p) => !p.right).map((p) => p.place);
  return wrong.length > 0 ? `another in ${wrong.join(', ')}` : `that name in ${places.map((p) => p.place).join(', ')}`;
}

function table(
  title: string,
  note: string,
  columns: readonly string[],
  rows: readonly (readonly string[])[],
): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [`## ${title}`, '', note, '', line(columns), `|${'---|'.repeat(columns.length)}`, ...rows.map(line), ''];
}

/** Text that a table of Markdown shows as it is. */
function cell(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('|', '\\|').replaceAll('<', '&lt;').replace(/[\r\n]+/g, ' ');
} // prettier-ignore

await main();
