import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { tempFolder } from '../builders/program.ts';

/** A small file system of its own, which can really be full. */
export interface Volume {
  readonly dir: string;
  /** Write until no more than so many bytes are free. */
  fill(leave: number): void;
  /** Make empty files until there is room for no further one. @returns how many */
  fillWithFiles(): number;
  /** Take away what `fill` and `fillWithFiles` wrote. */
  clear(): void;
  remove(): void;
}

/** @returns undefined where this process may not mount (it is not root, or in a container without the right) */
export function mountVolume(megabytes: number, inodes: number): Volume | undefined {
  const dir = tempFolder('volume');
  const options = `size=${megabytes}m,nr_inodes=${inodes}`;
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', dir]).status !== 0) {
    rmSync(dir, { recursive: true, force: true });
    return undefined;
  }
  const filler = join(dir, 'filler');
  return {
    dir,
    fill: (leave) => {
      mkdirSync(filler, { recursive: true });
      const file = openSync(join(filler, 'bytes'), 'a');
      try {
        for (let free = freeBytes(dir); free > leave; free = freeBytes(dir))
          writeSync(file, Buffer.alloc(Math.min(1 << 20, free - leave)));
      } catch (e) {
        if ((e as NodeJS.ErrnoException).code !== 'ENOSPC') throw e;
      } finally {
        closeSync(file);
      }
    },
    fillWithFiles: () => {
      mkdirSync(filler, { recursive: true });
      for (let n = 0; ; n++) {
        try {
          writeFileSync(join(filler, String(n)), '');
        } catch (e) {
          if ((e as NodeJS.ErrnoException).code === 'ENOSPC') return n;
          throw e;
        }
      }
    },
    clear: () => rmSync(filler, { recursive: true, force: true }),
    remove: () => {
      const { status, stderr } = spawnSync('umount', [dir], { encoding: 'utf8' });
      if (status !== 0) throw new Error(`cannot unmount ${dir}: ${stderr}`);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export function freeBytes(dir: string): number {
  const { bavail, bsize } = statfsSync(dir);
  return bavail * bsize;
}
