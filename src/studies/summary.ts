import type { DicomElement, DicomJson } from '../base/index.ts';

/**
 * The attributes that are kept beside each instance, so that queries, gate and routes need not open files: those that
 * QIDO-RS must answer (PS3.18 tables 10.6.3-3 to -5) and those that route rules and pages look at.
 */
export const summaryTags: readonly string[] = [
  // Patient
  '00100010', // PatientName
  '00100020', // PatientID
  '00100021', // IssuerOfPatientID
  '00100024', // IssuerOfPatientIDQualifiersSequence
  '00100030', // PatientBirthDate
  '00100040', // PatientSex
  '00101010', // PatientAge
  // Study
  '00080005', // SpecificCharacterSet
  '00080020', // StudyDate
  '00080030', // StudyTime
  '00080050', // AccessionNumber
  '00080051', // IssuerOfAccessionNumberSequence
  '00080090', // ReferringPhysicianName
  '00080201', // TimezoneOffsetFromUTC
  '0020000D', // StudyInstanceUID
  '00200010', // StudyID
  '00081030', // StudyDescription
  '00081032', // ProcedureCodeSequence
  '00321064', // RequestedProcedureCodeSequence
  '00201206', // NumberOfStudyRelatedSeries
  '00201208', // NumberOfStudyRelatedInstances
  // Series
  '00080021', // SeriesDate
  '00080031', // SeriesTime
  '00080060', // Modality
  '0008103E', // SeriesDescription
  '0020000E', // SeriesInstanceUID
  '00200011', // SeriesNumber
  '00200060', // Laterality
  '00180015', // BodyPartExamined
  '00181030', // ProtocolName
  '00185101', // ViewPosition
  '00400244', // PerformedProcedureStepStartDate
  '00400245', // PerformedProcedureStepStartTime
  '00400254', // PerformedProcedureStepDescription
  '00400275', // RequestAttributesSequence
  // Equipment
  '00080070', // Manufacturer
  '00080080', // InstitutionName
  '00081010', // StationName
  '00081090', // ManufacturerModelName
  '00181000', // DeviceSerialNumber
  '00181020', // SoftwareVersions
  // Instance
  '00080008', // ImageType
  '00080016', // SOPClassUID
  '00080018', // SOPInstanceUID
  '00080022', // AcquisitionDate
  '00080023', // ContentDate
  '00080032', // AcquisitionTime
  '00080033', // ContentTime
  '00082218', // AnatomicRegionSequence
  '00180050', // SliceThickness
  '00200012', // AcquisitionNumber
  '00200013', // InstanceNumber
  '00200020', // PatientOrientation
  '00200032', // ImagePositionPatient
  '00200037', // ImageOrientationPatient
  '00200052', // FrameOfReferenceUID
  '00200062', // ImageLaterality
  '00280002', // SamplesPerPixel
  '00280004', // PhotometricInterpretation
  '00280008', // NumberOfFrames
  '00280010', // Rows
  '00280011', // Columns
  '00280030', // PixelSpacing
  '00280100', // BitsAllocated
  '00280301', // BurnedInAnnotation
  // Documents
  '0040A043', // ConceptNameCodeSequence
  '0040A491', // CompletionFlag
  '0040A493', // VerificationFlag
  '00420010', // DocumentTitle
];

/** One value longer than this is left out: a summary is for finding, the file has everything. */
const longestValue = 1024;

/** The part of a data set that is kept beside its row. */
export function summaryOf(attributes: DicomJson): DicomJson {
  const kept: Record<string, DicomElement> = {};
  for (const tag of summaryTags) {
    const element = attributes[tag];
    if (element && JSON.stringify(element).length <= longestValue * 4) kept[tag] = element;
  }
  return kept;
}

/** The first value of an element as trimmed text, '' where there is none. */
export function firstText(attributes: DicomJson, tag: string): string {
  const value = attributes[tag]?.Value?.[0];
  return typeof value === 'string' || typeof value === 'number' ? String(value).trim() : '';
}
