/** The studies that the way bench sends. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { derivedUid } from '../../src/base/index.ts';
import { inspectPart10 } from '../../src/dicom/index.ts';
import { makeImage } from '../../test/builders/dicom.ts';
import { shared, sharedPath } from '../../test/peers/index.ts';

export interface Study {
  readonly title: string;
  readonly files: readonly Uint8Array[];
}

export function realStudies(): Study[] {
  if (shared === undefined) return [];
  const folder = sharedPath('data/dicom/CT/philips-head-crop');
  const files = readdirSync(folder).map((name) => new Uint8Array(readFileSync(join(folder, name))));
  return [{ title: `CT head, ${files.length} slices`, files }];
}

export function largeStudy(): Study {
  const slices = 400;
  const files = Array.from({ length: slices }, (_, k) => slice('large', k, 512, k * 1.25));
  return { title: `CT, ${slices} slices of 512 x 512`, files };
}

export function smallStudy(name: string, i: number): Uint8Array {
  return slice(`${name} ${i}`, 0, 64, 0);
}

function slice(study: string, k: number, size: number, z: number): Uint8Array {
  return makeImage({
    study,
    instance: k,
    rows: size,
    columns: size,
    pixel: (x, y) => (Math.hypot(x - size / 2, y - size / 2) < size / 2.5 ? 1000 + ((x * 7 + y * 13 + k) % 200) : 0),
    attributes: {
      FrameOfReferenceUID: derivedUid('bench', study, 'frame'),
      ImagePositionPatient: [-200, -200, z],
      ImageOrientationPatient: [1, 0, 0, 0, 1, 0],
      PixelSpacing: [0.78, 0.78],
      SliceThickness: 1.25,
      RescaleIntercept: -1024,
      RescaleSlope: 1,
      InstanceNumber: k + 1,
    },
  });
}

/** The files under other UIDs of the same length, so that they are another study. */
export function renamed(files: readonly Uint8Array[], name: string): Uint8Array[] {
  return files.map((file) => {
    const copy = Buffer.from(file);
    const { studyUid, seriesUid, instanceUid } = inspectPart10(file);
    for (const uid of [studyUid, seriesUid, instanceUid]) {
      const other = `2.25.1${derivedUid(name, uid).slice(5)}`.slice(0, uid.length).padEnd(uid.length, '1');
      for (let at = copy.indexOf(uid); at >= 0; at = copy.indexOf(uid, at + uid.length))
        copy.write(other, at, 'latin1');
    }
    return new Uint8Array(copy);
  });
}
