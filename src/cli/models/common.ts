import { resolve } from 'node:path';
import type { Config } from '../../base/index.ts';
import { openReading, type Reading } from '../../server/index.ts';
import { configOf } from '../common.ts';

/** Options that all commands of `plumbline models` take. */
export interface ModelOptions {
  readonly models?: string;
  readonly config?: string;
  readonly json?: boolean;
}

export function modelConfig({ models, config: file }: ModelOptions): Config {
  const config = configOf(file, true);
  return models === undefined ? config : { ...config, modelsDir: resolve(models) };
}

/** Do something with what reading needs, and close it. */
export async function withReading(
  options: ModelOptions,
  work: (reading: Reading, config: Config) => Promise<void>,
): Promise<void> {
  const config = modelConfig(options);
  const reading = openReading(config);
  try {
    await work(reading, config);
  } finally {
    await reading.close();
  }
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

export function sayJson(value: unknown): void {
  say(JSON.stringify(value));
}

/** `7.6 MB`. */
export function megabytes(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}
