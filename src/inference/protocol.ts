import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Answer, ErrorCode, Notice, Picture } from '../base/index.ts';
import type { Provider } from './graphs.ts';
import type { ModelOptions } from './loop.ts';
import type { Manifest } from './manifest.ts';
import type { Question } from './prompt.ts';

/** What the parent says to the model's process. */
export type Order =
  | { readonly kind: 'open'; readonly dir: string; readonly manifest: Manifest; readonly options: ModelOptions }
  | { readonly kind: 'answer'; readonly picture: Carried<Picture>; readonly questions: readonly Question[] };

/** What it answers: one to each order. */
export type Reply =
  | { readonly kind: 'opened'; readonly provider: Provider; readonly notices: readonly Notice[] }
  | { readonly kind: 'answered'; readonly answers: Carried<readonly Answer[]> }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string; readonly where?: string };

/** A value as a message: its byte arrays inside, or, where they are large, in a file beside it. */
export interface Carried<T> {
  readonly value: T;
  readonly file?: string;
  /** Byte counts of the arrays in the file, in the order of the walk. */
  readonly sizes?: readonly number[];
}

/** Above this many bytes a message goes by file: a pipe takes 100 ms for what a file takes 10. */
const large = 4 << 20;

/** Put the byte arrays of `value` into a file in `folder` where they are large; else leave them in. */
export async function carry<T>(value: T, folder: string, name: string): Promise<Carried<T>> {
  const arrays: Uint8Array[] = [];
  const bare = replaceArrays(value, (bytes) => {
    arrays.push(bytes);
    return new Uint8Array(0);
  });
  if (arrays.reduce((sum, a) => sum + a.length, 0) <= large) return { value };
  const file = join(folder, name);
  await writeFile(file, arrays, { mode: 0o600 });
  return { value: bare, file, sizes: arrays.map((a) => a.length) };
}

/** The value again; its file is removed. */
export async function unpack<T>({ value, file, sizes }: Carried<T>): Promise<T> {
  if (!file) return value;
  const bytes = await readFile(file);
  await rm(file);
  let at = 0;
  let i = 0;
  return replaceArrays(value, () => bytes.subarray(at, (at += sizes![i++]!)));
}

function replaceArrays<T>(value: T, by: (bytes: Uint8Array) => Uint8Array): T {
  if (value instanceof Uint8Array) return by(value) as T;
  if (Array.isArray(value)) return value.map((v: unknown) => replaceArrays(v, by)) as T;
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, v]) => [key, replaceArrays<unknown>(v, by)])) as T;
}
