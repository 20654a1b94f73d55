import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { countRepeats, studyId, type Log, type LogFields } from '../../../src/base/index.ts';
import { root } from '../../peers/index.ts';

describe('the log', () => {
  it('names a study by its own id, never by its UID', () => {
    const script = `
      import { createLog } from ${JSON.stringify(join(root, 'src/base/index.ts'))};
      createLog('info').info('study ready', { study: '1.2.840.99.1', count: 3 });`;
    const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    const line = JSON.parse(stderr.trim().split('\n').at(-1)!) as Record<string, unknown>;
    expect(line).toMatchObject({ msg: 'study ready', study: studyId('1.2.840.99.1'), count: 3 });
    expect(stderr).not.toContain('1.2.840.99.1');
  });

  it('gives a study the same id each time, and two studies two', () => {
    expect(studyId('1.2.3')).toMatch(/^s-[0-9a-f]{12}$/);
    expect(studyId('1.2.3')).toBe(studyId('1.2.3'));
    expect(studyId('1.2.3')).not.toBe(studyId('1.2.4'));
  });
});

describe('a warning that repeats', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const collect = (): { readonly lines: string[]; readonly log: Log } => {
    const lines: string[] = [];
    const note =
      (level: string) =>
      (event: string, { door = '', code = '', repeats }: LogFields = {}) =>
        void lines.push(`${level} ${event} ${door} ${code}${repeats === undefined ? '' : ` +${repeats}`}`);
    return { lines, log: { info: note('info'), warn: note('warn'), error: note('error') } };
  };

  it('is written a few times, then counted, and the count is told when the time is over', () => {
    const { lines, log } = collect();
    const quiet = countRepeats(log, { burst: 2, perMs: 1000 });
    for (let n = 0; n < 7; n++) quiet.warn('tls refused', { door: 'orders' });
    expect(lines).toHaveLength(2);
    vi.advanceTimersByTime(1000);
    expect(lines.at(-1)).toBe('warn tls refused orders  +5');
    quiet.warn('tls refused', { door: 'orders' });
    expect(lines).toHaveLength(4);
  });

  it('hides no other kind, and no line that tells what goes on', () => {
    const { lines, log } = collect();
    const quiet = countRepeats(log, { burst: 1, perMs: 1000 });
    for (const code of ['a', 'a', 'b']) quiet.error('refused', { door: 'stow', code });
    quiet.error('refused', { door: 'dimse', code: 'a' });
    for (let n = 0; n < 3; n++) quiet.info('stow');
    expect(lines.filter((l) => l.startsWith('error'))).toHaveLength(3);
    expect(lines.filter((l) => l.startsWith('info'))).toHaveLength(3);
  });

  it('that stays below the limit leaves no line about repeats', () => {
    const { lines, log } = collect();
    countRepeats(log, { burst: 5, perMs: 1000 }).warn('x');
    vi.advanceTimersByTime(5000);
    expect(lines).toEqual(['warn x  ']);
  });
});
