import type { Context, NativeCodecs } from 'dcmjs-codecs';
import type { Picture } from '../../base/index.ts';

/** An RGB picture as baseline JPEG, quality 90. */
export async function encodeJpeg({
  width,
  height,
  rgb,
}: Pick<Picture, 'width' | 'height' | 'rgb'>): Promise<Uint8Array> {
  const codecs = await loadCodecs();
  const context = new codecs.Context({
    width,
    height,
    bitsAllocated: 8,
    bitsStored: 8,
    samplesPerPixel: 3,
    pixelRepresentation: 0,
    planarConfiguration: 0,
    photometricInterpretation: 'RGB',
    decodedBuffer: rgb,
  });
  return codecs.NativeCodecs.encodeJpeg(context, { lossy: true, quality: 90 }).getEncodedBuffer()!;
}

interface Codecs {
  readonly NativeCodecs: typeof NativeCodecs;
  readonly Context: typeof Context;
}
let loaded: Promise<Codecs> | undefined;

/** Loaded with the first picture: 15 MB that most servers never need. A CommonJS package: Node gives it as `default`. */
function loadCodecs(): Promise<Codecs> {
  loaded ??= import('dcmjs-codecs').then(async (imported: unknown) => {
    const found = (imported as { default?: Codecs }).default ?? (imported as Codecs);
    await found.NativeCodecs.initializeAsync();
    return found;
  });
  return loaded;
}
