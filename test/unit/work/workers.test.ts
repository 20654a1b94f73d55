import { expect, it } from 'vitest';
import { silentLog } from '../../../src/base/index.ts';
import { createWorkers } from '../../../src/work/workers.ts';

it('what is put while a worker looks for work is not slept through', async () => {
  const happened: string[] = [];
  let news = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  const workers = createWorkers({
    concurrency: 1,
    log: silentLog,
    resume: async () => {},
    handOverAll: async () => {},
    news: () => {
      happened.push('listens');
      return news.promise;
    },
    runOne: async () => {
      happened.push('looks');
      if (happened.length > 2) second.resolve();
      // It found nothing, and before it says so something comes.
      news.resolve();
      news = Promise.withResolvers<void>();
      return undefined;
    },
  });
  await second.promise;
  await workers.stop();
  expect(happened.slice(0, 4)).toEqual(['listens', 'looks', 'listens', 'looks']);
});
