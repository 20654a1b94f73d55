/**
 * A model process that does what the prompt says instead of what a model would: `hang`, `exit 7`, `throw`, `once FILE`
 * (dies where FILE is not there yet, and makes it), else it answers with what it knows of itself as JSON.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { Picture } from '../../src/base/index.ts';
import { unpack, type Order, type Reply } from '../../src/inference/protocol.ts';

new Worker(new URL('../../src/inference/guard.ts', import.meta.url), {
  workerData: { parent: process.ppid, memoryMb: 4096 },
}).unref();

process.on('message', (order: Order) => void serve(order).then((reply) => process.send!(reply)));
process.on('disconnect', () => process.exit(0));

async function serve(order: Order): Promise<Reply> {
  if (order.kind === 'open') return { kind: 'opened', provider: 'cpu', notices: [] };
  const picture = await unpack(order.picture);
  const [what, how] = (order.questions[0]!.prompt ?? '').split(' ');
  if (what === 'hang') hang();
  if (what === 'exit') process.exit(Number(how));
  if (what === 'throw') throw new Error('the stub was told to throw');
  if (what === 'once' && !existsSync(how!)) {
    writeFileSync(how!, '');
    process.kill(process.pid, 'SIGSEGV');
    hang();
  }
  return { kind: 'answered', answers: { value: [answer(picture, order)] } };
}

/** Blocks the thread as a graph that never ends does: no timer, no message, no signal handler runs. */
function hang(): never {
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
}

function answer(picture: Picture, order: Extract<Order, { kind: 'answer' }>) {
  const self = {
    pid: process.pid,
    env: Object.keys(process.env),
    bytes: picture.rgb.length,
    first: picture.rgb[0],
    plane: picture.plane,
  };
  return {
    stack: picture.stack,
    plane: picture.plane,
    task: order.questions[0]!.task,
    prompt: order.questions[0]!.prompt ?? '',
    text: JSON.stringify(self),
    tokenIds: [],
    stop: 'end' as const,
    masks: [],
    timingsMs: {},
  };
}
