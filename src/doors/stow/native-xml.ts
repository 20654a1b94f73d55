import type { DicomElement, DicomJson } from '../../base/index.ts';
import { keywordOf } from '../../dicom/index.ts';

/** A data set in the Native DICOM Model (PS3.19 A.1). Written for answers: text, numbers, UIDs and sequences. */
export function nativeXml(dataset: DicomJson): string {
  const space = 'xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM" xml:space="preserve"';
  return `<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel ${space}>${attributes(dataset)}</NativeDicomModel>\n`;
}

function attributes(dataset: DicomJson): string {
  const tags = Object.keys(dataset).sort();
  return tags.map((tag) => attribute(tag, dataset[tag]!)).join('');
}

function attribute(tag: string, element: DicomElement): string {
  const keyword = keywordOf(tag);
  const values = (element.Value ?? []).map((v, i) => value(element.vr, v, i + 1)).join('');
  return `<DicomAttribute tag="${tag}" vr="${element.vr}"${keyword ? ` keyword="${keyword}"` : ''}>${values}</DicomAttribute>`;
}

function value(vr: string, v: unknown, number: number): string {
  if (vr === 'SQ') return `<Item number="${number}">${attributes(v as DicomJson)}</Item>`;
  return `<Value number="${number}">${escapeXml(String(v))}</Value>`;
}

function escapeXml(text: string): string {
  const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  // Control characters but tab and line ends cannot stand in XML 1.0 at all.
  return text.replaceAll(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, '\ufffd').replaceAll(/[&<>"]/g, (c) => names[c]!);
}
