import { derivedUid } from '../../base/index.ts';
import { dataset, writePart10, type DatasetInput } from '../../dicom/index.ts';
import { ctVolume, demoSeeds, phantom } from './phantoms.ts';

/** One synthetic study of the demo: what it is, in words, and its Part 10 files. */
export interface DemoStudy {
  readonly title: string;
  /** Its modality in small letters; ends up in the patient's number and the UIDs. */
  readonly kind: string;
  readonly studyUid: string;
  readonly files: readonly Uint8Array[];
}

interface Common {
  readonly kind: string;
  readonly modality: string;
  readonly sopClass: string;
  readonly description: string;
  readonly bodyPart: string;
  readonly patient: string;
}

const day = '20260105';

/**
 * Four studies made of drawn phantoms: nobody's pictures. The same UIDs each time, so that a second demo into the same
 * folder shows duplicates, not copies.
 */
export function demoStudies(): DemoStudy[] {
  return [ctStudy(), usStudy(), dxStudy(), dermStudy()];
}

function ctStudy(): DemoStudy {
  const common: Common = {
    kind: 'ct',
    modality: 'CT',
    sopClass: '1.2.840.10008.5.1.4.1.1.2',
    description: 'CT Abdomen',
    bodyPart: 'ABDOMEN',
    patient: 'DEMO^ABDOMEN',
  };
  const volume = ctVolume(demoSeed.ct, 12);
  const spacing = 1.4;
  const step = 5;
  const files = volume.map((slice, i) => {
    // Grey 0..255 is the window W 400 C 40, stored with intercept -1024 like a scanner does.
    const stored = Uint16Array.from({ length: slice.width * slice.height }, (_, p) =>
      Math.round((slice.rgb[p * 3]! / 255) * 400 - 160 + 1024),
    );
    return instance(common, i, slice.height, slice.width, stored, {
      ImageType: ['ORIGINAL', 'PRIMARY', 'AXIAL'],
      FrameOfReferenceUID: derivedUid('demo', common.kind, 'frame'),
      PositionReferenceIndicator: '',
      ImageOrientationPatient: [1, 0, 0, 0, 1, 0],
      ImagePositionPatient: [(-slice.width * spacing) / 2, (-slice.height * spacing) / 2, i * step],
      PixelSpacing: [spacing, spacing],
      SliceThickness: step,
      KVP: 120,
      PatientPosition: 'HFS',
      RescaleIntercept: -1024,
      RescaleSlope: 1,
      RescaleType: 'HU',
      WindowCenter: 40,
      WindowWidth: 400,
      AcquisitionNumber: 1,
    });
  });
  const studyUid = derivedUid('demo', common.kind, 'study');
  return { title: 'CT abdomen, 12 slices', kind: common.kind, studyUid, files };
}

function usStudy(): DemoStudy {
  const common: Common = {
    kind: 'us',
    modality: 'US',
    sopClass: '1.2.840.10008.5.1.4.1.1.6.1',
    description: 'Ultrasound',
    bodyPart: 'BREAST',
    patient: 'DEMO^ULTRASOUND',
  };
  const picture = phantom('us', demoSeed.us);
  const region = dataset({
    RegionSpatialFormat: 1,
    RegionDataType: 1,
    RegionFlags: 0,
    RegionLocationMinX0: 0,
    RegionLocationMinY0: 0,
    RegionLocationMaxX1: picture.width - 1,
    RegionLocationMaxY1: picture.height - 1,
    PhysicalUnitsXDirection: 3,
    PhysicalUnitsYDirection: 3,
    PhysicalDeltaX: 0.02,
    PhysicalDeltaY: 0.02,
  });
  const file = instance(common, 0, picture.height, picture.width, picture.rgb, {
    ImageType: ['ORIGINAL', 'PRIMARY'],
    SequenceOfUltrasoundRegions: [region],
    PatientOrientation: [],
    LossyImageCompression: '00',
  });
  return one(common, 'ultrasound, one image', file);
}

function dxStudy(): DemoStudy {
  const common: Common = {
    kind: 'dx',
    modality: 'DX',
    sopClass: '1.2.840.10008.5.1.4.1.1.1.1',
    description: 'Chest PA',
    bodyPart: 'CHEST',
    patient: 'DEMO^CHEST',
  };
  const picture = phantom('xray', demoSeed.xray);
  const stored = Uint16Array.from({ length: picture.width * picture.height }, (_, p) =>
    Math.round((picture.rgb[p * 3]! / 255) * 4095),
  );
  const file = instance(common, 0, picture.height, picture.width, stored, {
    ImageType: ['ORIGINAL', 'PRIMARY', ''],
    PresentationIntentType: 'FOR PRESENTATION',
    PatientOrientation: ['L', 'F'],
    ImagerPixelSpacing: [1.4, 1.4],
    PixelIntensityRelationship: 'LIN',
    PixelIntensityRelationshipSign: -1,
    RescaleIntercept: 0,
    RescaleSlope: 1,
    RescaleType: 'US',
    PresentationLUTShape: 'IDENTITY',
    WindowCenter: 2048,
    WindowWidth: 4096,
    BurnedInAnnotation: 'NO',
    LossyImageCompression: '00',
    ImageLaterality: 'U',
    DetectorType: '',
    AcquisitionContextSequence: [],
    AnatomicRegionSequence: [dataset({ CodeValue: '51185008', CodingSchemeDesignator: 'SCT', CodeMeaning: 'Chest' })],
  });
  return one(common, 'chest radiograph', file);
}

function dermStudy(): DemoStudy {
  const common: Common = {
    kind: 'xc',
    modality: 'XC',
    sopClass: '1.2.840.10008.5.1.4.1.1.77.1.4',
    description: 'Dermoscopy',
    bodyPart: 'SKIN',
    patient: 'DEMO^SKIN',
  };
  const picture = phantom('derm', demoSeed.derm);
  const file = instance(common, 0, picture.height, picture.width, picture.rgb, {
    ImageType: ['ORIGINAL', 'PRIMARY'],
    PatientOrientation: [],
    LossyImageCompression: '00',
    AcquisitionContextSequence: [],
    BurnedInAnnotation: 'NO',
  });
  return one(common, 'dermoscopy photograph', file);
}

/** The first of the seeds whose phantom the demonstration bundle reads rightly (test/golden holds that). */
const demoSeed = {
  ct: demoSeeds.ctVolume[0]!.seed,
  us: demoSeeds.us[0]!.seed,
  xray: demoSeeds.xray[1]!.seed,
  derm: demoSeeds.derm[0]!.seed,
};

/** A study of one image. */
function one({ kind }: Common, title: string, file: Uint8Array): DemoStudy {
  return { title, kind, studyUid: derivedUid('demo', kind, 'study'), files: [file] };
}

function instance(
  common: Common,
  index: number,
  rows: number,
  columns: number,
  pixels: Uint8Array | Uint16Array,
  more: DatasetInput,
): Uint8Array {
  const colour = pixels instanceof Uint8Array;
  const header = dataset({
    SpecificCharacterSet: 'ISO_IR 192',
    SOPClassUID: common.sopClass,
    SOPInstanceUID: derivedUid('demo', common.kind, 'instance', index),
    StudyInstanceUID: derivedUid('demo', common.kind, 'study'),
    SeriesInstanceUID: derivedUid('demo', common.kind, 'series'),
    StudyDate: day,
    StudyTime: '100000',
    SeriesDate: day,
    SeriesTime: '100000',
    ContentDate: day,
    ContentTime: '100000',
    AcquisitionDateTime: `${day}100000`,
    AccessionNumber: `DEMO-${common.kind.toUpperCase()}`,
    Modality: common.modality,
    Manufacturer: 'Plumbline phantom',
    ManufacturerModelName: 'drawn by code',
    DeviceSerialNumber: '1',
    SoftwareVersions: '1',
    ReferringPhysicianName: [],
    StudyDescription: common.description,
    SeriesDescription: `${common.description} (phantom)`,
    PatientName: common.patient,
    PatientID: `DEMO-${common.kind.toUpperCase()}`,
    IssuerOfPatientID: 'PLUMBLINE-DEMO',
    PatientBirthDate: '19700101',
    PatientSex: 'O',
    BodyPartExamined: common.bodyPart,
    StudyID: '1',
    SeriesNumber: 1,
    InstanceNumber: index + 1,
    SamplesPerPixel: colour ? 3 : 1,
    PhotometricInterpretation: colour ? 'RGB' : 'MONOCHROME2',
    ...(colour ? { PlanarConfiguration: 0 } : {}),
    Rows: rows,
    Columns: columns,
    BitsAllocated: colour ? 8 : 16,
    BitsStored: colour ? 8 : 12,
    HighBit: colour ? 7 : 11,
    PixelRepresentation: 0,
    ...more,
  });
  const bytes = new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength);
  return writePart10(header, { pixelData: { vr: colour ? 'OB' : 'OW', bytes } });
}
