/** A picture file, decoded: what a person would see of it, with its own number of bits. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  /** Grey or RGB. */
  readonly channels: 1 | 3;
  /** Bits of a sample: 8, or up to 16. */
  readonly bits: number;
  /** [height, width, channels] */
  readonly data: Uint8Array | Uint16Array;
  /** Where it came from a lossy file: uncompressed size over size. */
  readonly lossyRatio?: number;
}

/** The eight orientations of Exif 2.32 tag 0112: where the first row and the first column of the file belong. */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

/** The picture turned and mirrored as its Exif orientation asks; 1 is as stored. */
export function oriented(raster: Raster, orientation: Orientation): Raster {
  if (orientation === 1) return raster;
  const { width, height, channels, data } = raster;
  const turned = orientation >= 5;
  const [w, h] = turned ? [height, width] : [width, height];
  const out = new (data.constructor as Uint8ArrayConstructor)(data.length) as Raster['data'];
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      // Where in the file the pixel shown at (x, y) lies.
      const [u, v] = turned ? [y, x] : [x, y];
      const column = [2, 3, 7, 8].includes(orientation) ? width - 1 - u : u;
      const row = [3, 4, 6, 7].includes(orientation) ? height - 1 - v : v;
      for (let c = 0; c < channels; c++) out[(y * w + x) * channels + c] = data[(row * width + column) * channels + c]!;
    }
  }
  return { ...raster, width: w, height: h, data: out };
}

/**
 * Orientation of an Exif block (TIFF 6.0 structure): IFD0, tag 0112. 1 where there is none or its value is none.
 * @param tiff from the byte order mark on
 */
export function exifOrientation(tiff: Uint8Array): Orientation {
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  if (tiff.length < 8) return 1;
  const little = view.getUint16(0) === 0x4949;
  const ifd = view.getUint32(4, little);
  if (ifd + 2 > tiff.length) return 1;
  const entries = view.getUint16(ifd, little);
  for (let i = 0; i < entries && ifd + 2 + 12 * (i + 1) <= tiff.length; i++) {
    const at = ifd + 2 + 12 * i;
    if (view.getUint16(at, little) !== 0x0112) continue;
    const value = view.getUint16(at + 8, little);
    return value >= 1 && value <= 8 ? (value as Orientation) : 1;
  }
  return 1;
}
