import { join } from 'node:path';
import { InferenceSession, listSupportedBackends, Tensor } from 'onnxruntime-node';
import { PlumblineError, type Notice } from '../base/index.ts';
import { graphProblems, wantedGraphs, type GraphName, type Manifest, type Ports } from './manifest.ts';

export type Provider = 'cpu' | 'cuda' | 'tensorrt' | 'webgpu';
export type Feeds = Readonly<Record<string, Tensor>>;
export type Fetched = Readonly<Record<string, Tensor>>;

/** The graphs that the loop runs, opened. */
export interface Graphs {
  readonly provider: Provider;
  readonly notices: readonly Notice[];
  run(graph: GraphName, feeds: Feeds): Promise<Fetched>;
}

export interface GraphOptions {
  readonly provider: Provider;
  /** Go on with `cpu` where the provider cannot be had. */
  readonly fallback: boolean;
  readonly threads: number;
}

/**
 * Open the graphs of a bundle and check that the files have the inputs and outputs that the manifest states.
 * @throws PlumblineError provider-missing · bundle-invalid
 */
export async function openGraphs(dir: string, m: Manifest, options: GraphOptions): Promise<Graphs> {
  const opened = await openWith(dir, m, options.provider, options.threads).then(
    (sessions) => ({ sessions, provider: options.provider, notices: [] as Notice[] }),
    async (e: unknown) => fallBack(dir, m, options, e),
  );
  const { sessions, provider, notices } = opened;
  return {
    provider,
    notices,
    run: async (graph, feeds) => (await sessions.get(graph)!.run(feeds)) as Fetched,
  };
}

async function fallBack(dir: string, m: Manifest, { provider, fallback, threads }: GraphOptions, e: unknown) {
  if (e instanceof PlumblineError || provider === 'cpu') throw e;
  const why = firstLine(e);
  if (!fallback)
    throw new PlumblineError('provider-missing', `the execution provider ${provider} could not be used: ${why}`, {
      where: m.name,
      cause: e,
    });
  const notice: Notice = {
    code: 'provider-fallback',
    message: `${provider} could not be used, so the model runs on cpu: ${why}`,
  };
  return { sessions: await openWith(dir, m, 'cpu', threads), provider: 'cpu' as const, notices: [notice] };
}

async function openWith(
  dir: string,
  m: Manifest,
  provider: Provider,
  threads: number,
): Promise<ReadonlyMap<GraphName, InferenceSession>> {
  if (!listSupportedBackends().some((b) => b.name === provider))
    throw new PlumblineError('provider-missing', `this build of onnxruntime has no ${provider} provider`);
  const sessions = new Map<GraphName, InferenceSession>();
  for (const [name, wanted] of wantedGraphs(m)) {
    if (m.graphs.generate && insteadOf.generate.includes(name)) continue;
    const file = join(dir, m.graphs[name]!.file);
    const session = await create(file, provider, threads);
    const problems = graphProblems(name, portsOf(session), wanted);
    if (problems.length > 0) throw new PlumblineError('bundle-invalid', problems.join('; '), { where: file });
    sessions.set(name, session);
  }
  return sessions;
}

/** Opening these too would hold the weights twice: a runtime packs them for itself. */
const insteadOf: { readonly generate: readonly GraphName[] } = { generate: ['token_embed', 'decoder'] };

/** Providers that this build of onnxruntime has; whether a device is there shows when a graph is opened on it. */
export function providers(): Provider[] {
  return listSupportedBackends().map((b) => b.name as Provider);
}

/**
 * Inputs and outputs of a graph, as its file states them.
 * @throws PlumblineError bundle-invalid where it cannot be opened
 */
export async function readPorts(file: string): Promise<Ports> {
  const session = await create(file, 'cpu', 1);
  const ports = portsOf(session);
  await session.release();
  return ports;
}

/** On `cpu` a graph that does not open is the bundle's fault; on another provider it may be the provider's. */
async function create(file: string, provider: Provider, threads: number): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(file, {
      executionProviders: [provider],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      // Threads that wait by spinning take the cores from the gateway beside them, and from each other: on two busy
      // cores a picture took two to five times as long.
      extra: { session: { intra_op: { allow_spinning: '0' } } },
      logSeverityLevel: 4,
    });
  } catch (e) {
    if (provider !== 'cpu') throw e;
    throw new PlumblineError('bundle-invalid', `the graph cannot be opened: ${firstLine(e)}`, {
      where: file,
      cause: e,
    });
  }
}

function portsOf(session: InferenceSession): Ports {
  const ports = (list: readonly InferenceSession.ValueMetadata[]) =>
    list.map((v) =>
      v.isTensor ? { name: v.name, type: v.type, shape: v.shape } : { name: v.name, type: 'no tensor', shape: [] },
    );
  return { inputs: ports(session.inputMetadata), outputs: ports(session.outputMetadata) };
}

function firstLine(e: unknown): string {
  return (e instanceof Error ? e.message : String(e))
    .trim()
    .split('\n')[0]!
    .replace(/^\/\S+ /, '');
}

export function floats(data: Float32Array, dims: readonly number[]): Tensor {
  return new Tensor('float32', data, dims);
}

export function integers(values: readonly number[], dims: readonly number[]): Tensor {
  return new Tensor('int64', BigInt64Array.from(values, BigInt), dims);
}

/** The float data of a tensor that a graph gave. */
export function floatsOf(fetched: Fetched, name: string): Float32Array {
  return fetched[name]!.data as Float32Array;
}
