import type { Request, RequestHandler } from 'express';
import type { Guard, Identity } from '../access/index.ts';
import type { AuditEvent, AuditLog } from '../audit/index.ts';
import { PlumblineError } from '../base/index.ts';

export interface AuditedOptions {
  readonly audit: AuditLog;
  readonly identityOf: Guard['identityOf'];
  /** The study that a draft is of. */
  readonly studyOf: (workitem: string) => Promise<string | undefined>;
}

/**
 * Tells the audit of every read of patient data: searches, retrieves, pages. What is told is what was answered, also where
 * the reader hung up before the end. Where reads cannot be recorded any more, none is answered (503).
 */
export function auditReads({ audit, identityOf, studyOf }: AuditedOptions): RequestHandler {
  return async (req, res, next) => {
    const read = readOf(req);
    if (!read) return next();
    if (audit.behind !== undefined) throw new PlumblineError('audit-behind', audit.behind);
    const study = read.workitem === undefined ? read.study : await studyOf(read.workitem);
    const { kind, action, door, query } = read;
    const about = { kind, action, door, who: identityOf(req).name, from: req.ip ?? '' };
    res.once('close', () => {
      const outcome = res.statusCode < 400 ? 0 : res.statusCode < 500 ? 4 : 8;
      audit.note({ ...about, outcome, ...(study !== undefined && { study }), ...(query !== undefined && { query }) });
    });
    next();
  };
}

type Read = Pick<AuditEvent, 'kind' | 'action' | 'door' | 'study' | 'query'> & { readonly workitem?: string };

/**
 * A retrieve is a transfer (PS3.15 A.5.3.7), a page an access (A.5.3.6), a list a query (A.5.3.10), whose words may hold a
 * name and are kept in the audit only.
 */
function readOf({ method, path, originalUrl }: Request): Read | undefined {
  if (method !== 'GET' && method !== 'HEAD') return undefined;
  const parts = path.split('/').filter((p) => p !== '');
  if (parts[0]?.toLowerCase() === 'dicom-web') {
    const study = parts[1]?.toLowerCase() === 'studies' ? parts[2] : undefined;
    const isSearch = ['studies', 'series', 'instances'].includes(parts.at(-1)?.toLowerCase() ?? '');
    if (isSearch) return { kind: 'query', action: 'E', door: 'dicomweb', query: originalUrl, ...(study && { study }) };
    return { kind: 'transferred', action: 'R', door: 'dicomweb', ...(study && { study }) };
  }
  const page = parts[0] === 'api' ? parts.slice(1) : parts;
  if (page[0] === 'studies' && page[1] !== undefined)
    return { kind: 'accessed', action: 'R', door: 'pages', study: page[1] };
  if (page[0] === 'drafts' && page[1] !== undefined)
    return { kind: 'accessed', action: 'R', door: 'pages', workitem: page[1] };
  const isList = page.length === 0 || (parts[0] === 'api' && page[0] === 'studies');
  return isList ? { kind: 'query', action: 'E', door: 'pages', query: originalUrl } : undefined;
}

/** Who was not let in: without identity a failed login (PS3.15 A.5.3.12), with one a security alert (A.5.3.11). */
export function auditRefusal(
  audit: AuditLog,
  req: Request,
  identity: Identity | undefined,
  error: PlumblineError,
): void {
  const about = { outcome: 4 as const, door: 'http', from: req.ip ?? '', action: 'E' as const };
  if (!identity) return audit.note({ ...about, kind: 'login', who: 'unknown', detail: error.message });
  audit.note({ ...about, kind: 'alert', who: identity.name, detail: `${req.method} refused: ${error.message}` });
}
