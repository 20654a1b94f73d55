import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { untilRest } from './audit.ts';
import type { Site } from './site.ts';

/**
 * Wait for rest, as `untilRest` does. Workitems that were in hand each time the gateway was killed are held by then
 * (`worker-lost`: one of them may be what ends it); they are released as a person would, by the command, and waited for.
 * @returns how many were released
 * @throws Error where the command refuses, or something still moves in the end
 */
export async function untilReleased(site: Site, studies: number, when: string, seconds?: number): Promise<number> {
  await untilRest(site.dataDir, studies, when, seconds);
  const keys = heldAfterLives(site.dataDir);
  for (const key of keys) {
    const args = ['jobs', 'release', key, '--reason', 'the machine was off and on; the log says nothing of the study'];
    const { code, stderr } = await site.command(args);
    if (code !== 0) throw new Error(`plumbline ${args.join(' ')} ended with ${code}: ${stderr}`);
  }
  if (keys.length > 0) await untilRest(site.dataDir, studies, `${when}, ${keys.length} after release`, seconds);
  return keys.length;
}

function heldAfterLives(dataDir: string): string[] {
  const db = new DatabaseSync(join(dataDir, 'plumbline.db'), { readOnly: true, timeout: 1000 });
  try {
    const rows = db.prepare("SELECT key FROM workitems WHERE state = 'held' AND code = 'worker-lost'").all();
    return rows.map((r) => String(r['key']));
  } finally {
    db.close();
  }
}
