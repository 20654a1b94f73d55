/**
 * What a picture costs, stage by stage; the decoder's loop beside its floor; one look at a picture beside one for each
 * finding; memory of the model's process.
 * `npm run bench -- inference [pictures, default 1000] [BUNDLE…]`; THREADS in the environment, default 1; of further
 * bundles only the loop is measured. Beside it the same loop in Python where onnxruntime is there (MODEL_PYTHON names one).
 */
import { encodes } from './inference/encodes.ts';
import { loops } from './inference/loops.ts';
import { pictures } from './inference/pictures.ts';

const [count, ...bundles] = process.argv.slice(2);
const threads = Number(process.env['THREADS'] ?? 1);
await pictures(Number(count ?? 1000), threads);
await loops(bundles, threads);
await encodes(threads);
