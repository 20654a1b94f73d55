import { inflateRawSync } from 'node:zlib';
import { PlumblineError } from '../base/index.ts';
import type { Need } from './sparse.ts';

/**
 * The data set of a deflated file (PS3.5 A.5), which begins at `dataStart`.
 *
 * A deflated data set has to be inflated as a whole before its lengths can be proved, so it is the one kind of object whose
 * size in memory is its own. Images shrink to a half or a third, blank segmentations to a hundredth; what grows beyond that
 * is made to fill the memory.
 * @throws PlumblineError `dicom-damaged`, `inflated-too-large`
 */
export function inflateDataset(file: Uint8Array, dataStart: number, need: Need): Uint8Array {
  if (file.length > mostInflated) throw inflatedTooLarge();
  need(0, file.length);
  const deflated = file.subarray(dataStart);
  const plausible = Math.max(64 << 20, deflated.length * 100);
  try {
    return inflateRawSync(deflated, { maxOutputLength: Math.min(plausible, mostInflated) });
  } catch (e) {
    if ((e as { code?: string }).code !== 'ERR_BUFFER_TOO_LARGE')
      throw new PlumblineError('dicom-damaged', 'the deflated bytes can not be inflated: broken stream', { cause: e });
    if (plausible >= mostInflated) throw inflatedTooLarge(e);
    throw new PlumblineError('dicom-damaged', `${deflated.length} deflated bytes inflate to more than ${plausible}`, {
      cause: e,
    });
  }
}

/** Bytes of a data set, deflated and inflated. */
const mostInflated = 128 << 20;

function inflatedTooLarge(cause?: unknown): PlumblineError {
  return new PlumblineError('inflated-too-large', `the deflated data set has more than ${mostInflated} bytes`, {
    cause,
  });
}
