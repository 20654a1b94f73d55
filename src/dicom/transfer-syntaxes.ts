/** What the program needs to know of a transfer syntax (PS3.5 annex A, PS3.6 annex A). */
export interface TransferSyntax {
  readonly name: string;
  /** How the data set is written. */
  readonly encoding: 'implicit' | 'explicit' | 'explicit-big' | 'deflated';
  /** Pixel Data is a sequence of fragments. */
  readonly encapsulated: boolean;
  /** Decoding may not give the values that were acquired. */
  readonly lossy: boolean;
  /** Plumbline can decode its frames. */
  readonly readable: boolean;
  /** The fragments are one video stream. */
  readonly video: boolean;
}

/** UID to what is known of it; undefined for one that Plumbline can not even parse. */
export function transferSyntax(uid: string): TransferSyntax | undefined {
  return transferSyntaxes.get(uid);
}

export const implicitLittle = '1.2.840.10008.1.2';
export const explicitLittle = '1.2.840.10008.1.2.1';

const root = '1.2.840.10008.1.2';

function native(name: string, encoding: TransferSyntax['encoding']): TransferSyntax {
  return { name, encoding, encapsulated: false, lossy: false, readable: true, video: false };
}
function lossless(name: string): TransferSyntax {
  return { name, encoding: 'explicit', encapsulated: true, lossy: false, readable: true, video: false };
}
function lossy(name: string): TransferSyntax {
  return { ...lossless(name), lossy: true };
}
function unreadable(name: string): TransferSyntax {
  return { ...lossless(name), lossy: true, readable: false };
}
function video(name: string): TransferSyntax {
  return { ...unreadable(name), video: true };
}

const videos = [
  ['100', 'MPEG2 Main Profile / Main Level'],
  ['101', 'MPEG2 Main Profile / High Level'],
  ['102', 'MPEG-4 AVC/H.264 High Profile / Level 4.1'],
  ['103', 'MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1'],
  ['104', 'MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video'],
  ['105', 'MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video'],
  ['106', 'MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2'],
] as const;

/** All transfer syntaxes of the table, by UID. */
export const transferSyntaxes: ReadonlyMap<string, TransferSyntax> = new Map<string, TransferSyntax>([
  [root, native('Implicit VR Little Endian', 'implicit')],
  [`${root}.1`, native('Explicit VR Little Endian', 'explicit')],
  [`${root}.1.98`, lossless('Encapsulated Uncompressed Explicit VR Little Endian')],
  [`${root}.1.99`, native('Deflated Explicit VR Little Endian', 'deflated')],
  [`${root}.2`, native('Explicit VR Big Endian', 'explicit-big')],
  [`${root}.4.50`, lossy('JPEG Baseline (Process 1)')],
  [`${root}.4.51`, lossy('JPEG Extended (Process 2 and 4)')],
  [`${root}.4.53`, lossy('JPEG Spectral Selection, Non-Hierarchical (Process 6 and 8)')],
  [`${root}.4.55`, lossy('JPEG Full Progression, Non-Hierarchical (Process 10 and 12)')],
  [`${root}.4.57`, lossless('JPEG Lossless, Non-Hierarchical (Process 14)')],
  [`${root}.4.70`, lossless('JPEG Lossless, Non-Hierarchical, First-Order Prediction')],
  [`${root}.4.80`, lossless('JPEG-LS Lossless')],
  [`${root}.4.81`, lossy('JPEG-LS Lossy (Near-Lossless)')],
  [`${root}.4.90`, lossless('JPEG 2000 (Lossless Only)')],
  [`${root}.4.91`, lossy('JPEG 2000')],
  [`${root}.4.92`, unreadable('JPEG 2000 Part 2 Multi-component (Lossless Only)')],
  [`${root}.4.93`, unreadable('JPEG 2000 Part 2 Multi-component')],
  [`${root}.4.94`, { ...unreadable('JPIP Referenced'), encapsulated: false }],
  [`${root}.4.110`, lossless('JPEG XL Lossless')],
  [`${root}.4.111`, lossy('JPEG XL JPEG Recompression')],
  [`${root}.4.112`, lossy('JPEG XL')],
  [`${root}.4.201`, lossless('High-Throughput JPEG 2000 (Lossless Only)')],
  [`${root}.4.202`, lossless('High-Throughput JPEG 2000 with RPCL Options (Lossless Only)')],
  [`${root}.4.203`, lossy('High-Throughput JPEG 2000')],
  [`${root}.4.204`, { ...unreadable('JPIP HTJ2K Referenced'), encapsulated: false }],
  [`${root}.5`, lossless('RLE Lossless')],
  [`${root}.8.1`, lossless('Deflated Image Frame Compression')],
  ...videos.flatMap(([n, name]): [string, TransferSyntax][] => [
    [`${root}.4.${n}`, video(name)],
    [`${root}.4.${n}.1`, video(`Fragmentable ${name}`)],
  ]),
  [`${root}.4.107`, video('HEVC/H.265 Main Profile / Level 5.1')],
  [`${root}.4.108`, video('HEVC/H.265 Main 10 Profile / Level 5.1')],
]);
