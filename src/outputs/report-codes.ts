import type { CodeableConcept } from '../fhir/index.ts';

/** LOINC codes of DICOM CID 7000 (Diagnostic Imaging Report Document Title), by modality and body part. */
const codes: Readonly<Record<string, { readonly any: Title; readonly parts?: Readonly<Record<string, Title>> }>> = {
  CT: {
    any: ['25045-6', 'CT Report'],
    parts: {
      CHEST: ['24627-2', 'CT Chest Report'],
      ABDOMEN: ['41806-1', 'CT Abdomen Report'],
      HEAD: ['24725-4', 'CT Head Report'],
      BRAIN: ['24725-4', 'CT Head Report'],
    },
  },
  MR: {
    any: ['25056-3', 'MRI Report'],
    parts: {
      HEAD: ['24590-2', 'MRI Head Report'],
      BRAIN: ['24590-2', 'MRI Head Report'],
      SPINE: ['18756-7', 'MRI Spine Report'],
      CSPINE: ['18756-7', 'MRI Spine Report'],
      TSPINE: ['18756-7', 'MRI Spine Report'],
      LSPINE: ['18756-7', 'MRI Spine Report'],
    },
  },
  US: {
    any: ['25061-3', 'Ultrasound Report'],
    parts: {
      BREAST: ['24601-7', 'US Breast Report'],
      THYROID: ['25010-0', 'US Thyroid Report'],
      LIVER: ['28614-6', 'US Liver Report'],
    },
  },
  CR: { any: ['43468-8', 'X-Ray Report'] },
  DX: { any: ['43468-8', 'X-Ray Report'] },
  MG: { any: ['24606-6', 'Mammography Screening Report'] },
  NM: { any: ['49118-3', 'Nuclear Medicine Report'] },
  PT: { any: ['44136-0', 'PET Scan Report'] },
};
type Title = readonly [code: string, meaning: string];
const fallback: Title = ['18748-4', 'Diagnostic Imaging Report'];

/** The kind of report: of one modality its own title, of several or of an unlisted one the general title. */
export function reportCode(modalities: readonly string[], bodyPart: string): CodeableConcept {
  const [modality] = modalities;
  const entry = modalities.length === 1 ? codes[modality!] : undefined;
  const [code, display] = entry?.parts?.[bodyPart] ?? entry?.any ?? fallback;
  return { coding: [{ system: 'http://loinc.org', code, display }] };
}

/** Whether a LOINC code is a title of the table. */
export function isReportCode(code: string): boolean {
  const titles = Object.values(codes).flatMap(({ any, parts }) => [any, ...Object.values(parts ?? {})]);
  return [fallback, ...titles].some((title) => title[0] === code);
}

/** HL7 v2 table 0074 (Diagnostic Service Section ID). */
const sections: Readonly<Record<string, string>> = {
  CT: 'CT',
  MR: 'NMR',
  US: 'RUS',
  IVUS: 'VUS',
  CR: 'RX',
  DX: 'RX',
  MG: 'RX',
  RF: 'RX',
  XA: 'XRC',
  NM: 'NMS',
  PT: 'NMS',
  SM: 'SP',
};

export function reportCategories(modalities: readonly string[]): CodeableConcept[] {
  const found = [...new Set(modalities.map((m) => sections[m] ?? 'OTH'))];
  return found.map((code) => ({ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0074', code }] }));
}
