import { cpSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { sharedPath } from '../peers/index.ts';

/** At least one study of every modality folder of the shared data that holds images. */
export const realStudies: Readonly<Record<string, string>> = {
  'CT head': 'dicom/CT/philips-head-crop',
  'CT with gantry tilt': 'dicom/CT/ge-tilt-crop',
  'CT body in JPEG 2000': 'dicom/CT/body-j2k-repaired',
  'MR double oblique': 'dicom/MR/double-oblique',
  'enhanced MR': 'dicom/MR/enhanced-xa10-6f.dcm',
  'CR MONOCHROME1': 'dicom/CR/mono1-10bit-j2k.dcm',
  'DX 12 bit': 'dicom/DX/mono1-12bit-quarter.dcm',
  'US RGB': 'dicom/US/rgb.dcm',
  'US cine': 'dicom/US/multiframe-jpeg-30f.dcm',
  'NM frames': 'dicom/NM/heart-13f.dcm',
  'PET slice': 'dicom/PT/pet-168.dcm',
  'OP colour': 'dicom/OP/fundus-colour.dcm',
  'OPT volume': 'dicom/OPT/oct-synthetic-8f.dcm',
  'whole-slide tiles': 'dicom/SM/ihc',
  'MG 12 bit': 'dicom/MG/mammo-third-jpegll.dcm',
  'ES still': 'dicom/ES/endoscopy-1.dcm',
  'XC dermoscopy': 'dicom/XC/dermoscopy-1.dcm',
  'XA run': 'dicom/XA/run-32f.dcm',
  'SC capture': 'dicom/SC/overlay.dcm',
};

/** Copy them below a folder, each under its name. */
export function copyRealStudies(to: string): void {
  for (const [name, path] of Object.entries(realStudies)) {
    const from = sharedPath('data', path);
    const folder = join(to, name);
    mkdirSync(folder);
    cpSync(from, statSync(from).isDirectory() ? folder : join(folder, 'image'), { recursive: true });
  }
}
