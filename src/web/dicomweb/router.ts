import express, { type Request, type RequestHandler, type Response, type Router } from 'express';
import type { Decoder } from '../../imaging/index.ts';
import type { Blobs } from '../../store/index.ts';
import type { StoredInstance, Studies } from '../../studies/index.ts';
import { sendValue } from './bulk.ts';
import { createCache } from './cache.ts';
import { sendFrames, sendPixels, type FrameSource, type OpenFile } from './frames.ts';
import { sendMetadata, type Metadata } from './metadata.ts';
import { searchAnswer, type Level } from './qido.ts';
import { sendRendered } from './rendered.ts';
import { namedInstance, namedInstances } from './resources.ts';
import { sendInstances } from './retrieve.ts';

export interface DicomwebOptions {
  readonly studies: Studies;
  readonly blobs: Blobs;
  /** For rendered pictures and decoded frames. */
  readonly decoder?: Pick<Decoder, 'decode'>;
  /** Base of URLs in answers, e.g. `https://gateway.example/dicom-web`; default: as the request came. */
  readonly root?: string;
}

const mebibyte = 1 << 20;

/**
 * QIDO-RS and WADO-RS (PS3.18 10.4, 10.6) over everything that is stored: what came in and what the gateway wrote.
 * Reading only; STOW-RS is a door, and nothing is deleted here.
 */
export function dicomwebRouter(options: DicomwebOptions): Router {
  const { studies, blobs } = options;
  const router = express.Router();
  const rootOf = (req: Request): string =>
    options.root ?? `${req.protocol}://${req.get('host') ?? 'localhost'}${req.baseUrl}`;
  const metadata = createCache<Metadata>(64 * mebibyte, (m) => m.json.length * 2);
  const files = createCache<OpenFile>(256 * mebibyte, (f) => f.bytes.length);
  const source: FrameSource = { blobs, files, decoder: options.decoder };

  const search =
    (level: Level): RequestHandler =>
    (req, res) =>
      searchAnswer(studies, level, req, res, rootOf(req));
  const forInstance =
    (send: (instance: StoredInstance, req: Request, res: Response) => Promise<void>): RequestHandler =>
    async (req, res) =>
      send(await namedInstance(studies, req), req, res);

  // What senders put into a file is never taken for a page or a program.
  router.use((_req, res, next) => {
    res.set('X-Content-Type-Options', 'nosniff');
    next();
  });
  router.get('/studies', search('study'));
  router.get(['/series', '/studies/:study/series'], search('series'));
  router.get(
    ['/instances', '/studies/:study/instances', '/studies/:study/series/:series/instances'],
    search('instance'),
  );

  const study = '/studies/:study';
  const series = `${study}/series/:series`;
  const instance = `${series}/instances/:instance`;
  router.get([study, series, instance], async (req, res) => {
    await sendInstances(blobs, await namedInstances(studies, req), req, res, rootOf(req));
  });
  router.get(
    [study, series, instance].map((p) => `${p}/metadata`),
    async (req, res) => {
      await sendMetadata(blobs, metadata, await namedInstances(studies, req), req, res, rootOf(req));
    },
  );
  router.get(
    `${instance}/frames/:frames`,
    forInstance((i, req, res) => sendFrames(source, i, req, res, rootOf(req))),
  );
  router.get(
    [`${instance}/rendered`, `${instance}/frames/:frames/rendered`],
    forInstance((i, req, res) => sendRendered(source, i, req, res)),
  );
  router.get(
    [`${instance}/thumbnail`, `${instance}/frames/:frames/thumbnail`],
    forInstance((i, req, res) => sendRendered(source, i, req, res, 128)),
  );
  router.get(
    `${instance}/bulkdata/:tag`,
    forInstance((i, req, res) =>
      /^7FE000(10|08|09)$/i.test(String(req.params['tag']))
        ? sendPixels(source, i, req, res, rootOf(req))
        : sendValue(blobs, i, req, res, rootOf(req)),
    ),
  );
  return router;
}
