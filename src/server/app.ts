import express, { type Express, type Router } from 'express';
import type { Guard } from '../access/index.ts';
import { PlumblineError } from '../base/index.ts';
import { questionsRouter } from '../doors/questions/index.ts';
import { stowRouter } from '../doors/stow/index.ts';
import { cors, dicomwebRouter, pagesRouter, problemAnswer } from '../web/index.ts';
import { askStudy } from './ask.ts';
import { auditReads } from './audited.ts';
import { draftFiles } from './drafts.ts';
import type { Health } from './health.ts';
import { countAnswers, operationsRouter } from './operations.ts';
import type { Rooms } from './wire.ts';

/** A router and where it stands. */
export interface Mount {
  readonly path: string;
  readonly router: Router;
}

/** More work than this waits: doors answer 503, so that senders slow down instead of a queue growing without bound. */
export const maxWaiting = 10_000;

/** The HTTP side of the gateway: whoever comes passes the guard first, then finds the routers. */
export function makeApp(rooms: Rooms, guard: Guard, health: Health): Express {
  const { http } = rooms.config;
  const app = express();
  app.disable('x-powered-by');
  app.set('trust proxy', [...http.trustedProxies]);
  app.use(countAnswers(rooms));
  app.use(cors(http.corsOrigins));
  app.use(guard.router);
  const studyOf = async (key: string): Promise<string | undefined> => (await rooms.work.get(key))?.studyUid;
  app.use(auditReads({ audit: rooms.audit, identityOf: guard.identityOf, studyOf }));
  for (const { path, router } of mountsOf(rooms, guard, health)) app.use(path, router);
  app.use((_req, _res, next) => next(new PlumblineError('not-found', 'no such page')));
  app.use(problemAnswer(rooms.log));
  return app;
}

/** All routers. Each of their routes has its line in `routeRules`. */
export function mountsOf(rooms: Rooms, { identityOf }: Pick<Guard, 'identityOf'>, health: Health): Mount[] {
  const { config, studies, blobs, inspector, work, reading, audit, log } = rooms;
  let waiting = 0;
  const recount = async (): Promise<number> => {
    const counts = await work.counts();
    return (waiting = counts.ready + counts.waiting);
  };
  const counting = express.Router();
  counting.use(async (req, _res, next) => {
    if (req.method === 'POST') await recount();
    next();
  });
  const stow = stowRouter({
    studies,
    blobs,
    inspector,
    log,
    limits: config.stow,
    reserveBytes: config.store.reserveBytes,
    whoOf: (req) => identityOf(req).name,
    expect: (studyUid, instances) => studies.expect(studyUid, instances),
    overloaded: () => (waiting > maxWaiting ? `${waiting} workitems wait` : undefined),
  });
  const questions = questionsRouter({
    ask: (studyUid, body) => askStudy(rooms, studyUid, body),
    onAsked: (req, study, { key }) => {
      const about = { kind: 'procedure', action: 'C', outcome: 0, door: 'api' } as const;
      audit.note({ ...about, who: identityOf(req).name, from: req.ip ?? '', study, detail: `asked: workitem ${key}` });
    },
    overloaded: async () => ((await recount()) > maxWaiting ? `${waiting} workitems wait` : undefined),
  });
  return [
    { path: '/', router: operationsRouter(rooms, health) },
    { path: '/dicom-web', router: counting },
    { path: '/dicom-web', router: stow },
    { path: '/dicom-web', router: dicomwebRouter({ studies, blobs, decoder: reading.decoder }) },
    { path: '/', router: questions },
    { path: '/', router: pagesRouter({ studies, drafts: draftFiles(rooms) }) },
  ];
}
