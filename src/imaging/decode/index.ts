// Frames of Part 10 files to stored values, in a worker that can be stopped. (Part of the imaging room.)
export { createDecoder, type Decoder, type DecoderOptions } from './decoder.ts';
export type { DecodedFrame, StoredValues } from './pixels.ts';
