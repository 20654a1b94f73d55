import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMllpDecoder, mllpFrame, type MllpEvent } from '../../../src/hl7/index.ts';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const bytes = (words: string): Uint8Array => Buffer.from(words, 'latin1');
const frames = (events: readonly MllpEvent[]): string[] =>
  events.flatMap((e) => (e.kind === 'frame' ? [text(e.bytes)] : []));
const dropped = (events: readonly MllpEvent[]): (readonly [string, number])[] =>
  events.flatMap((e) => (e.kind === 'dropped' ? [[e.why, e.bytes] as const] : []));

function decode(stream: Uint8Array, cuts: readonly number[] = [], maxBytes = 1000): MllpEvent[] {
  const decoder = createMllpDecoder({ maxBytes });
  const at = [0, ...cuts.toSorted((a, b) => a - b), stream.length];
  return at.slice(1).flatMap((end, i) => decoder.push(stream.subarray(at[i], end)));
}

describe('MLLP frames', () => {
  it('come out the same wherever TCP cuts them', () => {
    const content = fc.array(fc.oneof(fc.integer({ min: 0x20, max: 0xff }), fc.constant(0x0d)), { maxLength: 40 });
    const noise = fc.constantFrom('', '\r\n', '\n', 'junk');
    fc.assert(
      fc.property(
        fc.array(fc.tuple(content, noise), { minLength: 1, maxLength: 6 }),
        fc.array(fc.nat(400), { maxLength: 12 }),
        (messages, cuts) => {
          const stream = Buffer.concat(
            messages.flatMap(([message, between]) => [bytes(between), mllpFrame(Uint8Array.from(message))]),
          );
          const events = decode(
            stream,
            cuts.map((c) => c % (stream.length + 1)),
          );
          expect(frames(events)).toEqual(messages.map(([message]) => text(Uint8Array.from(message))));
          const noiseBytes = messages.reduce((n, [, between]) => n + between.length, 0);
          expect(dropped(events).reduce((n, [, size]) => n + size, 0)).toBe(noiseBytes);
        },
      ),
    );
  });

  it('begin again at a VT inside, which drops the first part', () => {
    const events = decode(bytes('\x0bMSH|half\x0bMSH|whole\x1c\r'));
    expect(frames(events)).toEqual(['MSH|whole']);
    expect(dropped(events)).toEqual([['restarted', 8]]);
  });

  it('may hold an FS that is not followed by CR', () => {
    expect(frames(decode(bytes('\x0ba\x1cb\x1c\r')))).toEqual(['a\x1cb']);
    expect(frames(decode(bytes('\x0ba\x1c\x1c\r')))).toEqual(['a\x1c']);
  });

  it('end without their CR when the sender waits, or begins the next', () => {
    const decoder = createMllpDecoder({ maxBytes: 100 });
    expect(decoder.push(bytes('\x0ba\x1c'))).toEqual([]);
    expect(decoder.ending).toBe(true);
    expect(frames(decoder.settle())).toEqual(['a']);
    expect(frames(decode(bytes('\x0ba\x1c\x0bb\x1c\r')))).toEqual(['a', 'b']);
  });

  it('are never taken while their end is missing', () => {
    const decoder = createMllpDecoder({ maxBytes: 100 });
    expect([...decoder.push(bytes('\x0bMSH|no end')), ...decoder.settle()]).toEqual([]);
    expect(decoder.pending).toBe(10);
  });

  it('are dropped above the size limit, and the next one is taken', () => {
    const stream = bytes(`\x0b${'x'.repeat(2000)}\x1c\r\x0bok\x1c\r`);
    for (const cuts of [[], [500, 1001, 1500, 2001, 2002]]) {
      const events = decode(stream, cuts);
      expect(frames(events)).toEqual(['ok']);
      expect(dropped(events).map(([why]) => why)).toEqual(['too-large']);
    }
  });
});
