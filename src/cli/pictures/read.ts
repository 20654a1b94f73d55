import { readFile } from 'node:fs/promises';
import { PlumblineError, type SourceInstance } from '../../base/index.ts';
import type { Decoder } from '../../imaging/index.ts';
import type { PictureFile } from './find.ts';
import { decodeJpeg, jpegSignature } from './jpeg.ts';
import { decodePng, pngSignature } from './png.ts';
import { wrapPicture } from './wrap.ts';

/**
 * A picture file as the one instance of a study. What it is, its first bytes say, not its name.
 * @param modality Modality (0008,0060)
 * @throws PlumblineError picture-invalid, naming the file
 */
export async function readPicture(
  { path, source }: PictureFile,
  modality: string,
  decoder: Pick<Decoder, 'decode'>,
  maxPixels: number,
): Promise<SourceInstance> {
  try {
    const bytes = new Uint8Array(await readFile(path));
    const begins = (signature: readonly number[]): boolean => signature.every((byte, i) => bytes[i] === byte);
    if (begins(pngSignature)) return wrapPicture(decodePng(bytes, maxPixels), modality, bytes);
    if (begins(jpegSignature)) return wrapPicture(await decodeJpeg(bytes, decoder, maxPixels), modality, bytes);
    throw new PlumblineError('picture-invalid', 'neither PNG nor JPEG by its first bytes');
  } catch (thrown) {
    if (thrown instanceof PlumblineError)
      throw new PlumblineError(thrown.code, thrown.message, { where: source, cause: thrown });
    const { code, message } = thrown as NodeJS.ErrnoException;
    if (code === undefined) throw thrown;
    throw new PlumblineError('picture-invalid', `cannot be read: ${message}`, { where: source, cause: thrown });
  }
}
