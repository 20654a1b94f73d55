import express, { type Request, type Response, type Router } from 'express';
import { isUid, PlumblineError, schemaProblems } from '../../base/index.ts';
import { questionSchema, type Asked, type QuestionBody } from './schema.ts';

export interface QuestionsOptions {
  /** Puts the workitem. */
  readonly ask: (studyUid: string, body: QuestionBody) => Promise<Asked>;
  /** Tells the audit who asked. */
  readonly onAsked: (req: Request, studyUid: string, asked: Asked) => void;
  /** Says in words why nothing can be taken now (too much work waits), or undefined. */
  readonly overloaded: () => Promise<string | undefined>;
}

const maxBytes = 64 << 10;

/**
 * `POST /api/studies/{study}/questions`: 202 with the workitem, the same for the same question (`created` or `existing`).
 * 400 not of the schema, or a task, prompt or region that cannot be asked; 404 no such study; 413 more than 64 KiB; 415 not
 * JSON; 422 the study is held; 503 with Retry-After where too much work waits.
 */
export function questionsRouter({ ask, onAsked, overloaded }: QuestionsOptions): Router {
  const router = express.Router();
  router.post('/api/studies/:study/questions', isJson, readJson, async (req, res) => {
    const study = req.params['study'] as string;
    if (!isUid(study)) throw new PlumblineError('not-found', 'no such study');
    const body = checked(req.body);
    const why = await overloaded();
    if (why !== undefined) throw new PlumblineError('busy', why);
    const asked = await ask(study, body);
    onAsked(req, study, asked);
    res.status(202).set('Cache-Control', 'no-store').location(`/drafts/${asked.key}/summary.json`);
    res.json({ study, workitem: asked.key, outcome: asked.outcome });
  });
  return router;
}

/** A form of another site can post text without asking the browser's leave, but no JSON. */
function isJson(req: Request, _res: unknown, next: () => void): void {
  if (!req.is('application/json')) throw new PlumblineError('media-type-unsupported', 'a question is application/json');
  next();
}

const json = express.json({ limit: maxBytes });

function readJson(req: Request, res: Response, next: (e?: unknown) => void): void {
  json(req, res, (thrown?: unknown) => {
    if (thrown === undefined) return next();
    // The parser's own message repeats what it was given.
    const large = (thrown as { readonly status?: number }).status === 413;
    if (large) return next(new PlumblineError('body-too-large', `a question has at most ${maxBytes} bytes`));
    next(new PlumblineError('query-invalid', 'the body is no JSON'));
  });
}

/** @throws PlumblineError query-invalid; the words of the question are not repeated */
function checked(body: unknown): QuestionBody {
  const problems = schemaProblems(questionSchema, body);
  if (problems.length === 0) return body as QuestionBody;
  throw new PlumblineError('query-invalid', problems.map((p) => `${p.path || '/'}: ${p.message}`).join('; '));
}
