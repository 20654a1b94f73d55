import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PlumblineError } from '../../../src/base/index.ts';
import { createDecoder, loadPictures, readStudy, type Decoder } from '../../../src/imaging/index.ts';
import { byInstance, collect, sourceOf } from '../../builders/series.ts';
import { missing, sharedPath } from '../../peers/index.ts';

/** What imaging, and no room before it, must notice in a file that can be stored. */
const outcomes: readonly (readonly [file: string, outcome: string])[] = [
  ...['iop-zero', 'iop-not-orthogonal', 'iop-not-unit', 'iop-5-values', 'iop-text', 'ipp-nan', 'ipp-huge'].map((f) => [`geometry-${f}`, 'geometry'] as const), // prettier-ignore
  ...['zero', 'negative', 'one-value', 'comma', 'overflow'].map((f) => [`geometry-spacing-${f}`, 'read, none'] as const), // prettier-ignore
  ['geometry-thickness-negative', 'read, physical'],
  ['burned-in-yes', 'burned-in'],
  ['class-unknown', 'class-unknown'],
  ['rows-zero', 'no-pixels'],
  ['rows-missing', 'no-pixels'],
  ['frames-huge', 'pixel-description'],
  ['photometric-unknown', 'pixel-description'],
  ['palette-without-lut', 'pixel-description'],
  ['palette-lut-short', 'pixel-description'],
  ['rescale-nan', 'pixel-description'],
  ['rescale-zero', 'pixel-description'],
  ['window-width-zero', 'read, physical'],
  ['icon-pixels-first', 'read, physical'],
];

describe.skipIf(missing('shared'))('damaged files', () => {
  let decoder: Decoder;
  beforeAll(() => {
    decoder = createDecoder({ seconds: 20, maxPixels: 1 << 26 });
  });
  afterAll(() => decoder.close());

  test.each(outcomes)('%s: %s', async (name, outcome) => {
    const sources = [sourceOf(new Uint8Array(readFileSync(sharedPath('data/dicom-broken', `${name}.dcm`))))];
    const { stacks, passedOver } = readStudy(sources, { burnedIn: 'hold' });
    const [stack] = stacks;
    if (!stack) {
      expect(passedOver.map((p) => p.code)).toEqual([outcome]);
      return;
    }
    const answer = await collect(loadPictures(stack, byInstance(sources), decoder)).then(
      () => `read, ${stack.grid.spacing.kind}`,
      (thrown: unknown) => {
        if (!(thrown instanceof PlumblineError)) throw thrown;
        expect(thrown.where).toContain(sources[0]!.ref.instanceUid);
        return thrown.code;
      },
    );
    expect(answer).toBe(outcome);
  });
});
