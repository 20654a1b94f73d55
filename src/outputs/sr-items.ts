/** Content items of a Structured Report (PS3.3 C.17.3), one function per value type. */
import type { Code, DicomJson } from '../base/index.ts';
import { dataset } from '../dicom/index.ts';
import { codeItem, decimal, referenceItem, type Reference } from './dicom-common.ts';

export type Relationship = 'CONTAINS' | 'HAS OBS CONTEXT' | 'HAS CONCEPT MOD' | 'HAS ACQ CONTEXT' | 'HAS PROPERTIES';

/** @param template identifier of the DCMR template whose rows the children follow */
export function container(
  relationship: Relationship | undefined,
  concept: Code,
  children: readonly DicomJson[],
  template?: string,
): DicomJson {
  const templateItem = template && dataset({ MappingResource: 'DCMR', TemplateIdentifier: template });
  return {
    ...head(relationship, 'CONTAINER', concept),
    ...dataset({
      ContinuityOfContent: 'SEPARATE',
      ...(templateItem && { ContentTemplateSequence: [templateItem] }),
    }),
    ...below(children),
  };
}

export function codeContent(
  relationship: Relationship,
  concept: Code,
  value: { readonly value: string; readonly scheme: string; readonly meaning: string },
  children: readonly DicomJson[] = [],
): DicomJson {
  return {
    ...head(relationship, 'CODE', concept),
    ...dataset({ ConceptCodeSequence: [codeItem(value)] }),
    ...below(children),
  };
}

export function textContent(
  relationship: Relationship,
  concept: Code,
  value: string,
  children: readonly DicomJson[] = [],
): DicomJson {
  return { ...head(relationship, 'TEXT', concept), ...dataset({ TextValue: value }), ...below(children) };
}

export function uidContent(relationship: Relationship, concept: Code, uid: string): DicomJson {
  return { ...head(relationship, 'UIDREF', concept), ...dataset({ UID: uid }) };
}

/** A number never has children: some viewers then show neither it nor its label. */
export function numContent(relationship: Relationship, concept: Code, value: number, unit: Code): DicomJson {
  const measured = dataset({
    MeasurementUnitsCodeSequence: [codeItem(unit)],
    NumericValue: decimal(value),
  });
  return { ...head(relationship, 'NUM', concept), ...dataset({ MeasuredValueSequence: [measured] }) };
}

/** @param part frames or segments of the instance, 1-based; the whole of it where none is named */
export function imageContent(
  relationship: Relationship,
  concept: Code | undefined,
  reference: Reference,
  part: { readonly frames?: readonly number[]; readonly segment?: number } = {},
  children: readonly DicomJson[] = [],
): DicomJson {
  const item = {
    ...referenceItem(reference),
    ...dataset({
      ...(part.frames?.length && { ReferencedFrameNumber: part.frames }),
      ...(part.segment !== undefined && { ReferencedSegmentNumber: part.segment }),
    }),
  };
  return { ...head(relationship, 'IMAGE', concept), ...dataset({ ReferencedSOPSequence: [item] }), ...below(children) };
}

function head(relationship: Relationship | undefined, valueType: string, concept: Code | undefined): DicomJson {
  return dataset({
    ...(relationship && { RelationshipType: relationship }),
    ValueType: valueType,
    ...(concept && { ConceptNameCodeSequence: [codeItem(concept)] }),
  });
}

function below(children: readonly DicomJson[]): DicomJson {
  return children.length > 0 ? dataset({ ContentSequence: children }) : {};
}
