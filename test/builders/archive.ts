/** A small DICOMweb archive (STOW-RS, QIDO-RS of instances, WADO-RS of one instance) that misbehaves on demand. */
import express, { type Request, type Response } from 'express';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspectPart10 } from '../../src/dicom/index.ts';
import { multipartBody } from './multipart.ts';

/** What happens with one request instead of the right answer. */
export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON where it is an object. */
  readonly body?: string | object;
  /** The connection ends in the middle of the answer. */
  readonly cut?: true;
  /** No answer at all. */
  readonly silent?: true;
  /** STOW-RS: stored all the same. Default: true for 2xx without a body of its own. */
  readonly stores?: boolean;
}

export interface Archive {
  /** Service root. */
  readonly url: string;
  /** Requests seen, by service. */
  readonly requests: readonly ('stow' | 'qido' | 'wado')[];
  readonly stored: ReadonlyMap<string, Uint8Array>;
  /** Answers to the next requests of a service, one each; then it behaves. */
  next(service: 'stow' | 'qido' | 'wado', ...answers: readonly Answer[]): void;
  /** What WADO-RS gives out in place of what was stored. @param accept the Accept header */
  retrieve: ((file: Uint8Array, accept: string) => Uint8Array | Answer) | undefined;
  put(file: Uint8Array): void;
  stop(): Promise<void>;
}

/** PS3.18 10.5.3: the answer of a store request for one instance. */
export function storeAnswer(failureReason?: number): object {
  const item = { '00081155': { vr: 'UI', Value: ['1.2.3'] } };
  if (failureReason === undefined)
    // Orthanc: on success there is a Failed SOP Sequence too, without items.
    return { '00081198': { vr: 'SQ' }, '00081199': { vr: 'SQ', Value: [item] } };
  const failed = { ...item, '00081197': { vr: 'US', Value: [failureReason] } };
  return { '00081198': { vr: 'SQ', Value: [failed] } };
}

export async function startArchive(): Promise<Archive> {
  const stored = new Map<string, Uint8Array>();
  const requests: ('stow' | 'qido' | 'wado')[] = [];
  const queues = { stow: [] as Answer[], qido: [] as Answer[], wado: [] as Answer[] };
  const archive = { retrieve: undefined as Archive['retrieve'] };
  const put = (file: Uint8Array): void => void stored.set(inspectPart10(file).instanceUid, file);
  const app = express();
  app.use(express.raw({ type: () => true, limit: '64mb' }));
  const series = '/dicom-web/studies/:study/series/:series/instances';

  app.post('/dicom-web/studies', (req: Request, res: Response) => {
    requests.push('stow');
    const answer = queues.stow.shift() ?? {};
    if (answer.stores ?? (answer.body === undefined && (answer.status ?? 200) < 300)) put(onlyPart(req.body as Buffer));
    send(res, { body: storeAnswer(), ...answer }, 'application/dicom+json');
  });
  app.get(series, (req: Request, res: Response) => {
    requests.push('qido');
    const uid = String(req.query['SOPInstanceUID']);
    const rows = stored.has(uid) ? [{ '00080018': { vr: 'UI', Value: [uid] } }] : [];
    const right = rows.length === 0 ? { status: 204, body: '' } : { body: rows };
    send(res, queues.qido.shift() ?? right, 'application/dicom+json');
  });
  app.get(`${series}/:instance`, (req: Request, res: Response) => {
    requests.push('wado');
    const queued = queues.wado.shift();
    if (queued) return send(res, queued, 'text/plain');
    const file = stored.get(String(req.params['instance']));
    if (!file) return send(res, { status: 404, body: '' }, 'text/plain');
    const given = archive.retrieve?.(file, req.get('accept') ?? '') ?? file;
    if (!(given instanceof Uint8Array)) return send(res, given, 'text/plain');
    res.type('multipart/related; type="application/dicom"; boundary="an-archive"');
    res.send(multipartBody('an-archive', [{ headers: { 'Content-Type': 'application/dicom' }, body: given }]));
  });

  const server = await new Promise<Server>((up) => {
    const started: Server = app.listen(0, '127.0.0.1', () => up(started));
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/dicom-web`,
    requests,
    stored,
    next: (service, ...answers) => void queues[service].push(...answers),
    get retrieve() {
      return archive.retrieve;
    },
    set retrieve(value) {
      archive.retrieve = value;
    },
    put,
    stop: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}

function send(res: Response, answer: Answer, type: string): void {
  if (answer.silent) return;
  const { status = 200, headers = {}, body = '' } = answer;
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  res.status(status).type(type).set(headers);
  if (!answer.cut) return void res.send(text);
  res.set('Content-Length', String(text.length + 100)).write(text);
  res.socket?.destroySoon();
}

/** The body of the only part. */
function onlyPart(body: Buffer): Buffer {
  const boundary = body.subarray(0, body.indexOf('\r\n')).toString();
  return body.subarray(body.indexOf('\r\n\r\n') + 4, body.lastIndexOf(`\r\n${boundary}--`));
}
