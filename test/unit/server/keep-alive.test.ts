import { expect, it } from 'vitest';
import { parseConfig, silentLog } from '../../../src/base/index.ts';
import { serve } from '../../../src/server/index.ts';
import { tempFolder } from '../../builders/program.ts';

it('keeps an idle connection longer than proxies and clients do, so that none is closed under a request', async () => {
  const dataDir = tempFolder('keep-alive');
  const gateway = await serve(parseConfig(JSON.stringify({ http: { port: 0 } }), 'test', dataDir), silentLog);
  try {
    const { headers } = await fetch(`${gateway.url}/health`);
    expect(Number(/timeout=(\d+)/.exec(headers.get('keep-alive') ?? '')?.[1])).toBeGreaterThan(60);
  } finally {
    await gateway.stop({ abort: true });
  }
});
