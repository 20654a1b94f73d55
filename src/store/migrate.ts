import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { PlumblineError, sha256 } from '../base/index.ts';

interface Migration {
  readonly number: number;
  readonly name: string;
  readonly text: string;
  readonly digest: string;
}

/**
 * Run the numbered .sql files that this database has not seen yet, each with its row in one transaction.
 * @throws PlumblineError store-version where the database has seen files that this program does not know as they are
 */
export function migrate(db: DatabaseSync, path: string, folder: string = migrationsFolder()): void {
  db.exec(
    'CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL)',
  );
  const known = readMigrations(folder);
  db.exec('BEGIN IMMEDIATE');
  try {
    const seen = db
      .prepare('SELECT number, name, digest FROM migrations ORDER BY number')
      .all() as unknown as Migration[];
    for (const s of seen) refuseUnknown(s, known, path);
    for (const m of known.filter((k) => !seen.some((s) => s.number === k.number))) {
      db.exec(m.text);
      db.prepare('INSERT INTO migrations (number, name, digest) VALUES (?, ?, ?)').run(m.number, m.name, m.digest);
    }
    db.exec('COMMIT');
  } catch (e) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw e;
  }
}

/** What a newer version did cannot be undone here; what is edited is another table than the one that is there. */
function refuseUnknown(seen: Migration, known: readonly Migration[], path: string): void {
  const ours = known.find((k) => k.number === seen.number);
  if (ours?.digest === seen.digest) return;
  const newer = seen.number > known.at(-1)!.number;
  throw new PlumblineError(
    'store-version',
    newer
      ? `a newer version of Plumbline has changed the database (${seen.name}); this one knows ${known.at(-1)!.name} as the last change`
      : `the database was changed by ${seen.name}, which this program does not have as it was then`,
    {
      where: path,
      remedy: newer
        ? 'Start the newer version again, or restore the backup that was made before the upgrade (`plumbline restore`).'
        : 'Install the version again that wrote it, or a newer one; a migration that has run is never edited.',
    },
  );
}

function readMigrations(folder: string): Migration[] {
  const files = readdirSync(folder).filter((f) => /^\d{4}-[a-z0-9-]+\.sql$/.test(f));
  return files.sort().map((name) => {
    const text = readFileSync(join(folder, name), 'utf8');
    return { number: Number(name.slice(0, 4)), name, text, digest: sha256(text) };
  });
}

/** The .sql files stand beside this file in the sources; the compiler does not copy them, so from its output we look upward. */
export function migrationsFolder(from: string = import.meta.dirname): string {
  const beside = join(from, 'migrations');
  if (existsSync(beside)) return beside;
  for (let at = from; dirname(at) !== at; at = dirname(at)) {
    const folder = join(at, 'src', 'store', 'migrations');
    if (existsSync(folder)) return folder;
  }
  throw new PlumblineError('config-missing', 'the folder src/store/migrations is not part of this installation', {
    where: from,
  });
}
