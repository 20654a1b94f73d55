/**
 * The model's process. It takes one order at a time, remembers what it saw of the last pictures, and opens no socket. While a graph
 * runs, nothing else does in this thread, so whatever must stop it stands outside: the parent's deadline, and guard.ts.
 */
import { Worker } from 'node:worker_threads';
import { asPlumblineError } from '../base/index.ts';
import { openModel, type Model } from './loop.ts';
import { carry, unpack, type Order, type Reply } from './protocol.ts';

const [folder, memoryMb] = process.argv.slice(2) as [string, string];
const guard = new Worker(new URL(`./guard${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url), {
  workerData: { parent: process.ppid, memoryMb: Number(memoryMb) },
});
guard.unref();

let model: Model | undefined;
let answers = 0;

process.on('message', (order: Order) => {
  void serve(order).then(reply, (e: unknown) => {
    const { code, message, where } = asPlumblineError(e);
    reply({ kind: 'failed', code, message, ...(where === undefined ? {} : { where }) });
  });
});
process.on('disconnect', () => process.exit(0));

async function serve(order: Order): Promise<Reply> {
  if (order.kind === 'open') {
    model = await openModel(order.dir, order.manifest, order.options);
    return { kind: 'opened', provider: model.provider, notices: model.notices };
  }
  const picture = await unpack(order.picture);
  const said = await model!.ask(picture, order.questions);
  return { kind: 'answered', answers: await carry(said, folder, `answer-${process.pid}-${answers++}`) };
}

function reply(message: Reply): void {
  process.send!(message);
}
