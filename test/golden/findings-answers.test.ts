/** Every form of answer that a grounded model gives, well-formed and not, beside what it must become. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAnswer, type AnswerForm } from '../../src/findings/index.ts';

interface GoldenPhrase {
  readonly words: string;
  readonly label?: string;
  readonly start?: number;
  readonly end?: number;
  readonly mask?: number;
  readonly problem?: string;
}
interface Golden {
  readonly name: string;
  readonly form?: Partial<AnswerForm>;
  readonly text: string;
  readonly sentences: readonly {
    readonly text: string;
    readonly negative?: boolean;
    readonly deniesAll?: boolean;
    readonly denied?: readonly string[];
    readonly phrases?: readonly GoldenPhrase[];
  }[];
  readonly unused?: readonly number[];
}

const goldens = JSON.parse(readFileSync(join(import.meta.dirname, 'findings-answers.json'), 'utf8')) as Golden[];

describe('an answer becomes sentences', () => {
  it.each(goldens)('$name', (golden) => {
    const parsed = parseAnswer(golden.text, { grounding: 'phrase-then-seg', sentences: 'per-mask', ...golden.form });
    const seen = parsed.sentences.map((s) => ({
      text: s.text,
      negative: s.negative,
      deniesAll: s.deniesAll,
      denied: s.denied.map((d) => s.text.slice(d.start, d.end)),
      phrases: s.phrases.map((p) => ({
        words: s.text.slice(p.start, p.end),
        label: p.label,
        mask: p.seg,
        problem: p.problem,
      })),
    }));
    expect(seen).toEqual(
      golden.sentences.map((s) => ({
        text: s.text,
        negative: s.negative ?? false,
        deniesAll: s.deniesAll ?? false,
        denied: s.denied ?? [],
        phrases: (s.phrases ?? []).map((p) => ({
          words: p.words,
          label: p.label ?? p.words,
          mask: p.mask,
          problem: p.problem,
        })),
      })),
    );
    expect(parsed.unusedSegs).toEqual(golden.unused ?? []);
    for (const [i, s] of golden.sentences.entries())
      for (const [k, p] of (s.phrases ?? []).entries())
        if (p.start !== undefined)
          expect(parsed.sentences[i]!.phrases[k]).toMatchObject({ start: p.start, end: p.end });
  });
});
