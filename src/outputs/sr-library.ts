/** The Image Library of TID 1500 (TID 1600 to 1604): which images were read, and their geometry. */
import type { Code, DicomJson, Stack } from '../base/index.ts';
import { number, numbers, text } from '../dicom/index.ts';
import { dcm, functionalGroup, referenceOf, sourceOf } from './dicom-common.ts';
import { codeContent, container, imageContent, numContent, uidContent } from './sr-items.ts';
import type { EncodingInput } from './types.ts';

const millimetres: Code = { value: 'mm', scheme: 'UCUM', meaning: 'millimeter' };
const pixels: Code = { value: '{pixels}', scheme: 'UCUM', meaning: 'pixels' };
const ratio: Code = { value: '{-1:1}', scheme: 'UCUM', meaning: '{-1:1}' };

/** Meanings of CID 29 for what reads images here. */
const modalities: Readonly<Record<string, string>> = {
  CT: 'Computed Tomography',
  MR: 'Magnetic Resonance',
  PT: 'Positron emission tomography',
  NM: 'Nuclear Medicine',
  US: 'Ultrasound',
  IVUS: 'Intravascular Ultrasound',
  CR: 'Computed Radiography',
  DX: 'Digital Radiography',
  MG: 'Mammography',
  IO: 'Intra-oral Radiography',
  PX: 'Panoramic X-Ray',
  RF: 'Radiofluoroscopy',
  XA: 'X-Ray Angiography',
  RG: 'Radiographic imaging',
  ES: 'Endoscopy',
  XC: 'External-camera Photography',
  DMS: 'Dermoscopy',
  GM: 'General Microscopy',
  SM: 'Slide Microscopy',
  OP: 'Ophthalmic Photography',
  OPT: 'Ophthalmic Tomography',
  OCT: 'Optical Coherence Tomography',
  OT: 'Other',
};

export function imageLibrary(input: EncodingInput, stacks: readonly Stack[]): DicomJson {
  const groups = stacks.map((stack) => group(input, stack));
  return container('CONTAINS', dcm('111028', 'Image Library'), groups, '1600');
}

/** One group per stack: what its images share stands once, the position with each image. */
function group(input: EncodingInput, stack: Stack): DicomJson {
  const classes = new Map(stack.planes.map((p) => [p.instanceUid, p.sopClass]));
  const images = [...classes].map(([uid, sopClass]) => {
    const reference = referenceOf(input, stack, uid, sopClass);
    return imageContent('CONTAINS', undefined, reference, {}, position(sourceOf(input, uid)));
  });
  return container('CONTAINS', dcm('126200', 'Image Library Group'), [...shared(input, stack), ...images]);
}

function shared(input: EncodingInput, stack: Stack): DicomJson[] {
  const { grid, planes } = stack;
  const modality = stack.modality || 'OT';
  const { placement, spacing } = grid;
  const source = sourceOf(input, planes[0]!.instanceUid);
  const acquired = 'HAS ACQ CONTEXT';
  const children = [
    codeContent(acquired, dcm('121139', 'Modality'), dcm(modality, modalities[modality] ?? modality)),
    numContent(acquired, dcm('110910', 'Pixel Data Rows'), number(source, 'Rows') ?? grid.rows, pixels),
    numContent(acquired, dcm('110911', 'Pixel Data Columns'), number(source, 'Columns') ?? grid.columns, pixels),
  ];
  if (placement.kind !== 'none' && placement.frameOfReferenceUid) {
    children.push(uidContent(acquired, dcm('112227', 'Frame of Reference UID'), placement.frameOfReferenceUid));
  }
  if (spacing.kind === 'physical') {
    children.push(numContent(acquired, dcm('111026', 'Horizontal Pixel Spacing'), spacing.columnMm, millimetres));
    children.push(numContent(acquired, dcm('111066', 'Vertical Pixel Spacing'), spacing.rowMm, millimetres));
  }
  if (placement.kind !== 'patient') return children;
  if (grid.depth) {
    children.push(numContent(acquired, dcm('112226', 'Spacing between slices'), grid.depth.spacingMm, millimetres));
  }
  if (grid.sliceThicknessMm !== undefined) {
    children.push(numContent(acquired, dcm('112225', 'Slice Thickness'), grid.sliceThicknessMm, millimetres));
  }
  return [...children, ...orientation([...placement.rowCosines, ...placement.columnCosines])];
}

function orientation(cosines: readonly number[]): DicomJson[] {
  const axes = ['Row X', 'Row Y', 'Row Z', 'Column X', 'Column Y', 'Column Z'];
  return axes.map((axis, i) =>
    numContent('HAS ACQ CONTEXT', dcm(String(110904 + i), `Image Orientation (Patient) ${axis}`), cosines[i]!, ratio),
  );
}

/** Image Position (Patient) of a single-frame image; the frames of a multi-frame image differ in it. */
function position(source: DicomJson): DicomJson[] {
  const at = numbers(source, 'ImagePositionPatient');
  const multi = text(source, 'NumberOfFrames') !== '' && functionalGroup(source, 1, 'PlanePositionSequence');
  if (at.length !== 3 || multi) return [];
  return ['X', 'Y', 'Z'].map((axis, i) =>
    numContent('HAS ACQ CONTEXT', dcm(String(110901 + i), `Image Position (Patient) ${axis}`), at[i]!, millimetres),
  );
}
