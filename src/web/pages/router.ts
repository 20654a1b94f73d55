import express, { type Request, type Response, type Router } from 'express';
import helmet from 'helmet';
import { isUid, PlumblineError } from '../../base/index.ts';
import type { Studies } from '../../studies/index.ts';
import type { DraftFiles } from '../drafts.ts';
import { styleSheet } from './layout.ts';
import { listPage, type ListedStudy } from './list.ts';
import { studyPage } from './study.ts';

export interface PagesOptions {
  readonly studies: Studies;
  readonly drafts: DraftFiles;
  /** Path at which the DICOMweb router is mounted. Default `/dicom-web`. */
  readonly dicomweb?: string;
}

const pageSize = 25;

/**
 * Pages for people and the same facts as JSON: `/`, `/studies/{study}`, `/drafts/{key}/{file}`, `/api/studies`,
 * `/api/studies/{study}`. No script anywhere; a report keeps its own stricter policy and is shown in a sandbox.
 */
export function pagesRouter(options: PagesOptions): Router {
  const router = express.Router();
  const { studies, drafts, dicomweb = '/dicom-web' } = options;
  router.use(securityHeaders());

  router.get('/assets/plumbline.css', (_req, res) => {
    res.set('Cache-Control', 'public, max-age=300').type('text/css').send(styleSheet);
  });
  router.get('/', async (req, res) => {
    const offset = offsetOf(req);
    sendPage(res, listPage(await listed(studies, drafts, offset), offset, pageSize));
  });
  router.get('/studies/:study', async (req, res) => {
    sendPage(res, studyPage({ ...(await shown(studies, drafts, req.params.study)), dicomweb }));
  });
  router.get('/drafts/:key/:file', async (req, res) => {
    const { key, file } = req.params;
    const bytes = /^[0-9a-f]{64}$/.test(key) && isFileName(file) ? await drafts.file(key, file) : undefined;
    if (!bytes) throw new PlumblineError('not-found', 'no such draft or file');
    sendDraftFile(res, file, bytes);
  });
  router.get('/api/studies', async (req, res) => {
    const list = await listed(studies, drafts, offsetOf(req));
    res.json(list.map((s) => ({ ...s.row, drafts: s.drafts })));
  });
  router.get('/api/studies/:study', async (req, res) => {
    const { row, drafts: list, timeline } = await shown(studies, drafts, req.params.study);
    res.json({ ...row, drafts: list, timeline });
  });
  return router;
}

/** Nothing but our own style sheet, pictures inside a page, and our own report in a frame. */
function securityHeaders(): ReturnType<typeof helmet> {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        'default-src': ["'none'"],
        'style-src': ["'self'"],
        'img-src': ["'self'", 'data:'],
        'frame-src': ["'self'"],
        'base-uri': ["'none'"],
        'form-action': ["'none'"],
        'frame-ancestors': ["'self'"],
      },
    },
    // Plain HTTP on loopback; a proxy with TLS sets it.
    strictTransportSecurity: false,
    referrerPolicy: { policy: 'no-referrer' },
  });
}

const reportPolicy =
  "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox";

async function listed(studies: Studies, drafts: DraftFiles, offset: number): Promise<ListedStudy[]> {
  const rows = await studies.studies(pageSize, offset);
  return Promise.all(
    rows.map(async (row) => {
      // What came in says what the study is; our own SEG and SR, a few, stand among it.
      const some = await studies.search('instance', { studyUid: row.studyUid, match: [], limit: 20, offset: 0 });
      const sample = (some.find((i) => i.first.origin === 'received') ?? some[0])?.first;
      return { row, sample, drafts: await drafts.list(10, row.studyUid) };
    }),
  );
}

async function shown(
  studies: Studies,
  drafts: DraftFiles,
  studyUid: string,
): Promise<Omit<Parameters<typeof studyPage>[0], 'dicomweb'>> {
  const row = isUid(studyUid) ? await studies.study(studyUid) : undefined;
  if (!row) throw new PlumblineError('not-found', 'no such study');
  const [instances, list, timeline] = await Promise.all([
    studies.instances(studyUid),
    drafts.list(100, studyUid),
    drafts.timeline(studyUid),
  ]);
  return { row, instances, drafts: list, timeline };
}

function offsetOf(req: Request): number {
  const { offset = '0' } = req.query;
  if (typeof offset === 'string' && /^\d{1,9}$/.test(offset)) return Number(offset);
  throw new PlumblineError('query-invalid', 'offset is no number');
}

function sendPage(res: Response, markup: string): void {
  res.set('Cache-Control', 'no-store').type('html').send(markup);
}

function isFileName(name: string): boolean {
  return /^[a-z0-9][a-z0-9-]*\.[a-z0-9]+$/.test(name);
}

/** A report is shown, everything else is a download; nothing is sniffed. */
function sendDraftFile(res: Response, name: string, bytes: Uint8Array): void {
  const kind = name.slice(name.lastIndexOf('.') + 1);
  const types: Readonly<Record<string, string>> = {
    html: 'text/html; charset=utf-8',
    json: 'application/json',
    dcm: 'application/dicom',
  };
  if (kind === 'html') res.set('Content-Security-Policy', reportPolicy);
  else if (kind !== 'json') res.set('Content-Disposition', `attachment; filename="${name}"`);
  res.set('Cache-Control', 'no-store').set('Content-Type', types[kind] ?? 'application/octet-stream');
  res.send(Buffer.from(bytes));
}
