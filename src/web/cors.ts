import type { RequestHandler } from 'express';

/**
 * Let viewers of the named origins read and store from a browser (Fetch Standard, CORS protocol). Any other origin gets
 * no header, so its browser refuses. Put before all routers.
 */
export function cors(origins: readonly string[]): RequestHandler {
  return (req, res, next) => {
    const { origin } = req.headers;
    if (origin === undefined) return next();
    res.vary('Origin');
    if (!origins.includes(origin)) return next();
    res.set('Access-Control-Allow-Origin', origin);
    res.set('Access-Control-Expose-Headers', 'Warning, ETag, Content-Location, Content-Length, Retry-After');
    if (req.method !== 'OPTIONS') return next();
    res.set('Access-Control-Allow-Methods', 'GET, POST, OPTIONS');
    res.set('Access-Control-Allow-Headers', 'Accept, Authorization, Content-Type, If-None-Match');
    res.set('Access-Control-Max-Age', '600').status(204).end();
  };
}
