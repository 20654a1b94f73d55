// Stage 4: a Draft becomes SEG, SR, FHIR R4 and R5 and a report page, and the gate checks that they say the same.
// It never changes a draft and never sends anything; data in, bytes out, the same bytes each time.
// Main type: EncodingSet.
export { encodeSeg } from './seg.ts';
export { encodeSr } from './sr.ts';
export { readBack } from './read-back.ts';
export { checkDicom } from './consistency-dicom.ts';
export { dicomChecks } from './consistency-rules.ts';
export type * from './types.ts';
export { encodeFhirR4 } from './fhir-r4.ts';
export { encodeFhirR5 } from './fhir-r5.ts';
export { encodePreview, encodePreviewInTurns } from './preview.ts';
export {
  pictureSides,
  pixelAspect,
  renderKeyPicture,
  type KeyPictureOptions,
  type OutlinedMask,
} from './key-picture.ts';
export { checkFhir } from './consistency-fhir.ts';
export { fhirChecks } from './consistency-fhir-rules.ts';
export { encodeOru, oruControlId } from './oru.ts';
export { checkOru } from './consistency-oru.ts';
export { oruChecks } from './consistency-oru-rules.ts';
