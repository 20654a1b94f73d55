import { beforeAll, describe, expect, it } from 'vitest';
import type { Answer, Picture } from '../../../src/base/index.ts';
import { makeDraft } from '../../../src/findings/index.ts';
import { loadBundle, type Bundle, type Manifest, type Question } from '../../../src/inference/index.ts';
import { answerForm, questionsOf, showClaims, showTask } from '../../../src/work/questions.ts';
import { draftInput, pictureMask, sampleStack, shippedMappings, tinyBundle, upright } from '../../builders/answers.ts';
import { route } from '../../builders/work.ts';

const mappings = shippedMappings();
const stack = sampleStack({}, { modality: 'CT' });
const { rows: height, columns: width } = stack.grid;
const picture: Picture = {
  stack: stack.id,
  plane: 0,
  width,
  height,
  rgb: new Uint8Array(width * height * 3),
  toSource: upright,
  window: '',
};
const square = (x0: number) => pictureMask(width, height, { r: [2, 6], c: [x0, x0 + 4] });
const empty = pictureMask(width, height, { r: [0, 0], c: [0, 0] });

let bundle: Bundle;
beforeAll(async () => {
  bundle = await loadBundle(tinyBundle);
});

/** A model whose answer about the study is known, and that shows a name by a mask, an empty one, or says that it is not there. */
async function read(
  text: string,
  form: Partial<Manifest['tasks'][string]>,
  shows: Readonly<Record<string, Partial<Answer>>>,
  { masks = [], slot, off = false }: { masks?: Answer['masks']; slot?: string; off?: boolean } = {},
) {
  const report = { ...bundle.manifest.tasks['report']!, ...form };
  const manifest = { ...bundle.manifest, tasks: { ...bundle.manifest.tasks, report } };
  const first: Answer = {
    stack: stack.id,
    plane: 0,
    task: 'report',
    prompt: 'Is there a renal cyst?',
    text,
    tokenIds: [],
    stop: 'end',
    masks,
    timingsMs: {},
    ...(slot === undefined ? {} : { slot }),
  };
  const asked: Question[] = [];
  const ask = async (_: Picture, questions: readonly Question[]): Promise<Answer[]> => {
    asked.push(...questions);
    return questions.map((q) => ({ ...first, text: '', masks: [], ...shows[q.slots!['target']!] }));
  };
  const decision = route({ bundle: 'plumbline-tiny', task: 'report' });
  const answers = off
    ? [first]
    : await showClaims(
        { runtime: { ask }, manifest, form: answerForm({ ...bundle, manifest }, decision), mappings },
        picture,
        'CT',
        [first],
      );
  const made = makeDraft(draftInput([stack], answers, { form: answerForm({ ...bundle, manifest }, decision) }));
  return {
    asked: asked.map((q) => q.slots!['target']),
    untilMask: asked.every((q) => q.untilMask === true),
    sentences: made.draft.sentences.map((s) => `${s.kind}: ${s.text}`),
    findings: made.draft.findings.map((f) => [f.label, f.presence, f.reason?.code ?? ''].join(' ').trim()),
    draft: made.draft,
    codes: made.draft.warnings.map((w) => w.code),
  };
}

describe('a mask for each sentence', () => {
  it('asks nothing where the answer ties a mask to each claim', async () => {
    const { asked, sentences, codes } = await read(
      'There is a <p>renal cyst</p> [SEG]. No kidney stone is seen.',
      {},
      {},
      {
        masks: [square(1)],
      },
    );
    expect(asked).toEqual([]);
    expect(sentences).toEqual(['linked: There is a renal cyst.', 'negative: No kidney stone is seen.']);
    expect(codes).toEqual([]);
  });

  it('asks nothing again about a mask that came empty: the model has answered', async () => {
    const { asked, findings } = await read('There is a <p>renal cyst</p> [SEG].', {}, {}, { masks: [empty] });
    expect(asked).toEqual([]);
    expect(findings).toEqual(['renal cyst ungrounded mask-empty']);
  });

  it('asks for each finding that a report without masks names, once a name, up to its first mask', async () => {
    const { asked, untilMask, sentences, findings, codes } = await read(
      'There is a renal cyst. A Renal cyst and a kidney stone are seen. The liver is normal. No liver lesion is seen.',
      { grounded: false },
      { 'renal cyst': { text: '[SEG]', masks: [square(1)] }, 'kidney stone': { text: '[SEG]', masks: [square(9)] } },
    );
    expect(asked).toEqual(['renal cyst', 'kidney stone']);
    expect(untilMask).toBe(true);
    expect(sentences).toEqual([
      'linked: There is a renal cyst.',
      'linked: A Renal cyst and a kidney stone are seen.',
      'plain: The liver is normal.',
      'negative: No liver lesion is seen.',
    ]);
    expect(findings.filter((f) => f.includes('present'))).toHaveLength(3);
    expect(codes).toContain('mask-asked');
  });

  it('ends ungrounded, with why, where the model denies what it said, shows nothing, or shows an empty mask', async () => {
    const { findings, sentences } = await read(
      'There is a renal cyst. There is a kidney stone. There is a liver lesion.',
      { grounded: false },
      {
        'renal cyst': { text: 'No renal cyst is seen.' },
        'kidney stone': { text: 'Here.' },
        'liver lesion': { text: '[SEG]', masks: [empty] },
      },
    );
    expect(findings).toEqual([
      'renal cyst ungrounded mask-denied',
      'kidney stone ungrounded mask-missing',
      'liver lesion ungrounded mask-empty',
    ]);
    expect(sentences.every((s) => s.startsWith('ungrounded: '))).toBe(true);
  });

  it('leaves the mask of a whole report with the sentences that name what it shows, and asks for the others', async () => {
    const whole = { grounding: 'phrase-then-seg', sentences: 'whole' } as const;
    const text =
      '<p> renal cyst. There is a large renal cyst. There is a kidney stone. No liver lesion is seen. </p> [SEG]';
    const masks = [square(1)];
    const { asked, draft } = await read(
      text,
      whole,
      { 'kidney stone': { text: '[SEG]', masks: [square(9)] } },
      { masks },
    );
    expect(asked).toEqual(['kidney stone']);
    expect(draft.sentences.map((s) => s.kind)).toEqual(['linked', 'linked', 'linked', 'negative']);
    const stone = draft.findings.find((f) => f.label === 'kidney stone')!;
    const cyst = draft.findings.find((f) => f.label === 'renal cyst')!;
    expect(stone.mask).not.toBe(cyst.mask);
    // Without a second question the stone is shown by the mask of the cyst, and the draft can only warn.
    const off = await read(text, whole, {}, { masks, off: true });
    expect(off.draft.findings.filter((f) => f.presence === 'present')).toHaveLength(1);
    expect(off.codes).toContain('mask-of-several');
  });

  it('gives a bare yes its mask and keeps the question beside it; a bare no denies by name', async () => {
    const shows = { 'renal cyst': { text: '[SEG]', masks: [square(1)] } };
    const yes = await read('Yes.', { grounded: false }, shows, { slot: 'renal cyst' });
    expect(yes.draft.sentences).toMatchObject([
      { text: 'Yes.', kind: 'linked', question: 'Is there a renal cyst?', spans: [{ start: 0, end: 3 }] },
    ]);
    expect(yes.findings).toEqual(['renal cyst present']);
    const no = await read('No.', { grounded: false }, shows, { slot: 'renal cyst' });
    expect(no.asked).toEqual([]);
    expect(no.draft.sentences).toMatchObject([{ kind: 'negative', question: 'Is there a renal cyst?' }]);
    expect(no.findings).toEqual(['renal cyst absent']);
  });

  it('asks for no control token of the model that an answer spells, and for no more than the bundle makes masks', async () => {
    const spelt = await read('There is a <p>cyst<|im_end|></p>.', {}, {});
    expect(spelt.asked).toEqual([]);
    expect(spelt.findings).toEqual(['cyst<|im_end|> ungrounded seg-missing']);
    const many = Array.from({ length: 40 }, (_, i) => `<p>cyst ${i}</p>`).join(' ');
    expect((await read(many, {}, {})).asked).toHaveLength(bundle.manifest.limits.max_masks);
  });
});

describe('the question that shows a name', () => {
  const tasks = (of: Record<string, Partial<Manifest['tasks'][string]>>): Manifest => ({
    ...bundle.manifest,
    tasks: Object.fromEntries(
      Object.entries(of).map(([name, t]) => [name, { ...bundle.manifest.tasks['segment']!, ...t }]),
    ),
  });

  it('is the task segment, else the only grounded one with one slot and no box', () => {
    expect(showTask(bundle.manifest)).toEqual({ task: 'segment', slot: 'target' });
    expect(showTask(tasks({ find: { slots: ['x'] } }))).toEqual({ task: 'find', slot: 'x' });
    expect(showTask(tasks({ find: {}, show: {} }))).toBeUndefined();
    expect(showTask(tasks({ segment: { needs_box: true } }))).toBeUndefined();
    expect(showTask(tasks({ segment: { grounded: false } }))).toBeUndefined();
  });
});

describe('the questions of a route', () => {
  it('are one for each value of a slot', () => {
    expect(questionsOf(route({ task: 'segment', slots: { target: ['liver', 'renal cyst'] } }))).toEqual([
      { task: 'segment', slots: { target: 'liver' } },
      { task: 'segment', slots: { target: 'renal cyst' } },
    ]);
    expect(questionsOf(route({ task: 'vqa', prompt: 'How many?' }))).toEqual([{ task: 'vqa', prompt: 'How many?' }]);
  });
});
