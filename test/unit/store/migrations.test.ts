import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../../src/base/index.ts';
import { migrationsFolder } from '../../../src/store/migrate.ts';

/** Migrations by the release that brought them: a database remembers their digests, so they never change again. */
const released = {
  '0.1.0': {
    '0001-studies.sql': '209eb6da2305f99b0217cd264b499e93bd43c81d223b01668bf344b68c32caec',
    '0002-work.sql': 'bc4e56e0f36a076783d63cb936f54f8d9d66b24831ac7b6d0ef3f5f8886a6620',
    '0010-delivery.sql': '28aae63848af4c3af04198c1cf1aa05e1cae567f5ed8c3d22316a81c4b7a825b',
    '0020-orders.sql': 'f81b5874a4f805f43823ff0397e5a7b68753c5299a913b2da2cb553edfee056d',
  },
} as const;

describe('the migrations', () => {
  it.each(Object.entries(released))('of %s are as they were released', (_version, files) => {
    const now = Object.keys(files).map((name) => [name, sha256(readFileSync(join(migrationsFolder(), name)))]);
    expect(Object.fromEntries(now)).toEqual(files);
  });
});
