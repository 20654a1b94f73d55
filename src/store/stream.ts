import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, read as readFd } from 'node:fs';
import { promisify } from 'node:util';

const read = promisify(readFd);

/** Most slices come in one chunk: each is a call of the system and a way to another thread and back. */
const chunkBytes = 1 << 20;

/**
 * The bytes of a file as they are asked for, each chunk the reader's own.
 * @returns by `return`: their SHA-256 (hex)
 */
export async function* streamFile(path: string): AsyncGenerator<Uint8Array, string, undefined> {
  const hash = createHash('sha256');
  // Names are looked up in this thread: that takes less than handing it over does.
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    for (let at = 0; at < size;) {
      const chunk = Buffer.allocUnsafeSlow(Math.min(chunkBytes, size - at));
      const { bytesRead } = await read(file, chunk, 0, chunk.length, at);
      if (bytesRead === 0) break;
      const filled = chunk.subarray(0, bytesRead);
      hash.update(filled);
      yield filled;
      at += bytesRead;
    }
    return hash.digest('hex');
  } finally {
    closeSync(file);
  }
}
