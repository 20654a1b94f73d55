import { sha256 } from '../base/index.ts';
import { inspectPart10, type InspectedFile } from './inspect.ts';

/** What a door needs to know of a file: its names, its attributes and both digests. */
export type SeenFile = Omit<InspectedFile, 'pixel' | 'undecodable'> & {
  /** SHA-256 (hex) of the whole file. */
  readonly digest: string;
};

/** As `inspectPart10` with `undecodable: 'mark'`, and the file hashed. @throws PlumblineError as `inspectPart10` */
export function look(file: Uint8Array): SeenFile {
  const { pixel: _pixel, undecodable: _undecodable, ...seen } = inspectPart10(file, { undecodable: 'mark' });
  return { ...seen, digest: sha256(file) };
}
