import { derivedUid, sha256, silentLog, type InstanceRef } from '../../src/base/index.ts';
import {
  openWork,
  type RouteDecision,
  type StageInput,
  type Stages,
  type Work,
  type WorkOptions,
} from '../../src/work/index.ts';
import { admissions, fromStow, slices, testStudies, type InstanceSketch, type TestStudies } from './store.ts';

export const leaseMs = 60_000;

export function route(
  change: Partial<Omit<RouteDecision, 'policy'>> & { readonly late?: RouteDecision['policy']['late'] } = {},
): RouteDecision {
  const { late = 'new', ...rest } = change;
  return {
    rule: 'everything',
    bundle: 'stub',
    task: 'describe',
    destinations: [],
    series: [],
    ...rest,
    policy: { late, burnedIn: 'hold', slices: { every: 1, max: 64 }, minMaskPixels: 4 },
  };
}

export interface TestWork extends TestStudies {
  readonly work: Work;
  /** Admit and freeze. */
  snapshotOf(sketches: readonly InstanceSketch[]): ReturnType<TestStudies['studies']['snapshot']>;
}

export async function testWork(options: Partial<WorkOptions> = {}): Promise<TestWork> {
  const t = await testStudies();
  const work = openWork({ ...t, log: silentLog, leaseMs, retry: { attempts: 3, random: () => 1 }, ...options });
  const snapshotOf = async (sketches: readonly InstanceSketch[]) => {
    await t.studies.admit(await admissions(t.blobs, sketches), fromStow);
    return t.studies.snapshot(sketches[0]!.study ?? slices(1)[0]!.series!.replace(/\.1$/, ''));
  };
  return { ...t, work, snapshotOf };
}

export const bundleDigest = sha256('stub bundle');
const text = (b: Uint8Array): string => new TextDecoder().decode(b);
const bytes = (t: string): Uint8Array => new TextEncoder().encode(t);

export interface StubStages extends Stages {
  /** The stages that were begun, in order. */
  readonly begun: string[];
}

/**
 * Stages that answer something else each time, as a model on another machine might: only what was recorded may count.
 * The encodings are a function of the draft, and their UIDs of the key, as in the real ones.
 * @param before runs when a stage begins; may throw
 */
export function stubStages(
  before: (stage: keyof Stages, input: StageInput) => Promise<void> = async () => {},
): StubStages {
  const begun: string[] = [];
  const begin = async (stage: keyof Stages, input: StageInput): Promise<number> => {
    begun.push(stage);
    await before(stage, input);
    return begun.length;
  };
  return {
    begun,
    answer: async (input) => bytes(`answer ${await begin('answer', input)}`),
    draft: async (input, answered) => {
      const draft = `${text(answered)}, draft ${await begin('draft', input)}`;
      return { draft: bytes(draft), masks: bytes(`masks of ${draft}`) };
    },
    encode: async (input, made) => {
      await begin('encode', input);
      const seg = bytes(`SEG of ${text(made.masks)}`);
      const ref: InstanceRef = {
        studyUid: input.item.studyUid,
        seriesUid: derivedUid(input.item.key, 'series'),
        instanceUid: derivedUid(input.item.key, 'seg'),
        sopClass: '1.2.840.10008.5.1.4.1.1.66.4',
        transferSyntax: '1.2.840.10008.1.2.1',
        digest: sha256(seg),
        dataDigest: sha256(seg),
        bytes: seg.length,
      };
      return [
        { name: 'seg-1.dcm', mediaType: 'application/dicom', parts: [seg], dicom: { ref, attributes: {} } },
        { name: 'report.html', mediaType: 'text/html', parts: [bytes(`<p>${text(made.draft)}</p>`)] },
      ];
    },
  };
}
