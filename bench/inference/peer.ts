import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { peers, root, runPeer } from '../../test/peers/index.ts';

/**
 * The same loop by Python's onnxruntime, models/reference/grounded/loop.py; undefined where that is not there.
 * @param args of peer.py
 */
export async function peer<T>(...args: readonly string[]): Promise<T | undefined> {
  for (const python of [process.env['MODEL_PYTHON'], peers.python]) {
    if (!python || !existsSync(python)) continue;
    const ran = await runPeer(python, ['-W', 'ignore', join(import.meta.dirname, 'peer.py'), ...args], {
      cwd: join(root, 'models/reference'),
      env: { ...process.env, PYTHONPATH: join(root, 'models/reference') },
    });
    if (ran.code === 0) return JSON.parse(ran.stdout) as T;
    if (!ran.stderr.includes('ModuleNotFoundError')) throw new Error(ran.stderr);
  }
  return undefined;
}
