import { verifyBundle, type GoldenCheck } from '../../inference/index.ts';
import { exitCodes } from '../common.ts';
import { createProgress } from '../progress.ts';
import { say, sayJson, withReading, type ModelOptions } from './common.ts';

interface VerifyOptions extends ModelOptions {
  readonly minIou?: number;
}

/** `plumbline models verify NAME` */
export function verifyModel(name: string, options: VerifyOptions): Promise<void> {
  return withReading(options, async (reading) => {
    const progress = createProgress(!options.json);
    const bundle = await reading.bundle(name);
    // Opening the graphs of a large model takes long; without a golden there is nothing to ask.
    const goldens = bundle.manifest.golden?.length ?? 0;
    const runtime = goldens > 0 ? await reading.runtime(name) : { provider: 'none', answer: () => Promise.resolve([]) };
    const result = await verifyBundle(bundle, runtime, {
      ...(options.minIou === undefined ? {} : { minIou: options.minIou }),
      onProgress: (done, of) => progress.show(`${name}: golden ${done} of ${of}`),
    });
    progress.clear();
    if (!result.passed) process.exitCode = exitCodes.failed;
    if (options.json) return sayJson({ bundle: name, digest: bundle.ref.digest, provider: runtime.provider, ...result });
    for (const golden of result.goldens) show(golden);
    const good = result.goldens.filter((g) => g.passed).length;
    if (result.goldens.length === 0)
      return say(`${name} has no golden, so nothing is proved. docs/bring-a-model.md tells how to make one.`);
    say(`${good} of ${result.goldens.length} goldens as they were, on ${runtime.provider}`);
  });
}

function show({ id, task, passed, problems, tokens, text, masks, pictures }: GoldenCheck): void {
  const ious = masks.map((m) => m.iou.toFixed(4)).join(', ');
  const seen = pictures.length === 0 ? '' : `; ${pictures.length} pictures as the encoders see them`;
  say(`${passed ? '✓' : '✗'} ${id} ${task}: ${tokens.found} tokens; ${masks.length > 0 ? `IoU ${ious}` : 'no mask'}${seen}`);
  for (const problem of problems) say(`    ${problem}`);
  if (!text) return;
  say(`    expected: ${marked(text.expected, text.at)}`);
  say(`    found:    ${marked(text.found, text.at)}`);
}

/** The text with its first difference between arrows. */
function marked(text: string, at: number): string {
  const letters = [...text];
  return `${letters.slice(0, at).join('')}»${letters.slice(at).join('')}`;
}
