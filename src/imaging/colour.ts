import { PlumblineError, type DicomJson } from '../base/index.ts';
import { number } from '../dicom/index.ts';
import type { DecodedFrame } from './decode/index.ts';
import { readPalette } from './luts.ts';

/**
 * One colour frame as 8-bit RGB (PS3.3 C.7.6.3.1.2): palettes looked up, YBR converted, deeper samples scaled.
 * YBR_RCT and YBR_ICT are transforms inside JPEG 2000, undone by its decoder: their samples are RGB here.
 * @returns [rows * columns * 3]
 * @throws PlumblineError pixel-description for a photometric interpretation that is not known
 */
export function renderColour(ds: DicomJson, decoded: DecodedFrame, where: string): Uint8Array {
  const { photometric, samples, values, bitsStored } = decoded;
  if (photometric === 'PALETTE COLOR') return lookedUp(ds, decoded, where);
  if (samples !== 3)
    throw new PlumblineError('pixel-description', `${photometric} with ${samples} sample a pixel`, { where });
  const most = 2 ** bitsStored - 1;
  const eight =
    bitsStored === 8 ? Uint8Array.from(values) : Uint8Array.from(values, (v) => Math.round((v * 255) / most));
  switch (photometric) {
    case 'RGB':
    case 'YBR_RCT':
    case 'YBR_ICT':
      return eight;
    case 'YBR_FULL':
    case 'YBR_FULL_422':
      return fromYbr(eight, fullRange);
    case 'YBR_PARTIAL_422':
    case 'YBR_PARTIAL_420':
      return fromYbr(eight, partialRange);
    default:
      throw new PlumblineError('pixel-description', `Photometric Interpretation ${photometric} is not known`, {
        where,
      });
  }
}

function lookedUp(ds: DicomJson, { values, signed }: DecodedFrame, where: string): Uint8Array {
  const palette = readPalette(ds, signed || number(ds, 'PixelRepresentation') === 1, where);
  const rgb = new Uint8Array(values.length * 3);
  palette.forEach(({ first, entries, bits }, channel) => {
    // Many writers say 16 bits and fill 8: then nothing is above 255.
    const wide = bits > 8 && entries.some((v) => v > 255);
    const most = 2 ** bits - 1;
    const table = Uint8Array.from(entries, (v) => (wide ? Math.round((v * 255) / most) : v));
    const last = table.length - 1;
    for (let i = 0; i < values.length; i++) {
      const at = values[i]! - first;
      rgb[3 * i + channel] = table[at < 0 ? 0 : at > last ? last : at]!;
    }
  });
  return rgb;
}

interface YbrRange {
  readonly black: number;
  readonly luma: number;
  readonly chroma: number;
}
const fullRange: YbrRange = { black: 0, luma: 1, chroma: 1 };
const partialRange: YbrRange = { black: 16, luma: 255 / 219, chroma: 255 / 224 };

/** Inverse of the matrix of CCIR 601-2 that PS3.3 C.7.6.3.1.2 gives. */
function fromYbr(ybr: Uint8Array, { black, luma, chroma }: YbrRange): Uint8Array {
  const rgb = new Uint8ClampedArray(ybr.length);
  for (let i = 0; i + 2 < ybr.length; i += 3) {
    const y = (ybr[i]! - black) * luma;
    const cb = (ybr[i + 1]! - 128) * chroma;
    const cr = (ybr[i + 2]! - 128) * chroma;
    rgb[i] = y + 1.402 * cr;
    rgb[i + 1] = y - ((0.114 * 1.772) / 0.587) * cb - ((0.299 * 1.402) / 0.587) * cr;
    rgb[i + 2] = y + 1.772 * cb;
  }
  return new Uint8Array(rgb.buffer);
}
