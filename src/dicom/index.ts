// The DICOM format: Part 10 bytes to attributes in the DICOM JSON Model and back, names of tags, character sets.
// It never decodes pixels and knows nothing of studies, models or reports.
// Main type: DicomJson (in base).
export {
  attributesOf,
  bulkValue,
  dataHash,
  dataHashFrom,
  inspectPart10,
  type InspectedFile,
  type InspectOptions,
  type PixelLocation,
} from './inspect.ts';
export { createInspector, type Inspector } from './inspector.ts';
export { look, type SeenFile } from './look.ts';
export { sparseBytes, type Need, type SparseBytes } from './sparse.ts';
export { readFrames, type EncodedFrames } from './frames.ts';
export {
  bytesOf,
  codeOf,
  has,
  items,
  number,
  numbers,
  personName,
  text,
  texts,
  type PersonNameValue,
} from './attributes.ts';
export { isKeyword, keywordOf, tagOf, vrOf, vrOfTag } from './dictionary.ts';
export { dataset, element, elementOfVr, splitName, type DatasetInput, type ElementValue } from './dataset.ts';
export { decimalString } from './decimal.ts';
export { part10Parts, writePart10, type WriteOptions } from './write.ts';
export { illegalValues } from './check.ts';
export {
  implementationClassUid,
  implementationVersionName,
  part10FromDataset,
  part10Head,
  splitPart10,
  type MetaInput,
} from './meta.ts';
export { isMultiFrameClass, isNotStorable, sopClass, sopClasses, type SopClass } from './sop-classes.ts';
export { transferSyntax, transferSyntaxes, type TransferSyntax } from './transfer-syntaxes.ts';
export type { Fragment } from './parse.ts';
export { storeStatus } from './store-status.ts';
