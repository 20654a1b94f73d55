import type { DicomJson } from '../base/index.ts';
import { codeOf, items, number, text } from '../dicom/index.ts';
import type { DicomObject } from './types.ts';

/** What the SR says of one finding with a mask (a Measurement Group of TID 1410 or 1411). */
export interface GroupSaid {
  readonly numbers: readonly { readonly code: string; readonly value: number | undefined; readonly unit: string }[];
  /** Laterality code values anywhere in the group. */
  readonly sides: readonly string[];
  readonly texts: readonly string[];
}

export interface SrSaid {
  /** By Tracking Unique Identifier. */
  readonly groups: ReadonlyMap<string, GroupSaid>;
  /** Every TEXT value of the document. */
  readonly texts: ReadonlySet<string>;
  /** CODE items as `concept=value`, each with its scheme. */
  readonly codes: readonly string[];
}

const children = (item: DicomJson) => items(item, 'ContentSequence');
const token = (item: DicomJson | undefined) => {
  const code = codeOf(item);
  return code ? `${code.scheme}|${code.value}` : '';
};
const conceptOf = (item: DicomJson) => token(items(item, 'ConceptNameCodeSequence')[0]);
const valueOf = (item: DicomJson) => token(items(item, 'ConceptCodeSequence')[0]);

/** Read the content tree of an SR for comparison with other encodings (concepts of PS3.16 TID 1500). */
export function srSaid({ dataset }: DicomObject): SrSaid {
  const all = descendants(dataset);
  const groups = all.filter((i) => conceptOf(i) === 'DCM|125007');
  return {
    groups: new Map(groups.map((g) => [trackingUid(g), groupSaid(g)])),
    texts: new Set(all.filter((i) => text(i, 'ValueType') === 'TEXT').map((i) => text(i, 'TextValue'))),
    codes: all.filter((i) => text(i, 'ValueType') === 'CODE').map((i) => `${conceptOf(i)}=${valueOf(i)}`),
  };
}

function trackingUid(group: DicomJson): string {
  const item = children(group).find((i) => conceptOf(i) === 'DCM|112040');
  return item ? text(item, 'UID') : '';
}

function groupSaid(group: DicomJson): GroupSaid {
  const inside = descendants(group);
  return {
    numbers: inside.filter((i) => text(i, 'ValueType') === 'NUM').map(numberSaid),
    sides: inside.filter((i) => conceptOf(i) === 'SCT|272741003').map(valueOf),
    texts: inside.filter((i) => text(i, 'ValueType') === 'TEXT').map((i) => text(i, 'TextValue')),
  };
}

function numberSaid(item: DicomJson) {
  const measured = items(item, 'MeasuredValueSequence')[0];
  return {
    code: conceptOf(item),
    value: measured && number(measured, 'NumericValue'),
    unit: measured ? token(items(measured, 'MeasurementUnitsCodeSequence')[0]) : '',
  };
}

function descendants(item: DicomJson): DicomJson[] {
  return children(item).flatMap((c) => [c, ...descendants(c)]);
}

/** Tracking UID by segment number. */
export function segSaid({ dataset }: DicomObject): ReadonlyMap<number, string> {
  return new Map(
    items(dataset, 'SegmentSequence').map((s) => [number(s, 'SegmentNumber') ?? 0, text(s, 'TrackingUID')]),
  );
}
