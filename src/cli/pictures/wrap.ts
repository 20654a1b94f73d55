import { derivedUid, sha256, type SourceInstance } from '../../base/index.ts';
import { dataset, inspectPart10, writePart10 } from '../../dicom/index.ts';
import type { Raster } from './raster.ts';

const secondaryCapture = '1.2.840.10008.5.1.4.1.1.7';

/**
 * A picture as a Secondary Capture (PS3.3 A.8.1) of a study of its own. Every identifier is made from the file's digest,
 * so the same file is always the same study, and each says that it is artificial. The picture's sides in the patient and
 * the size of a pixel are not known, so nothing is said of them.
 * @param modality Modality (0008,0060): what the pixels show, not how they came here
 * @param file the bytes of the picture file
 */
export function wrapPicture(raster: Raster, modality: string, file: Uint8Array): SourceInstance {
  const digest = sha256(file);
  const { width, height, channels, bits, data } = raster;
  const number = `IMAGE-FILE-${digest.slice(0, 12).toUpperCase()}`;
  const header = dataset({
    SpecificCharacterSet: 'ISO_IR 192',
    SOPClassUID: secondaryCapture,
    SOPInstanceUID: derivedUid('image-file', digest, 'instance'),
    StudyInstanceUID: derivedUid('image-file', digest, 'study'),
    SeriesInstanceUID: derivedUid('image-file', digest, 'series'),
    StudyDate: [],
    StudyTime: [],
    AccessionNumber: [],
    ReferringPhysicianName: [],
    Modality: modality,
    ConversionType: 'WSD',
    SecondaryCaptureDeviceManufacturer: 'Plumbline',
    StudyDescription: 'Image file',
    SeriesDescription: 'Image file, wrapped',
    PatientName: 'ARTIFICIAL^IMAGE FILE',
    PatientID: number,
    IssuerOfPatientID: 'PLUMBLINE-IMAGE-FILE',
    PatientBirthDate: [],
    PatientSex: [],
    StudyID: '1',
    SeriesNumber: 1,
    InstanceNumber: 1,
    ImageType: ['DERIVED', 'SECONDARY'],
    Laterality: [],
    PatientOrientation: [],
    ...(raster.lossyRatio === undefined
      ? {}
      : {
          LossyImageCompression: '01',
          LossyImageCompressionRatio: Number(raster.lossyRatio.toFixed(2)),
          LossyImageCompressionMethod: 'ISO_10918_1',
        }),
    SamplesPerPixel: channels,
    PhotometricInterpretation: channels === 3 ? 'RGB' : 'MONOCHROME2',
    ...(channels === 3 ? { PlanarConfiguration: 0 } : {}),
    Rows: height,
    Columns: width,
    BitsAllocated: bits > 8 ? 16 : 8,
    BitsStored: bits,
    HighBit: bits - 1,
    PixelRepresentation: 0,
  });
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const part10 = writePart10(header, { pixelData: { vr: bits > 8 ? 'OW' : 'OB', bytes } });
  const { attributes, dataDigest, transferSyntax, studyUid, seriesUid, instanceUid, sopClass } = inspectPart10(part10);
  const ref = {
    studyUid,
    seriesUid,
    instanceUid,
    sopClass,
    transferSyntax,
    dataDigest,
    digest: '',
    bytes: part10.length,
  };
  return { ref, attributes, load: () => Promise.resolve(part10) };
}
