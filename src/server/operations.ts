import express, { type RequestHandler, type Router } from 'express';
import { heldOf } from './backlog.ts';
import type { Health } from './health.ts';
import { version } from './home.ts';
import type { Rooms } from './wire.ts';

/**
 * What watches the gateway: `/health/live`, `/health/ready`, `/health` as a summary, `/metrics` for Prometheus. None of
 * it holds anything of a patient. 503 where it is not ready, with the names of what is wrong.
 */
export function operationsRouter(rooms: Rooms, health: Health): Router {
  const router = express.Router();
  router.get(['/health', '/health/live', '/health/ready', '/metrics'], (_req, res, next) => {
    res.set('Cache-Control', 'no-store');
    next();
  });
  router.get('/health/live', (_req, res) => void res.json(health.live()));
  router.get('/health/ready', async (_req, res) => {
    const readiness = await health.ready();
    res.status(readiness.status === 'not ready' ? 503 : 200).json(readiness);
  });
  router.get('/health', async (_req, res) => {
    const [{ status, checks }, work, studies, deliveries] = await Promise.all([
      health.ready(),
      rooms.work.backlog(),
      rooms.studies.backlog(),
      rooms.delivery.backlog(),
    ]);
    const count = (...states: string[]): number =>
      work.filter((w) => states.includes(w.state)).reduce((sum, w) => sum + w.n, 0);
    const problems = checks.filter((c) => c.state !== 'ok').map((c) => `${c.name}: ${c.message}`);
    const needsPerson = heldOf(studies, work, deliveries).reduce((sum, h) => sum + h.n, 0);
    res.status(status === 'not ready' ? 503 : 200).json({
      status: status === 'ready' ? 'ok' : status,
      version,
      waiting: count('ready', 'waiting'),
      working: count('claimed'),
      needsPerson,
      problems,
    });
  });
  router.get('/metrics', async (_req, res) => {
    const page = await rooms.metrics.print(rooms);
    res.set('Content-Type', rooms.metrics.contentType).send(page);
  });
  return router;
}

/** Counts answers by service and status class. */
export function countAnswers({ metrics }: Pick<Rooms, 'metrics'>): RequestHandler {
  const services = ['dicom-web', 'health', 'metrics', 'api'];
  return (req, res, next) => {
    const first = req.path.split('/')[1] ?? '';
    const service = services.includes(first) ? first : 'pages';
    res.once('finish', () => {
      metrics.httpRequests.inc({ service, status: `${Math.floor(res.statusCode / 100)}xx` });
    });
    next();
  };
}
