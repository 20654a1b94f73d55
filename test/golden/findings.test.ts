/** The tiny bundle's own answers (text and masks as its graphs give them) become drafts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { getBit, packBits, unpackBits, type PictureMask, type Stack } from '../../src/base/index.ts';
import { makeDraft } from '../../src/findings/index.ts';
import { answer, draftInput, sampleStack, tinyBundle, tinyManifest } from '../builders/answers.ts';

const { golden } = tinyManifest();
const dicom: Readonly<Record<string, string>> = { ct: 'CT', xray: 'CR', mr: 'MR', path: 'SM', us: 'US', derm: 'XC' };

function readMask(file: string, score: number): PictureMask {
  const png = decode(readFileSync(join(tinyBundle, file)));
  const flags = Array.from({ length: png.width * png.height }, (_, i) => png.data[i * png.channels]!);
  return { width: png.width, height: png.height, bits: packBits(flags), score };
}

/** One picture with the golden's size: of the patient where the bundle reads in the patient's frame. */
function stackOf(id: string): Stack {
  const g = golden.find((x) => x.id === id)!;
  const sized = { rows: g.height, columns: g.width };
  const volume = sampleStack({ ...sized, planes: 4 });
  const one = { ...sized, spacing: volume.grid.spacing, planes: 1, placement: placementOf(volume) };
  if (dicom[g.modality] === 'CT' || dicom[g.modality] === 'MR')
    return { ...volume, modality: dicom[g.modality]!, kind: 'planes', grid: one, planes: volume.planes.slice(0, 1) };
  return sampleStack({ ...sized, kind: 'picture' }, { modality: dicom[g.modality]! });
}
function placementOf(stack: Stack): Stack['grid']['placement'] {
  const { placement } = stack.grid;
  return placement.kind === 'patient' ? { ...placement, positions: placement.positions.slice(0, 1) } : placement;
}

function draftOf(id: string) {
  const g = golden.find((x) => x.id === id)!;
  const stack = stackOf(id);
  const masks = g.masks.map((m) => readMask(m.file, m.score));
  return { ...makeDraft(draftInput([stack], [answer(stack, 0, g.text, masks)])), given: masks };
}

const lines = (id: string) => draftOf(id).draft.sentences.map((s) => `${s.kind}: ${s.text}`);

describe('golden answers of the tiny bundle', () => {
  it('01, an abdominal CT: two findings, one denial', () => {
    expect(lines('01')).toEqual([
      'plain: Abdominal CT slice.',
      'linked: In the right lower part there is a small renal cyst.',
      'linked: In the left lower part there is a small kidney stone.',
      'negative: No liver lesion is seen.',
    ]);
  });

  it('02, a chest radiograph that is not square', () => {
    expect(lines('02')).toEqual([
      'plain: Chest radiograph.',
      'linked: In the right upper part there is a large consolidation.',
      'linked: In the right lower part there is a large pleural effusion.',
      'negative: No lung nodule is seen.',
    ]);
  });

  it('03 to 05, one claim each', () => {
    expect(lines('03')).toEqual(['linked: Here is the brain tumor.']);
    expect(lines('04')).toEqual(['linked: Histology image with necrosis.']);
    expect(lines('05')).toEqual(['linked: The box holds a calcification.']);
  });

  it('06, an answer without a claim', () => {
    expect(lines('06')).toEqual(['plain: Right.']);
    expect(draftOf('06').draft.findings).toEqual([]);
  });

  it.each(golden.filter((g) => g.masks.length > 0).map((g) => g.id))('%s: every mask bit for bit', (id) => {
    const { draft, masks, given } = draftOf(id);
    expect(draft.masks).toHaveLength(given.length);
    for (const [i, m] of draft.masks.entries()) {
      const want = unpackBits(given[i]!.bits, given[i]!.width * given[i]!.height);
      const [plane] = masks.get(m.id)!;
      expect(want.every((v, k) => getBit(plane!.bits, k) === (v === 1))).toBe(true);
      expect(m.pixels).toBe(want.reduce((n, v) => n + v, 0));
    }
  });

  it('codes the side on which the masks of 02 lie, and says where its words do not fit', () => {
    const { draft, given } = draftOf('02');
    for (const [i, f] of draft.findings.filter((x) => x.presence === 'present').entries()) {
      const { width, height, bits } = given[i]!;
      const xs = Array.from(unpackBits(bits, width * height).keys())
        .filter((k) => getBit(bits, k))
        .map((k) => k % width);
      const mean = xs.reduce((s, x) => s + x, 0) / xs.length / width;
      // Patient Orientation L\F: columns grow towards the patient's left.
      const expected = mean < 0.45 ? 'right' : mean > 0.55 ? 'left' : undefined;
      const crossing = xs.filter((x) => x < width / 2).length / xs.length;
      if (crossing > 0.8 || crossing < 0.2) expect(f.side).toBe(expected);
      const said = draft.sentences.find((s) => s.id === f.sentence)!;
      if (f.side === 'left') expect(said.warnings.map((w) => w.code)).toContain('side-contradiction');
    }
  });
});
