import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { schemaProblems, sha256 } from '../../../src/base/index.ts';
import { makeSummary, summarySchema } from '../../../src/findings/index.ts';
import { sampleDraft, type SampleOptions } from '../../builders/draft.ts';
import { root } from '../../peers/index.ts';

const files = [{ name: 'seg-1.dcm', bytes: 10, digest: sha256('x') }];
const of = (options: SampleOptions = {}) =>
  makeSummary({ status: 'done', draft: sampleDraft(options).draft, files, timingsMs: { model: 12.5 }, problems: [] });

describe('makeSummary', () => {
  it.each<SampleOptions>([{}, { kind: 'picture' }, { masks: 'none' }, { multiFrame: true }])(
    'obeys its schema: %j',
    (options) => {
      expect(schemaProblems(summarySchema, JSON.parse(JSON.stringify(of(options))))).toEqual([]);
    },
  );

  it('names the image that shows each mask', () => {
    const { draft } = sampleDraft({ multiFrame: true });
    const finding = of({ multiFrame: true }).findings[0]!;
    expect(finding.mask!.keyImage).toEqual({ instanceUid: draft.stacks[0]!.planes[1]!.instanceUid, frame: 2 });
    expect(finding.mask).toMatchObject({ digest: draft.masks[0]!.digest, pixels: 30, planes: [1, 2], segment: 1 });
  });

  it('says every sentence with its kind, its spans and its warnings', () => {
    const summary = of();
    expect(summary.sentences.map((s) => s.kind)).toEqual([
      'plain',
      'linked',
      'linked',
      'linked',
      'negative',
      'ungrounded',
    ]);
    expect(summary.sentences[1]!.warnings[0]!.code).toBe('side-contradiction');
    expect(summary.findings.find((f) => f.presence === 'ungrounded')!.reason!.code).toBe('mask-empty');
  });

  it('gives the reason where a study has no draft', () => {
    const reason = { code: 'geometry', message: 'm', remedy: 'r', where: '1.2.3' };
    const summary = makeSummary({ status: 'failed', studyUid: '1.2', reason });
    expect(summary).toMatchObject({ status: 'failed', reason, sentences: [], findings: [], files: [] });
    expect(schemaProblems(summarySchema, summary)).toEqual([]);
  });

  it('is explained key by key in docs/summary.md', () => {
    const page = readFileSync(join(root, 'docs', 'summary.md'), 'utf8');
    const keys = (node: object): string[] =>
      Object.entries((node as { properties?: Record<string, object> }).properties ?? {}).flatMap(([k, v]) => [
        k,
        ...keys(v),
        ...keys((v as { items?: object }).items ?? {}),
      ]);
    expect(keys(summarySchema).filter((k) => !page.includes(`\`${k}\``))).toEqual([]);
  });
});
