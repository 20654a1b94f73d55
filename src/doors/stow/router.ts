import express, { type Request, type RequestHandler, type Response, type Router } from 'express';
import { asPlumblineError, checkpoint, isUid, PlumblineError, type DicomJson, type Log } from '../../base/index.ts';
import { swallow } from '../../access/index.ts';
import { look, type Inspector } from '../../dicom/index.ts';
import type { Blobs } from '../../store/index.ts';
import type { Admitted, Studies } from '../../studies/index.ts';
import { statusOf, storeResponse, type Outcome } from './answer.ts';
import { checkAnnounced, release, requestBody, type IntakeLimits } from './intake.ts';
import { boundaryOf, readMultipart } from './multipart.ts';
import { nativeXml } from './native-xml.ts';
import { essenceOf, parseMediaType, receivePart, type Received } from './receive.ts';
import { createScratches, type Scratch } from './scratch.ts';

/** Bounds of the door; the names are those of `stow` in plumbline.yaml. */
export interface StowLimits {
  readonly maxParts: number;
  readonly maxPartBytes: number;
  readonly maxRequestBytes: number;
  readonly maxHeaderBytes: number;
  readonly idleSeconds: number;
  /** Requests at a time; more are answered 503. */
  readonly maxRequests: number;
}

export interface StowOptions {
  readonly studies: Pick<Studies, 'admit'>;
  readonly blobs: Blobs;
  /** Looks at parts in threads of its own; without one the thread that receives does. */
  readonly inspector?: Pick<Inspector, 'inspect'>;
  readonly log: Log;
  readonly limits: StowLimits;
  /** Free bytes below which nothing is taken. */
  readonly reserveBytes: number;
  /** Who stands behind a request, where that is known; for the audit. */
  readonly whoOf?: (req: Request) => string;
  /** Told how many instances of a study will come in all, where the sender says so in `Plumbline-Expected-Instances`. */
  readonly expect?: (studyUid: string, instances: number) => Promise<void>;
  /** Says in words why nothing can be taken now (too much work waits), or undefined. */
  readonly overloaded?: () => string | undefined;
  /** Base of Retrieve URLs, e.g. `https://gateway.example/dicom-web`; default: as the request came. */
  readonly root?: string;
  /** Seconds in Retry-After. Default 30. */
  readonly retryAfterSeconds?: number;
}

/**
 * STOW-RS (PS3.18 10.5): POST /studies and /studies/{study}. An answer leaves only after the instances are durable.
 *
 * Status: 200 all stored (or already there), 202 some, 400 no well-formed multipart or no part, 406 answer type, 408 too
 * slow, 409 none stored, 413 too large, 415 not multipart/related of application/dicom, 503 with Retry-After.
 * Up to 1000 parts are one transaction; of a longer request the thousands before an abort stay stored, unacknowledged.
 */
export function stowRouter(options: StowOptions): Router {
  const router = express.Router();
  const state: State = { running: 0, scratches: createScratches() };
  const handle: RequestHandler = (req, res) => answer(req, res, options, state);
  router.post('/studies', handle);
  router.post('/studies/:study', handle);
  return router;
}

interface State {
  running: number;
  readonly scratches: () => Scratch;
}

const batchSize = 1000;

async function answer(req: Request, res: Response, options: StowOptions, state: State): Promise<void> {
  const began = performance.now();
  state.running++;
  try {
    const write = responseWriter(req);
    await checkCapacity(req, options, state.running);
    const expected = expectedCount(req);
    const outcomes = await store(req, options, state.scratches());
    if (expected !== undefined) await tellExpected(outcomes, expected, options);
    const status = statusOf(outcomes);
    log(options.log, outcomes, status, began);
    write(res, status, storeResponse(outcomes, oneStudyUrl(outcomes)));
  } catch (thrown) {
    await refuseRequest(req, res, asPlumblineError(thrown), options);
  } finally {
    state.running--;
  }
}

/** @throws PlumblineError query-invalid */
function expectedCount(req: Request): number | undefined {
  const value = req.get('plumbline-expected-instances');
  if (value === undefined) return undefined;
  if (/^[1-9]\d{0,6}$/.test(value)) return Number(value);
  throw new PlumblineError('query-invalid', 'Plumbline-Expected-Instances is no whole number of instances');
}

/** The count is that of one study, so it is used only where all that was stored belongs to one. */
async function tellExpected(outcomes: readonly Outcome[], expected: number, options: StowOptions): Promise<void> {
  const studies = new Set(outcomes.flatMap((o) => (o.kind === 'stored' ? [studyOfRetrieveUrl(o.url)] : [])));
  const [study] = studies;
  if (studies.size === 1 && study !== undefined) await options.expect?.(study, expected);
}

function studyOfRetrieveUrl(url: string): string | undefined {
  return /\/studies\/([0-9.]+)\/series\//.exec(url)?.[1];
}

/** @throws PlumblineError busy */
async function checkCapacity(req: Request, options: StowOptions, running: number): Promise<void> {
  const { limits, blobs, reserveBytes } = options;
  checkAnnounced(req, intakeLimits(limits));
  if (running > limits.maxRequests)
    throw new PlumblineError('busy', `${limits.maxRequests} requests are already being stored`);
  const why = options.overloaded?.();
  if (why !== undefined) throw new PlumblineError('busy', why);
  const announced = Number(req.headers['content-length'] ?? 0);
  if ((await blobs.free()) - announced < reserveBytes)
    throw new PlumblineError('disk-full', 'free space would fall under the reserve');
}

async function store(req: Request, options: StowOptions, scratch: Scratch): Promise<Outcome[]> {
  const { blobs, limits, inspector = here } = options;
  const study = studyOfUrl(req);
  const body = requestBody(req, intakeLimits(limits));
  const parts = readMultipart(body, requestBoundary(req), multipartLimits(limits), release);
  const outcomes: Outcome[] = [];
  let waiting: Promise<Received>[] = [];
  try {
    for await (const part of parts) {
      waiting.push((await receivePart(part, study, { blobs, inspector, scratch })).done);
      if (waiting.length < batchSize) continue;
      outcomes.push(...(await admit(await Promise.all(waiting), req, options)));
      waiting = [];
    }
    outcomes.push(...(await admit(await Promise.all(waiting), req, options)));
  } catch (thrown) {
    // Each is waited for, so that none is still on its way to the disk; one that failed has left nothing.
    const received = (await Promise.allSettled(waiting)).flatMap((r) => (r.status === 'fulfilled' ? [r.value] : []));
    await Promise.all(received.map((r) => r.kind === 'admission' && r.admission.blob.discard()));
    throw thrown;
  } finally {
    await body.return?.();
    scratch.giveBack();
  }
  if (outcomes.length === 0) throw new PlumblineError('multipart-invalid', 'the request holds no part');
  return outcomes;
}

/** Without threads. */
const here: Pick<Inspector, 'inspect'> = { inspect: async (file) => look(file) };

/** One transaction; outcomes in the order of the parts. */
async function admit(received: readonly Received[], req: Request, options: StowOptions): Promise<Outcome[]> {
  const batch = received.flatMap((r) => (r.kind === 'admission' ? [r.admission] : []));
  if (batch.length > 0) checkpoint('stow.staged');
  const admitted = batch.length > 0 ? await options.studies.admit(batch, fromOf(req, options)) : [];
  await Promise.all(batch.map((a) => a.blob.discard())); // harmless for what was committed; removes duplicates and conflicts
  const root = options.root ?? `${req.protocol}://${req.get('host') ?? 'localhost'}${req.baseUrl}`;
  let next = 0;
  return received.map((r) =>
    r.kind === 'refused' ? { ...r, kind: 'failed' as const } : outcomeOf(admitted[next++]!, root),
  );
}

function outcomeOf({ outcome, ref }: Admitted, root: string): Outcome {
  const { sopClass, instanceUid } = ref;
  if (outcome === 'conflict') {
    const error = new PlumblineError('instance-conflict', 'other data is stored under this SOP Instance UID', {
      where: instanceUid,
    });
    return { kind: 'failed', sopClass, instanceUid, error };
  }
  return {
    kind: 'stored',
    sopClass,
    instanceUid,
    url: `${root}/studies/${ref.studyUid}/series/${ref.seriesUid}/instances/${instanceUid}`,
  };
}

function fromOf(req: Request, { whoOf }: StowOptions): { door: string; sender: string; who?: string } {
  return { door: 'stow', sender: req.ip ?? '', ...(whoOf && { who: whoOf(req) }) };
}

/** The study's URL, if the stored instances are of one study; RetrieveURL is of type 2 and may be empty. */
function oneStudyUrl(outcomes: readonly Outcome[]): string {
  const urls = new Set(outcomes.flatMap((o) => (o.kind === 'stored' ? [o.url.replace(/\/series\/.*$/, '')] : [])));
  return urls.size === 1 ? [...urls][0]! : '';
}

/** @throws PlumblineError query-invalid */
function studyOfUrl(req: Request): string | undefined {
  const study = req.params['study'];
  if (study === undefined || isUid(study)) return study;
  throw new PlumblineError('query-invalid', 'the study in the URL is no UID');
}

/** @throws PlumblineError media-type-unsupported, multipart-invalid */
function requestBoundary(req: Request): string {
  const type = parseMediaType(req.headers['content-type']);
  const unsupported = (message: string): PlumblineError => new PlumblineError('media-type-unsupported', message);
  if (type?.essence !== 'multipart/related') throw unsupported('the request is not multipart/related');
  const parts = essenceOf(type.params.get('type') ?? 'application/dicom');
  if (parts !== 'application/dicom') throw unsupported('the type parameter is not application/dicom');
  // A compressed body could not be bounded by what was announced; DICOM compresses its pixels itself.
  const encoding = req.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') throw unsupported('a Content-Encoding is not taken');
  return boundaryOf(type.params.get('boundary'));
}

/** Choose the answer's format before anything is stored. @throws PlumblineError not-acceptable */
function responseWriter(req: Request): (res: Response, status: number, body: DicomJson) => void {
  const type = req.accepts(['application/dicom+json', 'application/json', 'application/dicom+xml']);
  if (type === false)
    throw new PlumblineError('not-acceptable', 'the answer can be application/dicom+json or application/dicom+xml');
  const xml = type === 'application/dicom+xml';
  return (res, status, body) => {
    res.status(status).type(xml ? type : 'application/dicom+json');
    res.send(Buffer.from(xml ? nativeXml(body) : JSON.stringify(body)));
  };
}

const statusOfCode: Partial<Record<string, number>> = {
  'multipart-invalid': 400,
  'query-invalid': 400,
  'not-acceptable': 406,
  'sender-slow': 408,
  'body-too-large': 413,
  'media-type-unsupported': 415,
  busy: 503,
  'disk-full': 503,
  'store-locked': 503,
};

/** The whole request is refused; nothing of it is kept. The connection ends, because the body was not read to its end. */
async function refuseRequest(req: Request, res: Response, error: PlumblineError, options: StowOptions): Promise<void> {
  const status = statusOfCode[error.code] ?? (error.class === 'retry' ? 503 : 500);
  const note = status >= 500 ? options.log.error : options.log.warn;
  note('stow refused', {
    door: 'stow',
    code: error.code,
    status,
    ...(error.class === 'bug' && { where: frames(error) }),
  });
  if (res.destroyed || error.code === 'sender-gone') return void res.destroy();
  if (status === 503) res.set('Retry-After', String(options.retryAfterSeconds ?? 30));
  const { code, message, remedy, where } = error;
  const body = Buffer.from(
    JSON.stringify({ code, message: status === 500 ? 'internal error' : message, remedy, where }),
  );
  res.status(status).set({ 'Content-Type': 'application/problem+json', 'Content-Length': String(body.length) });
  if (!req.complete) res.set('Connection', 'close');
  res.write(body);
  // With its length known the answer is complete for the sender now; closing at once could reset it away unread.
  await swallow(req, 8 << 20, 2000);
  res.end();
}

function log(to: Log, outcomes: readonly Outcome[], status: number, began: number): void {
  for (const o of outcomes) {
    if (o.kind === 'stored') continue;
    const { code, where = '' } = o.error;
    if (code === 'internal') to.error('instance refused', { door: 'stow', code, where: frames(o.error) });
    else to.warn('instance refused', { door: 'stow', code, where });
  }
  to.info('stow', { door: 'stow', status, count: outcomes.length, ms: Math.round(performance.now() - began) });
}

/** Where a defect came from, without its message, which might hold words of a data set. */
function frames(error: PlumblineError): string {
  const stack = (error.cause instanceof Error ? error.cause.stack : error.stack) ?? '';
  return stack
    .split('\n')
    .filter((line) => line.startsWith('    at '))
    .slice(0, 6)
    .join('');
}

function intakeLimits(limits: StowLimits): IntakeLimits {
  return { requestBytes: limits.maxRequestBytes, idleSeconds: limits.idleSeconds, bytesPerSecond: 1024 };
}

function multipartLimits(limits: StowLimits): { parts: number; headerBytes: number; partBytes: number } {
  return { parts: limits.maxParts, headerBytes: limits.maxHeaderBytes, partBytes: limits.maxPartBytes };
}
