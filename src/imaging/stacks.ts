import type { Notice, PassedOver, Placement, Plane, Stack } from '../base/index.ts';
import { derivedUid } from '../base/index.ts';
import { depthOf } from './depth.ts';
import { finestPixelMm, type Frame, type Place } from './frames.ts';
import { samePositionMm, separate } from './separate.ts';
import { dot, mainAxis } from './vectors.ts';

/** A stack before it has its number among the stacks of the study. */
export type UnnumberedStack = Omit<Stack, 'id'>;

export interface SeriesStacks {
  readonly stacks: readonly UnnumberedStack[];
  readonly passedOver: readonly PassedOver[];
  readonly notices: readonly Notice[];
}

type PlacedFrame = Frame & { readonly place: Place };

/**
 * Frames of one series as stacks: planes of equal size, orientation, spacing and kind of pixel, ordered along their common
 * normal by position alone, never by name or number. Frames without a place in the patient keep their own pixel grid.
 * The result does not depend on the order of `frames`.
 */
export function stacksOfSeries(seriesUid: string, frames: readonly Frame[]): SeriesStacks {
  const sorted = [...frames].sort(byNumber);
  const parts = [
    placedStacks(seriesUid, sorted.filter(isPlaced)),
    flatStacks(
      seriesUid,
      sorted.filter((f) => !f.place),
    ),
  ];
  const orientations = new Set(parts[0]!.stacks.map(orientationText));
  const split: Notice[] =
    orientations.size > 1
      ? [
          {
            code: 'series-split',
            message: `the series holds ${orientations.size} orientations; each is read as a stack of its own`,
            about: [seriesUid],
          },
        ]
      : [];
  return {
    stacks: parts.flatMap((p) => p.stacks),
    passedOver: parts.flatMap((p) => p.passedOver),
    notices: [...parts.flatMap((p) => p.notices), ...split],
  };
}

function isPlaced(frame: Frame): frame is PlacedFrame {
  return frame.place !== undefined;
}

/** Instance Number, then UID, then frame: an order without meaning in space, but always the same. */
function byNumber(a: Frame, b: Frame): number {
  return (
    a.number - b.number ||
    (a.instanceUid < b.instanceUid ? -1 : a.instanceUid > b.instanceUid ? 1 : (a.frame ?? 0) - (b.frame ?? 0))
  );
}

function orientationText({ grid: { placement } }: UnnumberedStack): string {
  return placement.kind === 'patient'
    ? [...placement.rowCosines, ...placement.columnCosines].map((v) => Math.round(1000 * v)).join()
    : '';
}

// — frames with a place in the patient —

function placedStacks(seriesUid: string, frames: readonly PlacedFrame[]): SeriesStacks {
  const stacks: UnnumberedStack[] = [];
  const passedOver: PassedOver[] = [];
  const notices: Notice[] = [];
  for (const group of grouped(frames, sameGrid)) {
    if (isScout(group)) {
      passedOver.push(refused(seriesUid, group[0]!, 'localizer', 'a single CT image across the body axis: a scout'));
      continue;
    }
    const { parts, unseparated, by } = separate(group);
    if (by.length > 0) {
      const message = `positions occur more than once; the series is read in ${parts.length} stacks, told apart by ${by.join(', ')}`;
      notices.push({ code: 'positions-repeated', message, about: [seriesUid] });
    }
    for (const part of parts) {
      const made = volume(seriesUid, part);
      stacks.push(made.stack);
      notices.push(...made.notices);
    }
    passedOver.push(...unseparated.flatMap((part) => refusedPositions(seriesUid, part)));
  }
  return { stacks, passedOver, notices };
}

/** Lists of frames that belong to one grid; compared with the first of each list. */
function grouped<F extends Frame>(frames: readonly F[], same: (a: F, b: F) => boolean): F[][] {
  const groups: F[][] = [];
  for (const frame of frames) {
    const home = groups.find((group) => same(group[0]!, frame));
    if (home) home.push(frame);
    else groups.push([frame]);
  }
  return groups;
}

function sameGrid(a: PlacedFrame, b: PlacedFrame): boolean {
  const cosines = (f: PlacedFrame): number[] => [...f.place.rowCosines, ...f.place.columnCosines];
  const other = cosines(b);
  return (
    samePixels(a, b) &&
    a.place.frameOfReferenceUid === b.place.frameOfReferenceUid &&
    cosines(a).every((v, i) => Math.abs(v - other[i]!) <= 1e-4)
  );
}

function samePixels(a: Frame, b: Frame): boolean {
  if (a.rows !== b.rows || a.columns !== b.columns || a.colour !== b.colour) return false;
  const [s, t] = [a.spacing, b.spacing];
  if (s.kind !== 'physical' || t.kind !== 'physical') return s.kind === t.kind;
  const near = (x: number, y: number): boolean => Math.abs(x - y) <= 1e-4 * x;
  return (
    near(s.rowMm, t.rowMm) && near(s.columnMm, t.columnMm) && JSON.stringify(s.within) === JSON.stringify(t.within)
  );
}

/** A lone, original CT image that is not across the body: scouts do not always say LOCALIZER. */
function isScout(group: readonly PlacedFrame[]): boolean {
  const [only] = group;
  if (group.length !== 1 || !only || only.modality !== 'CT' || only.derivation !== 'ORIGINAL') return false;
  return mainAxis(only.place.normal) !== 2;
}

function refused(seriesUid: string, frame: Frame, code: string, reason: string): PassedOver {
  return { seriesUid, instanceUid: frame.instanceUid, code, reason };
}

/** Frames at one position that nothing tells apart: which of them belong together nobody knows. */
function refusedPositions(seriesUid: string, frames: readonly PlacedFrame[]): PassedOver[] {
  const along = [...frames].sort((a, b) => k(a) - k(b));
  const same = new Set<Frame>();
  for (let i = 1; i < along.length; i++)
    if (k(along[i]!) - k(along[i - 1]!) < samePositionMm) same.add(along[i - 1]!).add(along[i]!);
  const named = [...new Set([...same].map((f) => f.instanceUid))];
  const list = named.slice(0, 6).join(', ') + (named.length > 6 ? ` and ${named.length - 6} more` : '');
  const reason = `several images lie at one position and no attribute tells which make one stack: ${list}`;
  const byInstance = new Map(frames.map((f) => [f.instanceUid, f]));
  return [...byInstance.values()].map((f) => refused(seriesUid, f, 'geometry', reason));
}

function k(frame: PlacedFrame): number {
  return dot(frame.place.position, frame.place.normal);
}

function volume(seriesUid: string, part: readonly PlacedFrame[]): { stack: UnnumberedStack; notices: Notice[] } {
  const first = part[0]!;
  const normal = first.place.normal;
  const along = (f: PlacedFrame): number => dot(f.place.position, normal);
  const ordered = [...part].sort((a, b) => along(a) - along(b));
  const { place } = first;
  const notices: Notice[] = [];
  if (!place.frameOfReferenceUid) {
    const message = 'the images have no Frame of Reference UID; one is derived from the series (PS3.3 C.7.4.1)';
    notices.push({ code: 'frame-of-reference-missing', message, about: [seriesUid] });
  }
  const placement: Placement = {
    kind: 'patient',
    frameOfReferenceUid: place.frameOfReferenceUid || derivedUid('frame-of-reference', seriesUid),
    ...(place.positionReferenceIndicator ? { positionReferenceIndicator: place.positionReferenceIndicator } : {}),
    rowCosines: place.rowCosines,
    columnCosines: place.columnCosines,
    normal,
    positions: ordered.map((f) => f.place.position),
  };
  const slices = ordered.map((f) => f.sliceThicknessMm);
  const depth =
    ordered.length > 1 ? depthOf(placement.positions, normal, slices, finestPixelMm(first.spacing)) : undefined;
  if (depth)
    notices.push(
      ...depth.notices(
        seriesUid,
        ordered.map((f) => f.instanceUid),
      ),
    );
  const stack: UnnumberedStack = {
    seriesUid,
    modality: first.modality,
    kind: ordered.length > 1 ? 'volume' : 'planes',
    grid: {
      rows: first.rows,
      columns: first.columns,
      planes: ordered.length,
      placement,
      spacing: first.spacing,
      ...(depth ? { depth: depth.depth } : {}),
      ...commonThickness(ordered),
    },
    planes: ordered.map(planeOf),
  };
  if (first.spacing.kind === 'none')
    notices.push({ code: 'no-pixel-size', message: `nothing is measured: ${first.spacing.why}`, about: [seriesUid] });
  return { stack, notices };
}

/** Slice Thickness where all planes have the same. */
function commonThickness(frames: readonly Frame[]): { sliceThicknessMm?: number } {
  const mm = frames[0]!.sliceThicknessMm;
  return mm !== undefined && frames.every((f) => Math.abs((f.sliceThicknessMm ?? 0) - mm) <= 0.01 * mm)
    ? { sliceThicknessMm: mm }
    : {};
}

function planeOf({ instanceUid, sopClass, frame }: Frame): Plane {
  return { instanceUid, sopClass, ...(frame === undefined ? {} : { frame }) };
}

// — frames without a place —

function flatStacks(seriesUid: string, frames: readonly Frame[]): SeriesStacks {
  const sameSheet = (a: Frame, b: Frame): boolean =>
    samePixels(a, b) &&
    a.patientOrientation?.join('\\') === b.patientOrientation?.join('\\') &&
    // The frames of a loop stay together and apart from other loops.
    (a.frame === undefined && b.frame === undefined ? true : a.instanceUid === b.instanceUid);
  const stacks = grouped(frames, sameSheet).map((group): UnnumberedStack => {
    const first = group[0]!;
    return {
      seriesUid,
      modality: first.modality,
      kind: 'planes',
      grid: {
        rows: first.rows,
        columns: first.columns,
        planes: group.length,
        placement: {
          kind: 'none',
          ...(first.patientOrientation ? { patientOrientation: first.patientOrientation } : {}),
        },
        spacing: first.spacing,
        ...commonThickness(group),
      },
      planes: group.map(planeOf),
    };
  });
  return { stacks, passedOver: [], notices: [] };
}
