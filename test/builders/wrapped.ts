/** Pictures of the training data as the DICOM objects that a microscope, an endoscope or a camera would have sent. */
import { readFileSync } from 'node:fs';
import { derivedUid } from '../../src/base/index.ts';
import { rawPart10, type RawSpec } from './dicom.ts';

/** SOP classes of visible light that the test data have no object of. */
export const lightClasses = {
  microscopic: '1.2.840.10008.5.1.4.1.1.77.1.2',
  endoscopicMultiFrame: '1.2.840.10008.5.1.4.1.1.77.1.1',
} as const;

export interface Wrapping {
  readonly sopClass: string;
  readonly modality: string;
  /** Names the study; the same name gives the same UIDs. */
  readonly study: string;
  readonly more?: readonly RawSpec[];
}

/** A baseline JPEG file as one image in JPEG Baseline (1.2.840.10008.1.2.4.50): its bytes are the fragment, unchanged. */
export function wrapJpeg(file: string, { sopClass, modality, study, more = [] }: Wrapping): Uint8Array {
  const jpeg = new Uint8Array(readFileSync(file));
  const { rows, columns, samples } = frameHeader(jpeg);
  const text = (tag: string, vr: string, value: string): RawSpec => ({ tag, vr, value });
  const word = (tag: string, value: number): RawSpec => ({ tag, vr: 'US', value: Uint8Array.of(value, value >> 8) });
  const even = jpeg.length % 2 === 0 ? jpeg : Uint8Array.of(...jpeg, 0);
  const elements = [
    text('00080008', 'CS', 'ORIGINAL\\PRIMARY'),
    text('00080016', 'UI', sopClass),
    text('00080018', 'UI', derivedUid('wrapped', study, 'instance')),
    text('00080020', 'DA', '20260105'),
    text('00080030', 'TM', '090000'),
    text('00080050', 'SH', ''),
    text('00080060', 'CS', modality),
    text('00080070', 'LO', ''),
    text('00080090', 'PN', ''),
    text('00100010', 'PN', 'WRAPPED^PICTURE'),
    text('00100020', 'LO', 'WRAPPED'),
    text('00100030', 'DA', ''),
    text('00100040', 'CS', 'O'),
    text('0020000D', 'UI', derivedUid('wrapped', study, 'study')),
    text('0020000E', 'UI', derivedUid('wrapped', study, 'series')),
    text('00200010', 'SH', ''),
    text('00200011', 'IS', '1'),
    text('00200013', 'IS', '1'),
    word('00280002', samples),
    text('00280004', 'CS', samples === 3 ? 'YBR_FULL_422' : 'MONOCHROME2'),
    ...(samples === 3 ? [word('00280006', 0)] : []),
    word('00280010', rows),
    word('00280011', columns),
    word('00280100', 8),
    word('00280101', 8),
    word('00280102', 7),
    word('00280103', 0),
    text('00282110', 'CS', '01'),
    ...more,
    { tag: '7FE00010', vr: 'OB', value: '', fragments: [new Uint8Array(), even] },
  ];
  const sorted = elements.toSorted((a, b) => (a.tag < b.tag ? -1 : 1));
  return rawPart10(sorted, { transferSyntax: '1.2.840.10008.1.2.4.50', metaClass: sopClass, identity: false });
}

/** Size and number of components from the frame header (SOF0 to SOF2) of ITU-T T.81 B.2.2. */
function frameHeader(jpeg: Uint8Array): { rows: number; columns: number; samples: number } {
  const word = (at: number): number => (jpeg[at]! << 8) | jpeg[at + 1]!;
  for (let at = 2; at < jpeg.length; at += 2 + word(at + 2)) {
    if (jpeg[at] !== 0xff) break;
    if ([0xc0, 0xc1, 0xc2].includes(jpeg[at + 1]!))
      return { rows: word(at + 5), columns: word(at + 7), samples: jpeg[at + 9]! };
  }
  throw new Error('no frame header in the JPEG file');
}
