import { existsSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import express from 'express';
import { peers } from './index.ts';

export interface Ohif {
  readonly port: number;
  stop(): Promise<void>;
}

/** The built OHIF viewer on loopback, with the configuration file that lies there when it is asked for. Only where `peers.ohif` is defined. */
export async function startOhif(configFile: string): Promise<Ohif> {
  const app = express();
  app.get('/app-config.js', (_req, res) => void res.type('js').send(existsSync(configFile) ? readFileSync(configFile, 'utf8') : '')); // prettier-ignore
  app.use(express.static(peers.ohif!));
  // Paths of the viewer's own: /viewer, /segmentation.
  app.use((_req, res) => void res.type('html').send(readFileSync(join(peers.ohif!, 'index.html'), 'utf8')));
  const server = app.listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  return {
    port: (server.address() as AddressInfo).port,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
