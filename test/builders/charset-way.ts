/** Names of all character sets on their whole way: what is expected of each output, by the standards and not by our code. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { python } from '../peers/index.ts';
import { startReceiver, accepts, type Receiver } from './hl7-receiver.ts';
import { mappingsTo } from './mappings.ts';
import { serveChild, tempFolder, until, type ServedGateway } from './program.ts';
import { byGateway, wholeFiles, type Outcome, type WholeFile } from './whole-way.ts';

export interface CharsetWay {
  readonly file: WholeFile;
  /** The name that the index expects; undefined where it expects none. */
  readonly wanted: string | undefined;
  readonly outcome: Outcome;
  /** Each place where the name must stand, and whether it does. */
  readonly places: readonly { readonly place: string; readonly right: boolean; readonly shown: string }[];
}

/** Every file of `dicom-charset` by STOW-RS into a gateway that reports to two receivers of HL7 v2, one in UTF-8 and one in Latin 1. */
export async function charsetWays(): Promise<CharsetWay[]> {
  const files = await wholeFiles('dicom-charset/', { draw: true });
  const receivers = { utf8: await startReceiver(() => accepts), latin1: await startReceiver(() => accepts, 'latin1') };
  const gateway = await serveChild(configFor(receivers));
  try {
    const outcomes = await byGateway(gateway, files);
    const names = await namesByPydicom(outcomes);
    const ways: CharsetWay[] = [];
    for (const file of files) {
      const outcome = outcomes.get(file.file)!;
      ways.push(await wayOf({ gateway, file, outcome, receivers, names: names.get(file.file) ?? [] }));
    }
    return ways;
  } finally {
    await gateway.stop();
    await receivers.utf8.stop();
    await receivers.latin1.stop();
  }
}

type Receivers = Readonly<Record<'utf8' | 'latin1', Receiver>>;

function configFor(receivers: Receivers): string {
  const asked = { task: 'segment', prompt: 'Please segment the liver lesion.' };
  const to = { kind: 'hl7', timeoutSeconds: 10 };
  return JSON.stringify({
    dataDir: tempFolder('data'),
    mappingsDir: mappingsTo(['utf8', 'latin1'], asked),
    http: { port: 0 },
    gate: { quietSeconds: 0 },
    delivery: { firstPauseSeconds: 0.2, maxPauseSeconds: 1 },
    destinations: [
      { ...to, name: 'utf8', url: receivers.utf8.url },
      { ...to, name: 'latin1', url: receivers.latin1.url, hl7Charset: '8859/1' },
    ],
  });
}

interface Asked {
  readonly gateway: ServedGateway;
  readonly file: WholeFile;
  readonly outcome: Outcome;
  readonly receivers: Receivers;
  /** Objects with the name that stands in each. */
  readonly names: readonly (readonly [string, string])[];
}

async function wayOf({ gateway, file, outcome, receivers, names }: Asked): Promise<CharsetWay> {
  // Trailing empty groups of a name may be left out (PS3.5 6.2.1.1).
  const wanted = file.text?.PatientName?.replace(/=+$/, '') ?? undefined;
  if (!outcome.done || wanted === undefined) return { file, wanted, outcome, places: [] };
  const groups = wanted.split('=');
  const readable = groups.map(humanName).filter((g) => g !== '');
  const text = async (part: string): Promise<string> => new TextDecoder().decode(await outcome.read(part));
  const places = [
    ...names.map(([place, shown]) => ({ place, shown, right: shown === wanted })),
    ...['fhir-r4.json', 'fhir-r5.json'].map((place) => ({ place, text: text(place) })).map(async (f) => {
      const shown = await f.text;
      return { place: f.place, shown: 'another', right: shown.includes(JSON.stringify(readable[0] ?? '')) };
    }), // prettier-ignore
    text('report.html').then((page) => ({
      place: 'page',
      shown: 'another',
      right: readable.every((g) => page.includes(g)),
    })),
    oruPlace(gateway, file, 'ORU in UTF-8', 'utf8', receivers.utf8, groups),
    oruPlace(gateway, file, 'ORU in Latin 1', 'latin1', receivers.latin1, groups),
  ];
  return { file, wanted, outcome, places: await Promise.all(places) };
}

/** As a person reads it: family, then the rest. */
function humanName(name: string): string {
  const [family = '', ...rest] = name.split('^').map((part) => part.trim());
  const others = rest.filter((part) => part !== '').join(' ');
  return others === '' ? family : `${family}, ${others}`;
}

/** Patient names of all objects that were written, by file. */
async function namesByPydicom(outcomes: ReadonlyMap<string, Outcome>): Promise<Map<string, [string, string][]>> {
  const dir = tempFolder('objects');
  const objects: { readonly file: string; readonly name: string; readonly path: string }[] = [];
  for (const [file, outcome] of outcomes)
    for (const name of outcome.written.filter((n) => n.endsWith('.dcm'))) {
      const path = join(dir, `${file}-${name}`);
      writeFileSync(path, await outcome.read(name));
      objects.push({ file, name, path });
    }
  const script = `
import json, sys, pydicom
print(json.dumps([str(pydicom.dcmread(p, stop_before_pixels=True).PatientName) for p in sys.argv[1:]]))
`;
  const paths = objects.map((o) => o.path);
  const ran = await python(script, paths);
  if (ran.code !== 0) throw new Error(ran.stderr);
  const names = JSON.parse(ran.stdout) as string[];
  const byFile = new Map<string, [string, string][]>();
  for (const [i, { file, name }] of objects.entries())
    byFile.set(file, [...(byFile.get(file) ?? []), [name, names[i]!]]);
  return byFile;
}

/** PID-5 of the report at one receiver; or the hold, where its character set has not all letters. */
async function oruPlace(
  gateway: ServedGateway,
  { studyUid }: WholeFile,
  place: string,
  destination: string,
  receiver: Receiver,
  groups: readonly string[],
): Promise<CharsetWay['places'][number]> {
  const end = await until(async () => {
    const message = receiver.messages.find((m) => m.includes(`|${studyUid}`));
    if (message !== undefined) return message;
    const timeline = await (await fetch(`${gateway.url}/api/studies/${studyUid}`)).text();
    return new RegExp(`${destination}: held[^"]*`).exec(timeline)?.[0];
  }, `the report of ${studyUid} at ${destination}`); // prettier-ignore
  const fits = destination === 'utf8' || groups.every((g) => /^[\0-\xff]*$/.test(g));
  if (!fits) return { place: `${place} (held: letters that it has not)`, right: end.includes(': held'), shown: end };
  const charset = end.split('\r')[0]!.split('|')[17];
  const shown = end.split('\r').find((s) => s.startsWith('PID'))?.split('|')[5] ?? end; // prettier-ignore
  const right = charset === (destination === 'utf8' ? 'UNICODE UTF-8' : '8859/1') && shown === groups.map(xpn).filter((g) => g !== '').join('~'); // prettier-ignore
  return { place, right, shown };
}

/** A group of a DICOM name (PS3.5 6.2: family, given, middle, prefix, suffix) as XPN (HL7 2.5.1 2.A.88): suffix before prefix, type L, representation. */
function xpn(group: string, i: number): string {
  if (group === '') return '';
  const [family = '', given = '', middle = '', prefix = '', suffix = ''] = group.split('^').map((p) => p.trim());
  return [family, given, middle, suffix, prefix, '', 'L', 'AIP'[i]].join('^');
}
