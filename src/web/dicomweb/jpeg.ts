import { Context, NativeCodecs } from 'dcmjs-codecs';
import type { Picture } from '../../base/index.ts';

/** An RGB picture as baseline JPEG, quality 90. */
export async function encodeJpeg({
  width,
  height,
  rgb,
}: Pick<Picture, 'width' | 'height' | 'rgb'>): Promise<Uint8Array> {
  if (!NativeCodecs.isInitialized()) await NativeCodecs.initializeAsync({ logCodecsInfo: false });
  const context = new Context({
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
  const { encodedBuffer } = NativeCodecs.encodeJpeg(context, { lossy: true, quality: 90 }) as {
    encodedBuffer?: Uint8Array;
  };
  return encodedBuffer ?? context.getEncodedBuffer()!;
}
