/** What SEG and SR have in common: who the patient is, who wrote, when, and how references are listed. */
import { derivedUid, PlumblineError, type Code, type DicomJson, type Stack } from '../base/index.ts';
import { dataset, decimalString, items, tagOf, text, texts, writePart10 } from '../dicom/index.ts';
import type { EncodingInput } from './types.ts';

export const segmentationStorage = '1.2.840.10008.5.1.4.1.1.66.4';
export const comprehensiveSr = '1.2.840.10008.5.1.4.1.1.88.33';
export const comprehensive3dSr = '1.2.840.10008.5.1.4.1.1.88.34';

/** An instance that an object of ours refers to. */
export interface Reference {
  readonly studyUid: string;
  readonly seriesUid: string;
  readonly instanceUid: string;
  readonly sopClass: string;
}

/** @throws PlumblineError encoding-invalid where the caller did not hand over the attributes of a source instance */
export function sourceOf(input: EncodingInput, instanceUid: string): DicomJson {
  const source = input.sources.get(instanceUid);
  if (source) return source;
  throw new PlumblineError('encoding-invalid', `no attributes of source instance ${instanceUid} were given`, {
    where: instanceUid,
  });
}

/** The instance from which a stack's patient, study and equipment attributes are copied. */
export function firstSource(input: EncodingInput, stack: Stack): DicomJson {
  return sourceOf(input, stack.planes[0]!.instanceUid);
}

export function referenceOf(input: EncodingInput, stack: Stack, instanceUid: string, sopClass: string): Reference {
  return { studyUid: input.draft.studyUid, seriesUid: stack.seriesUid, instanceUid, sopClass };
}

/**
 * UID of one of our objects. The key holds the input and the bundle; with the mapping and the destination's profile it
 * holds everything that the bytes depend on, so one UID never stands for two contents.
 */
export function objectUid(input: EncodingInput, role: 'seg' | 'sr', index: number, part: string): string {
  const { strictBinary = false, planes2d = 'viewer2d-min', srClass = 'comprehensive-3d' } = input.profile;
  const usual = !strictBinary && planes2d === 'viewer2d-min' && srClass === 'comprehensive-3d';
  const profile = usual ? [] : [`${String(strictBinary)} ${planes2d} ${srClass}`];
  return derivedUid(input.draft.key, input.draft.version, input.draft.mappingDigest, role, index, part, ...profile);
}

// — copied from the source —

/** Type 2 of the Patient and General Study modules (PS3.3 C.7.1.1, C.7.2.1): written empty where the source has none. */
const required = [
  ...['PatientName', 'PatientID', 'PatientBirthDate', 'PatientSex'],
  ...['StudyDate', 'StudyTime', 'ReferringPhysicianName', 'StudyID', 'AccessionNumber'],
] as const;

/** Patient, General Study, Patient Study and Clinical Trial attributes that are copied where the source has them. */
const optional = [
  // Patient, C.7.1.1
  ...['IssuerOfPatientID', 'IssuerOfPatientIDQualifiersSequence', 'TypeOfPatientID', 'PatientBirthTime'],
  ...['OtherPatientIDsSequence', 'OtherPatientNames', 'EthnicGroup', 'PatientComments', 'QualityControlSubject'],
  ...['PatientSpeciesDescription', 'PatientSpeciesCodeSequence', 'PatientBreedDescription'],
  ...['PatientBreedCodeSequence', 'BreedRegistrationSequence', 'ResponsiblePerson', 'ResponsiblePersonRole'],
  ...['ResponsibleOrganization'],
  // General Study, C.7.2.1
  ...['StudyDescription', 'IssuerOfAccessionNumberSequence', 'ProcedureCodeSequence', 'PhysiciansOfRecord'],
  ...['ReferringPhysicianIdentificationSequence', 'ConsultingPhysicianName', 'RequestingService'],
  // Patient Study, C.7.2.2
  ...['AdmittingDiagnosesDescription', 'AdmittingDiagnosesCodeSequence', 'PatientAge', 'PatientSize'],
  ...['PatientWeight', 'Occupation', 'AdditionalPatientHistory', 'PatientSexNeutered', 'AdmissionID'],
  ...['IssuerOfAdmissionIDSequence', 'ServiceEpisodeID', 'ServiceEpisodeDescription', 'MedicalAlerts', 'Allergies'],
  ...['SmokingStatus', 'PregnancyStatus', 'LastMenstrualDate', 'PatientState'],
  // Clinical Trial Subject and Study, C.7.1.3, C.7.2.3
  ...['ClinicalTrialSponsorName', 'ClinicalTrialProtocolID', 'ClinicalTrialProtocolName', 'ClinicalTrialSiteID'],
  ...['ClinicalTrialSiteName', 'ClinicalTrialSubjectID', 'ClinicalTrialSubjectReadingID'],
  ...['ClinicalTrialProtocolEthicsCommitteeName', 'ClinicalTrialProtocolEthicsCommitteeApprovalNumber'],
  ...['ClinicalTrialTimePointID', 'ClinicalTrialTimePointDescription'],
] as const;

/**
 * Patient and study as the source says, text as it is there. An illegal optional value (an age of `45`) is left out,
 * an illegal date, time, sex, study id or accession number (some archives hold longer ones than SH takes) becomes empty,
 * since the UIDs tie the objects to their study; the patient's name and id are never altered.
 * @throws PlumblineError text-unencodable where the patient's name or id cannot be copied
 */
export function patientAndStudy(source: DicomJson): DicomJson {
  const copied: { [tag: string]: DicomJson[string] } = {
    ...copyLegal(source, optional),
    ...deidentification(source),
    ...dataset({ StudyInstanceUID: text(source, 'StudyInstanceUID') }),
  };
  for (const keyword of required) {
    const tag = tagOf(keyword);
    const element = source[tag];
    const legal = element !== undefined && isWritable({ [tag]: element });
    if (element && !legal && (keyword === 'PatientName' || keyword === 'PatientID'))
      throw unusableIdentity(source, keyword);
    copied[tag] = legal ? element : dataset({ [keyword]: [] })[tag]!;
  }
  return copied;
}

/** Nothing is written for a patient whose name or id would have to be altered. */
function unusableIdentity(source: DicomJson, keyword: string): PlumblineError {
  const where = text(source, 'SOPInstanceUID');
  return new PlumblineError(
    'text-unencodable',
    `${keyword} of the source breaks the rules of its value representation`,
    {
      where,
      remedy: 'Correct it at the source and send the study again: it cannot be copied into a legal object.',
    },
  );
}

/** Whether the source's value of an attribute may stand in an object of ours. */
export function isLegal(source: DicomJson, keyword: string): boolean {
  const tag = tagOf(keyword);
  const element = source[tag];
  return element === undefined || isWritable({ [tag]: element });
}

/** Who removed the identity is told as the source tells it; one of the two methods is needed then (PS3.3 C.7.1.1). */
function deidentification(source: DicomJson): DicomJson {
  const methods = copyLegal(source, ['DeidentificationMethod', 'DeidentificationMethodCodeSequence']);
  if (text(source, 'PatientIdentityRemoved') !== 'YES') return {};
  const described = Object.keys(methods).length > 0;
  return {
    ...methods,
    ...dataset({
      PatientIdentityRemoved: 'YES',
      ...(!described && { DeidentificationMethod: 'Not described in the source image' }),
    }),
  };
}

/** Those attributes that the source has with a legal, non-empty value. */
export function copyLegal(source: DicomJson, keywords: readonly string[]): DicomJson {
  const copied: { [tag: string]: DicomJson[string] } = {};
  for (const keyword of keywords) {
    const tag = tagOf(keyword);
    const element = source[tag];
    if (element?.Value?.length && isWritable({ [tag]: element })) copied[tag] = element;
  }
  return copied;
}

/** Whether the writer takes the elements: what a source has wrong in an optional attribute is not carried on. */
function isWritable(elements: DicomJson): boolean {
  const dates = Object.values(elements).filter((e) => e.vr === 'DA');
  if (dates.some((e) => !e.Value?.every((v) => isDate(String(v))))) return false;
  try {
    writePart10({ ...elements, ...dataset({ SOPClassUID: segmentationStorage, SOPInstanceUID: '2.25.1' }) });
    return true;
  } catch (thrown) {
    if (thrown instanceof PlumblineError && /^(encoding-invalid|text-unencodable)$/.test(thrown.code)) return false;
    throw thrown;
  }
}

/** `YYYYMMDD` of a day that exists; some sources write 00000000. */
export function isDate(value: string): boolean {
  const [, year, month, day] = /^(\d{4})(\d\d)(\d\d)$/.exec(value) ?? [];
  const moment = new Date(`${year}-${month}-${day}T00:00:00Z`);
  return !Number.isNaN(moment.getTime()) && moment.getUTCDate() === Number(day);
}

// — who, when —

/** Date and time of the draft in the time zone of the source, which holds for every date of the object (PS3.3 C.12.1). */
export interface When {
  readonly date: string;
  readonly time: string;
  readonly dateTime: string;
  /** As the source says; undefined where it does not, and then our times are UTC. */
  readonly offset: string | undefined;
}

export function whenOf(input: EncodingInput, source: DicomJson): When {
  const said = text(source, 'TimezoneOffsetFromUTC');
  const [, sign, hours, minutes] = /^([+-])(\d\d)(\d\d)$/.exec(said) ?? [];
  const shift = hours ? (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) : 0;
  const moment = new Date(Date.parse(input.draft.createdAt) + shift * 60_000);
  const [day = '', clock = ''] = moment.toISOString().slice(0, 19).split('T');
  const date = day.replaceAll('-', '');
  const time = clock.replaceAll(':', '');
  return { date, time, dateTime: `${date}${time}${hours ? said : '+0000'}`, offset: hours ? said : undefined };
}

/** Enhanced General Equipment and SOP Common (PS3.3 C.7.5.2, C.12.1). */
export function writtenBy(input: EncodingInput, sopClass: string, instanceUid: string, when: When): DicomJson {
  const { site, draft } = input;
  const versions = [site.gatewayVersion, draft.bundle.version, draft.mappingDigest.slice(0, 16)];
  return dataset({
    SpecificCharacterSet: 'ISO_IR 192',
    InstanceCreationDate: when.date,
    InstanceCreationTime: when.time,
    SOPClassUID: sopClass,
    SOPInstanceUID: instanceUid,
    ...(when.offset && { TimezoneOffsetFromUTC: when.offset }),
    Manufacturer: 'Plumbline',
    InstitutionName: plain(site.organization, 64),
    ManufacturerModelName: plain(draft.bundle.name, 64),
    DeviceSerialNumber: plain(site.installationId, 64),
    SoftwareVersions: versions.map((v) => plain(v, 64)),
    ContributingEquipmentSequence: [
      dataset({
        Manufacturer: 'Plumbline',
        InstitutionName: plain(site.organization, 64),
        ManufacturerModelName: plain(draft.bundle.name, 64),
        DeviceSerialNumber: plain(site.installationId, 64),
        SoftwareVersions: versions.map((v) => plain(v, 64)),
        ContributionDateTime: when.dateTime,
        ContributionDescription: 'AI draft, not verified by a person',
        PurposeOfReferenceCodeSequence: [codeItem(dcm('109102', 'Processing Equipment'))],
      }),
    ],
  });
}

/** `AI plumbline-tiny SEG (draft)`, LO of at most 64 characters. */
export function seriesDescription(input: EncodingInput, kind: 'SEG' | 'SR', more = ''): string {
  const tail = ` ${kind} (draft)${more}`;
  return `${plain(`AI ${input.draft.bundle.name}`, 64 - tail.length)}${tail}`;
}

/** 7001 SEG, 7002 SR, and ten more for each later version of the draft. */
export function seriesNumber(input: EncodingInput, kind: 'SEG' | 'SR'): number {
  return (kind === 'SEG' ? 7001 : 7002) + 10 * (input.draft.version - 1);
}

// — small things —

export function dcm(value: string, meaning: string): Code {
  return { value, scheme: 'DCM', meaning };
}

export function sct(value: string, meaning: string): Code {
  return { value, scheme: 'SCT', meaning };
}

/** Item of a code sequence (PS3.3 Table 8.8-1); a value of more than 16 characters goes to Long Code Value. */
export function codeItem(code: {
  readonly value: string;
  readonly scheme: string;
  readonly meaning: string;
}): DicomJson {
  return dataset({
    [code.value.length > 16 ? 'LongCodeValue' : 'CodeValue']: code.value,
    CodingSchemeDesignator: code.scheme,
    CodeMeaning: plain(code.meaning, 64),
  });
}

/** Text for SH, LO and the like: no backslash or control character, single spaces, at most `length` characters. */
export function plain(value: string, length: number): string {
  const clean = value.replace(/[\\\u0000-\u001f\u007f]/g, ' ').replace(/ +/g, ' ').trim(); // prettier-ignore
  return [...clean].slice(0, length).join('').trim();
}

/** The nearest number that a Decimal String of 16 characters holds. */
export function decimal(value: number): number {
  return Number(decimalString(value));
}

/** References by series, in the order of first mention, without duplicates (PS3.3 Table 10-4). */
export function bySeries(
  references: readonly Reference[],
): { readonly seriesUid: string; readonly instances: Reference[] }[] {
  const series = new Map<string, Map<string, Reference>>();
  for (const r of references) {
    const instances = series.get(r.seriesUid) ?? new Map<string, Reference>();
    series.set(r.seriesUid, instances.set(r.instanceUid, r));
  }
  return [...series].map(([seriesUid, instances]) => ({ seriesUid, instances: [...instances.values()] }));
}

export function referenceItem(reference: { readonly sopClass: string; readonly instanceUid: string }): DicomJson {
  return dataset({ ReferencedSOPClassUID: reference.sopClass, ReferencedSOPInstanceUID: reference.instanceUid });
}

/** Lossy compression is a fact of the source that derived objects repeat (PS3.3 C.7.6.1.1.5). */
export function lossyChain(sources: readonly DicomJson[]): DicomJson {
  const lossy = sources.find((s) => text(s, 'LossyImageCompression') === '01');
  if (!lossy) return dataset({ LossyImageCompression: '00' });
  const [ratios, methods] = [texts(lossy, 'LossyImageCompressionRatio'), texts(lossy, 'LossyImageCompressionMethod')];
  const chain = copyLegal(lossy, ['LossyImageCompressionRatio', 'LossyImageCompressionMethod']);
  return { ...dataset({ LossyImageCompression: '01' }), ...(ratios.length === methods.length ? chain : {}) };
}

/** First item of a functional group: the frame's own, else the shared one (PS3.3 C.7.6.16). */
export function functionalGroup(source: DicomJson, frame: number | undefined, keyword: string): DicomJson | undefined {
  const own = frame === undefined ? undefined : items(source, 'PerFrameFunctionalGroupsSequence')[frame - 1];
  const shared = items(source, 'SharedFunctionalGroupsSequence')[0];
  return (own && items(own, keyword)[0]) ?? (shared && items(shared, keyword)[0]);
}
