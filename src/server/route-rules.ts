import type { RouteRule } from '../access/index.ts';

const study = '/dicom-web/studies/:study';
const series = `${study}/series/:series`;
const instance = `${series}/instances/:instance`;

const reads = (...paths: readonly string[]): RouteRule[] =>
  paths.map((path) => ({ methods: ['get'], path, needs: 'read' }));

/**
 * Every route of the HTTP server, and what it needs. A route without a line here is answered 404, whoever asks; a test
 * holds the table against the routers. Methods: `get` is HEAD too.
 */
export const routeRules: readonly RouteRule[] = [
  { methods: ['get'], path: '/health', needs: 'open' },
  { methods: ['get'], path: '/health/live', needs: 'open' },
  { methods: ['get'], path: '/health/ready', needs: 'open' },
  { methods: ['get'], path: '/metrics', needs: 'metrics' },
  { methods: ['post'], path: '/dicom-web/studies', needs: 'stow' },
  { methods: ['post'], path: study, needs: 'stow' },
  ...reads('/dicom-web/studies', '/dicom-web/series', '/dicom-web/instances'),
  ...reads(study, `${study}/series`, `${study}/instances`, `${study}/metadata`),
  ...reads(series, `${series}/instances`, `${series}/metadata`),
  ...reads(instance, `${instance}/metadata`, `${instance}/rendered`, `${instance}/thumbnail`),
  ...reads(`${instance}/frames/:frames`, `${instance}/frames/:frames/rendered`, `${instance}/frames/:frames/thumbnail`),
  ...reads(`${instance}/bulkdata/:tag`),
  ...reads('/', '/studies/:study', '/drafts/:key/:file', '/assets/plumbline.css'),
  ...reads('/api/studies', '/api/studies/:study'),
  { methods: ['post'], path: '/api/studies/:study/questions', needs: 'jobs' },
];
