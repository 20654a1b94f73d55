import { openGraphs, floats } from '../../src/inference/graphs.ts';
import { loadBundle } from '../../src/inference/index.ts';
import { noise, tinyDir } from '../../test/builders/bundle.ts';
import { heading, median, table } from '../report.ts';

const rounds = 9;

/** Masks of n findings with one look at the picture, beside a look for each `[SEG]` as the reference code has it. */
export async function encodes(threads: number): Promise<void> {
  const { manifest: m, ref } = await loadBundle(tinyDir);
  const graphs = await openGraphs(tinyDir, m, { provider: 'cpu', fallback: false, threads });
  const { width, height } = m.preprocess.sam;
  const hidden = m.decoder.hidden_size;
  const pixels = Float32Array.from(noise(1, width, height).rgb, (v) => v / 128 - 1);
  const look = () => graphs.run('sam_encoder', { pixel_values: floats(pixels, [1, 3, height, width]) });
  const draw = (features: Awaited<ReturnType<typeof look>>, n: number) =>
    graphs.run('mask_decoder', {
      ...features,
      seg_hidden_states: floats(new Float32Array(n * hidden).fill(0.1), [n, hidden]),
    });
  const once = async (n: number): Promise<void> => void (await draw(await look(), n));
  const each = async (n: number): Promise<void> => {
    for (let i = 0; i < n; i++) await draw(await look(), 1);
  };
  heading('One look at a picture, and one for each finding', {
    size: `mask encoder ${width} x ${height} and mask decoder; medians of ${rounds} rounds, in alternation`,
    settings: `bundle ${ref.name} ${ref.version}, cpu, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
  });
  const rows: string[][] = [];
  for (const n of [1, 4, 16]) {
    const [a, b]: [number[], number[]] = [[], []];
    for (let round = 0; round <= rounds; round++)
      for (const [work, times] of [
        [once, a],
        [each, b],
      ] as const) {
        const before = process.cpuUsage();
        await work(n);
        const { user, system } = process.cpuUsage(before);
        if (round > 0) times.push((user + system) / 1000);
      }
    rows.push([String(n), median(a).toFixed(1), median(b).toFixed(1), (median(b) / median(a)).toFixed(2)]);
  }
  table(['findings', 'one look, ms of processor time', 'a look for each, ms', 'ratio'], rows);
}
