/** What encoders are given and what they write, for the sample drafts of draft.ts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Affine, Grid, Picture, Site } from '../../src/base/index.ts';
import { loadMappings } from '../../src/findings/index.ts';
import { encodeFhirR4, encodeFhirR5, encodePreview, encodeSeg, encodeSr } from '../../src/outputs/index.ts';
import type {
  EncodingInput,
  EncodingProfile,
  EncodingSet,
  KeyPictures,
  PresenceCodes,
} from '../../src/outputs/index.ts';
import { root } from '../peers/index.ts';
import { sampleDraft, type Sample, type SampleOptions } from './draft.ts';

export const sampleSite: Site = {
  idBase: 'https://hospital.example/plumbline',
  installationId: 'inst-1',
  organization: 'Example Hospital',
  viewerUrl: 'https://viewer.example/?StudyInstanceUIDs={study}',
  dicomwebUrl: 'https://pacs.example/dicom-web',
  gatewayVersion: '0.1.0',
};

/** The shipped pair of each presence code (PS3.16 in the SR, SNOMED CT qualifier in FHIR). */
export function shippedPresence(): PresenceCodes {
  const read = (name: string): unknown => JSON.parse(readFileSync(join(root, 'mappings', name), 'utf8'));
  return loadMappings(read('codes.json'), read('presence.json')).presence;
}

export interface InputOptions extends SampleOptions {
  readonly site?: Partial<Site>;
  readonly profile?: EncodingProfile;
  /** Change the sample before it is encoded. */
  readonly change?: (sample: Sample) => Sample;
}

export function sampleInput(options: InputOptions = {}): EncodingInput {
  const made = sampleDraft(options);
  const sample = options.change ? options.change(made) : made;
  return {
    ...sample,
    site: { ...sampleSite, ...options.site },
    presence: shippedPresence(),
    profile: options.profile ?? {},
  };
}

/** Everything that is written for a draft. */
export function encodeAll(input: EncodingInput, pictures: KeyPictures = samplePictures(input)): EncodingSet {
  const segs = encodeSeg(input);
  const sr = encodeSr(input, segs);
  const html = encodePreview(input, segs, sr, pictures);
  return { segs, sr, html, fhirR4: encodeFhirR4(input, segs, sr, html), fhirR5: encodeFhirR5(input, segs, sr, html) };
}

/** Source pixel = picture pixel. */
export const identity: Affine = { a: 1, b: 0, c: 0, d: 1, e: 0, f: 0 };

/** A picture of each plane in source orientation: a grey ramp with a little texture, so that it looks like something. */
export function samplePictures({ draft }: EncodingInput): KeyPictures {
  return new Map(
    draft.stacks.flatMap((stack) =>
      stack.planes.map((_, plane): [string, Picture] => [
        `${stack.id}/${plane}`,
        rampPicture(stack.id, plane, stack.grid),
      ]),
    ),
  );
}

export function rampPicture(
  stack: string,
  plane: number,
  { rows, columns }: Pick<Grid, 'rows' | 'columns'>,
  toSource: Affine = identity,
): Picture {
  const transposed = toSource.b !== 0;
  const [width, height] = transposed ? [rows, columns] : [columns, rows];
  const rgb = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++)
      rgb.fill(
        40 + Math.round((150 * x) / width) + ((x * 7 + y * 13) % 23),
        (y * width + x) * 3,
        (y * width + x) * 3 + 3,
      );
  }
  return { stack, plane, width, height, rgb, toSource, window: 'W 400 C 40' };
}
