import { PlumblineError, type DicomJson, type Window } from '../base/index.ts';
import { has, items, number, numbers, text } from '../dicom/index.ts';
import type { DecodedFrame } from './decode/index.ts';
import type { FrameGroups } from './frame-groups.ts';
import { applyLut, lutName, readLut } from './luts.ts';

/** A window in place of the image's own. */
export interface GreyWindow extends Window {
  /** Window function; LINEAR where absent. */
  readonly shape?: 'LINEAR' | 'LINEAR_EXACT';
  /** What people call it. */
  readonly said?: string;
}

/**
 * One grey frame as 8-bit values, dark to bright as a person would see it: modality LUT or rescale, VOI LUT or window,
 * inversion (PS3.3 C.11.1, C.11.2, C.7.6.3.1.2, C.11.6).
 * @param frame 0-based, for the functional groups of multi-frame images
 * @returns grey [rows * columns] and how it was made, for people
 * @throws PlumblineError pixel-description where a table or a rescale value cannot be used
 */
export function renderGrey(
  ds: DicomJson,
  groups: FrameGroups,
  frame: number,
  decoded: DecodedFrame,
  route: GreyWindow | undefined,
  where: string,
): { readonly grey: Uint8Array; readonly window: string } {
  const modality = modalityTransform(ds, groups, frame, decoded.signed, where);
  const padding = paddingTest(ds, decoded.signed);
  const voi = voiTransform(ds, groups, frame, decoded, modality, padding, route, where);
  const inverted = isInverted(ds, decoded.photometric);
  const show = (stored: number): number => {
    if (padding?.(stored)) return 0;
    const v = Math.round(clamp(voi.apply(modality.apply(stored))));
    return inverted ? 255 - v : v;
  };
  return { grey: mapped(decoded.values, show), window: voi.text };
}

function clamp(v: number): number {
  return v < 0 ? 0 : v > 255 ? 255 : v;
}

/** Every value through `show`; by a table where there are fewer possible values than pixels. */
function mapped(values: DecodedFrame['values'], show: (stored: number) => number): Uint8Array {
  const grey = new Uint8Array(values.length);
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    const v = values[i]!;
    if (v < low) low = v;
    if (v > high) high = v;
  }
  if (values instanceof Float32Array || high - low > 65535) {
    for (let i = 0; i < values.length; i++) grey[i] = show(values[i]!);
    return grey;
  }
  const table = new Uint8Array(Math.max(0, high - low + 1));
  for (let v = low; v <= high; v++) table[v - low] = show(v);
  for (let i = 0; i < values.length; i++) grey[i] = table[values[i]! - low]!;
  return grey;
}

/** MONOCHROME1, or a presentation LUT shape of INVERSE, which say the same thing (PS3.3 C.11.6.1.2). */
function isInverted(ds: DicomJson, photometric: string): boolean {
  return photometric === 'MONOCHROME1' || text(ds, 'PresentationLUTShape') === 'INVERSE';
}

/** Tests whether a stored value is padding (PS3.3 C.7.5.1.1.2). */
function paddingTest(ds: DicomJson, signed: boolean): ((stored: number) => boolean) | undefined {
  const value = number(ds, 'PixelPaddingValue');
  if (value === undefined) return undefined;
  const word = (v: number): number => (signed ? (v & 0xffff) - ((v & 0x8000) << 1) : v & 0xffff);
  const one = word(value);
  const other = word(number(ds, 'PixelPaddingRangeLimit') ?? value);
  const [low, high] = one < other ? [one, other] : [other, one];
  return (stored) => stored >= low && stored <= high;
}

interface Modality {
  readonly apply: (stored: number) => number;
  readonly identity: boolean;
  /** Outputs may be below zero. */
  readonly signed: boolean;
}

function modalityTransform(
  ds: DicomJson,
  groups: FrameGroups,
  frame: number,
  signed: boolean,
  where: string,
): Modality {
  const item = items(ds, 'ModalityLUTSequence')[0];
  if (item) {
    const lut = readLut(item, 'LUTDescriptor', 'LUTData', signed, where);
    return { apply: (v) => applyLut(lut, v), identity: false, signed: false };
  }
  const holder = groups.holder(frame, 'PixelValueTransformationSequence', 'RescaleSlope');
  if (!holder) return { apply: (v) => v, identity: true, signed };
  const slope = number(holder, 'RescaleSlope');
  const intercept = has(holder, 'RescaleIntercept') ? number(holder, 'RescaleIntercept') : 0;
  if (slope === undefined || slope === 0 || intercept === undefined)
    throw new PlumblineError(
      'pixel-description',
      `Rescale Slope "${text(holder, 'RescaleSlope')}" and Intercept "${text(holder, 'RescaleIntercept')}" make no values`,
      { where },
    );
  return {
    apply: (v) => v * slope + intercept,
    identity: slope === 1 && intercept === 0,
    signed: signed || intercept < 0,
  };
}

interface Voi {
  /** Modality value to 0..255; may lie outside. */
  readonly apply: (value: number) => number;
  readonly text: string;
}

function voiTransform(
  ds: DicomJson,
  groups: FrameGroups,
  frame: number,
  decoded: DecodedFrame,
  modality: Modality,
  padding: ((stored: number) => boolean) | undefined,
  route: GreyWindow | undefined,
  where: string,
): Voi {
  if (route) {
    const voi = windowed(route.centre, route.width, route.shape ?? 'LINEAR');
    return route.said ? { ...voi, text: `${voi.text} (${route.said})` } : voi;
  }
  const lutItem = items(ds, 'VOILUTSequence')[0];
  if (lutItem) {
    const lut = readLut(lutItem, 'LUTDescriptor', 'LUTData', modality.signed, where);
    const most = 2 ** lut.bits - 1;
    const name = lutName(lutItem);
    return { apply: (v) => (applyLut(lut, v) * 255) / most, text: name ? `VOI LUT ${name}` : 'VOI LUT' };
  }
  const own = ownWindow(groups, frame);
  if (own) return windowed(own.centre, own.width, own.shape);
  if (decoded.bitsStored <= 8 && !decoded.signed && modality.identity) {
    const most = 2 ** decoded.bitsStored - 1;
    return { apply: (v) => (v * 255) / most, text: 'full range' };
  }
  return automatic(decoded, modality, padding);
}

/** Whether the image says itself how it is to be shown: a VOI LUT or a usable window. */
export function hasOwnWindow(ds: DicomJson, groups: FrameGroups, frame: number): boolean {
  return items(ds, 'VOILUTSequence').length > 0 || ownWindow(groups, frame) !== undefined;
}

function ownWindow(groups: FrameGroups, frame: number) {
  const holder = groups.holder(frame, 'FrameVOILUTSequence', 'WindowCenter');
  const [centre] = holder ? numbers(holder, 'WindowCenter') : [];
  const [width] = holder ? numbers(holder, 'WindowWidth') : [];
  const shape = (holder && text(holder, 'VOILUTFunction')) || 'LINEAR';
  return centre !== undefined && width !== undefined && width >= (shape === 'LINEAR' ? 1 : Number.MIN_VALUE)
    ? { centre, width, shape }
    : undefined;
}

/**
 * Window functions of PS3.3 C.11.2.1.2.1 (LINEAR), C.11.2.1.3.2 (LINEAR_EXACT) and C.11.2.1.3.1 (SIGMOID), output 0..255.
 * An unknown function counts as LINEAR, which the standard makes the default.
 */
export function windowed(centre: number, width: number, shape: string): Voi {
  const name = `W ${short(width)} C ${short(centre)}`;
  if (shape === 'SIGMOID')
    return { apply: (v) => 255 / (1 + Math.exp((-4 * (v - centre)) / width)), text: `${name} SIGMOID` };
  const exact = shape === 'LINEAR_EXACT';
  const [middle, span] = exact ? [centre, width] : [centre - 0.5, width - 1];
  const [low, high] = [middle - span / 2, middle + span / 2];
  const apply = (v: number): number => (v <= low ? 0 : v > high ? 255 : ((v - middle) / span + 0.5) * 255);
  return { apply, text: exact ? `${name} LINEAR_EXACT` : name };
}

/** From the 0.5th to the 99.5th percentile of the frame without padding; from least to greatest where these are equal. */
function automatic(decoded: DecodedFrame, modality: Modality, padding: ((stored: number) => boolean) | undefined): Voi {
  const at = ranked(decoded.values, modality, padding);
  let [low, high, name] = [at(0.005), at(0.995), 'automatic, percentiles 0.5 to 99.5'];
  if (low === high) [low, high, name] = [at(0), at(1), 'automatic, least to greatest'];
  const span = high - low || 1;
  return { apply: (v) => ((v - low) * 255) / span, text: `${name}: ${short(low)} to ${short(high)}` };
}

/**
 * The modality value below which a share of the pixels lies. Of at most about a quarter million pixels, evenly taken:
 * enough for percentiles, and always the same. Stored values of up to 16 bits are counted: sorting the pixels of a CT
 * slice took 20 ms.
 */
function ranked(
  values: DecodedFrame['values'],
  modality: Modality,
  padding: ((stored: number) => boolean) | undefined,
): (share: number) => number {
  const step = Math.ceil(values.length / 262_144);
  const counts = values.BYTES_PER_ELEMENT <= 2 ? new Uint32Array(1 << 17) : undefined;
  const kept: number[] = [];
  let total = 0;
  for (let i = 0; i < values.length; i += step) {
    const value = values[i]!;
    if (padding?.(value)) continue;
    total++;
    if (counts) counts[value + 0x8000]!++;
    else kept.push(modality.apply(value));
  }
  if (!counts) {
    const sorted = Float64Array.from(kept).sort();
    return (share) => sorted[Math.round(share * (total - 1))] ?? 0;
  }
  const steps: { readonly value: number; readonly n: number }[] = [];
  counts.forEach((n, at) => n > 0 && steps.push({ value: modality.apply(at - 0x8000), n }));
  steps.sort((p, q) => p.value - q.value);
  return (share) => {
    let before = Math.round(share * (total - 1));
    return steps.find(({ n }) => (before -= n) < 0)?.value ?? 0;
  };
}

function short(v: number): string {
  return String(Number(v.toPrecision(5)));
}
