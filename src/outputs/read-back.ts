import { inspectPart10, type InspectedFile } from '../dicom/index.ts';
import type { DicomObject } from './types.ts';

/**
 * A written object as its bytes read again. An object never changes, so it is read once, however many ask: that of many
 * frames takes its time.
 * @throws PlumblineError as `inspectPart10`
 */
export function readBack(object: DicomObject): InspectedFile {
  const known = read.get(object);
  if (known) return known;
  const [first, ...rest] = object.parts;
  const file = inspectPart10(first!, { rest });
  read.set(object, file);
  return file;
}

const read = new WeakMap<DicomObject, InspectedFile>();
