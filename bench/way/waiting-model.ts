/**
 * A model process that looks at each picture for a time that is given (milliseconds), using no processor, and finds two
 * things on it. `waitingModel` writes its program into a folder: the process may know nothing but what its file says.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setTimeout } from 'node:timers/promises';
import { emptyBits, setBit, type Answer, type Picture } from '../../src/base/index.ts';
import { unpack, type Order, type Reply } from '../../src/inference/protocol.ts';

export function waitingModel(folder: string, milliseconds: number): URL {
  const file = join(folder, 'waiting-model.mjs');
  writeFileSync(file, `import { serve } from ${JSON.stringify(import.meta.url)};\nserve(${milliseconds});\n`);
  return pathToFileURL(file);
}

export function serve(milliseconds: number): void {
  process.on('message', (order: Order) => void reply(order, milliseconds).then((r) => process.send!(r)));
  process.on('disconnect', () => process.exit(0));
}

async function reply(order: Order, milliseconds: number): Promise<Reply> {
  if (order.kind === 'open') return { kind: 'opened', provider: 'cpu', notices: [] };
  const [picture] = await Promise.all([unpack(order.picture), setTimeout(milliseconds)]);
  return { kind: 'answered', answers: { value: order.questions.map((q) => answer(picture, q.task)) } };
}

function answer({ stack, plane, width, height }: Picture, task: string): Answer {
  return {
    stack,
    plane,
    task,
    prompt: '',
    text: 'There is a <p>nodule</p> [SEG]. There is an <p>effusion</p> [SEG].',
    tokenIds: [],
    stop: 'end',
    masks: [0.35, 0.65].map((x) => ({ width, height, bits: disc(width, height, x * width, height / 2), score: 0.9 })),
    timingsMs: {},
  };
}

function disc(width: number, height: number, x: number, y: number): Uint8Array {
  const bits = emptyBits(width * height);
  const radius = Math.min(width, height) / 10;
  for (let r = 0; r < height; r++)
    for (let c = 0; c < width; c++) if (Math.hypot(r - y, c - x) < radius) setBit(bits, r * width + c);
  return bits;
}
