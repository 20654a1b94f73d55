/** Our side of the SEG bench: the masks in memory, then a turn for each line. `node ours.ts SEGMENTS FILE` */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { chunksOf, joined, type Parts } from '../../src/base/index.ts';
import { encodeSeg } from '../../src/outputs/index.ts';
import { study500 } from './study.ts';

const [segments, file] = [Number(process.argv[2]), process.argv[3]!];
const { input } = study500(segments);
const masks = [...input.masks.values()].flatMap((own) => own.map((p) => p.bits));
console.log(masks.reduce((n, bits) => n + bits.length, 0));

const turns: Readonly<Record<string, () => Promise<unknown>>> = {
  encode: () => write(encodeSeg(input)[0]!.parts),
  copy: async () => joined(masks),
  write: () => write(masks),
};

for await (const line of createInterface({ input: process.stdin })) {
  await rm(file, { force: true });
  gc!();
  const before = memory('VmRSS');
  writeFileSync('/proc/self/clear_refs', '5');
  const begun = performance.now();
  await turns[line]!();
  const ms = performance.now() - begun;
  console.log(ms, statSync(file, { throwIfNoEntry: false })?.size ?? 0, memory('VmHWM') - before);
}

async function write(parts: Parts): Promise<void> {
  const handle = await open(file, 'w');
  for (const chunk of chunksOf(parts)) await handle.write(chunk);
  await handle.close();
}

/** Of this process, bytes (Linux). */
function memory(name: 'VmRSS' | 'VmHWM'): number {
  return 1024 * Number(new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))![1]);
}
