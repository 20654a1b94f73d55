/** What the conformance statements claim, and what the encoders really write, both as keywords. */
import { joined } from '../../src/base/index.ts';
import type { DicomJson, Placement, Stack } from '../../src/base/index.ts';
import { dataset, inspectPart10, keywordOf, vrOf } from '../../src/dicom/index.ts';
import { encodeSeg, encodeSr, type DicomObject, type EncodingInput } from '../../src/outputs/index.ts';
import { sampleInput, type InputOptions } from './encodings.ts';

/** Keywords of all attributes at any depth, Pixel Data left out. */
export function keywordsOf(ds: DicomJson): string[] {
  return Object.entries(ds).flatMap(([tag, { vr, Value = [] }]) => [
    keywordOf(tag) ?? tag,
    ...(vr === 'SQ' ? Value.flatMap((item) => keywordsOf(item as DicomJson)) : []),
  ]);
}

/** SEG and SR of every kind of source and every profile, as they read back. */
export function writtenKinds(source: DicomJson = {}): { readonly seg: DicomJson[]; readonly sr: DicomJson[] } {
  const kinds: InputOptions[] = [
    {},
    { kind: 'picture' },
    { kind: 'picture', spacing: 'physical', profile: { planes2d: 'viewer2d' } },
    { kind: 'picture', profile: { planes2d: 'plain' } },
    { rows: 10, columns: 11, planes: 5 },
    { multiFrame: true },
    { tiltMm: 0.5 },
  ];
  const inputs = kinds.map((options) => withSource(sampleInput(options), source));
  const made = inputs.map((input) => {
    const segs = encodeSeg(input);
    return { segs, sr: encodeSr(input, segs) };
  });
  const slide = encodeSeg(withSource(slideInput(), source));
  const read = (object: DicomObject): DicomJson => inspectPart10(joined(object.parts)).attributes;
  return { seg: [...made.flatMap((m) => m.segs), ...slide].map(read), sr: made.map((m) => read(m.sr)) };
}

function withSource(input: EncodingInput, source: DicomJson): EncodingInput {
  return { ...input, sources: new Map([...input.sources].map(([uid, ds]) => [uid, { ...ds, ...source }])) };
}

/** The sample, as if its first image were the total pixel matrix of a slide. */
function slideInput(): EncodingInput {
  const input = sampleInput({ multiFrame: true });
  const stack = input.draft.stacks[0]!;
  const { rows, columns } = stack.grid;
  const placement: Placement = {
    kind: 'slide',
    frameOfReferenceUid: '1.2.3.4',
    rowCosines: [1, 0, 0],
    columnCosines: [0, 1, 0],
    origin: [1, 2, 0],
    tileRows: rows,
    tileColumns: columns,
    tiles: [{ frame: 1, row: 0, column: 0 }],
  };
  const grid = { rows, columns, planes: 1, placement, spacing: stack.grid.spacing };
  const slide: Stack = { ...stack, grid, planes: [stack.planes[0]!] };
  return { ...input, draft: { ...input.draft, stacks: [slide] } };
}

/** A legal value for each keyword, by its representation. */
export function sourceWith(keywords: readonly string[]): DicomJson {
  return dataset(Object.fromEntries(keywords.map((k) => [k, sampleValue(k)])));
}

const values: Readonly<Record<string, string | number | DicomJson[]>> = {
  AS: '045Y',
  CS: 'YES',
  DA: '20200101',
  DS: 1,
  IS: 1,
  SQ: [dataset({ CodeValue: '1', CodingSchemeDesignator: '99X', CodeMeaning: 'one' })],
  TM: '120000',
  UI: '1.2.3',
  US: 1,
};

function sampleValue(keyword: string): string | number | DicomJson[] {
  return values[vrOf(keyword)] ?? 'X';
}
