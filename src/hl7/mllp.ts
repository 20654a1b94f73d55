const vt = 0x0b;
const fs = 0x1c;
const cr = 0x0d;

/** What came out of the stream. `dropped` bytes belong to no message; a person may want to know. */
export type MllpEvent =
  | { readonly kind: 'frame'; readonly bytes: Uint8Array }
  | { readonly kind: 'dropped'; readonly bytes: number; readonly why: 'outside' | 'restarted' | 'too-large' };

export interface MllpDecoder {
  /** Take the next bytes, however they are cut. */
  push(chunk: Uint8Array): MllpEvent[];
  /** The sender waits: a frame whose end block lacks its carriage return counts as whole. */
  settle(): MllpEvent[];
  /** Bytes of a frame that has begun. */
  readonly pending: number;
  /** Whether only the carriage return after the end block is missing. */
  readonly ending: boolean;
}

/**
 * MLLP release 1 (HL7 v2 transport specification): VT, message, FS, CR. A state machine over bytes, so that the cuts of
 * TCP never matter. What stands outside a frame is dropped and counted; a VT inside a frame means that the sender began
 * again; FS within a message is content unless CR, or the VT of the next frame, follows.
 * @param maxBytes of one message; a longer one is dropped up to its end
 */
export function createMllpDecoder({ maxBytes }: { readonly maxBytes: number }): MllpDecoder {
  let state: 'outside' | 'inside' | 'after-fs' | 'skipping' | 'skipping-fs' = 'outside';
  let parts: Uint8Array[] = [];
  let length = 0;
  let outside = 0;

  const push = (chunk: Uint8Array): MllpEvent[] => {
    const events: MllpEvent[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (state === 'outside') at = seek(chunk, at, events);
      else if (state === 'inside') at = collect(chunk, at, events);
      else if (state === 'after-fs') at = endOrContent(chunk, at, events);
      else at = skip(chunk, at);
    }
    if (outside > 0) {
      events.push({ kind: 'dropped', bytes: outside, why: 'outside' });
      outside = 0;
    }
    return events;
  };

  const begin = (): void => {
    state = 'inside';
    parts = [];
    length = 0;
  };

  const seek = (chunk: Uint8Array, at: number, events: MllpEvent[]): number => {
    const start = chunk.indexOf(vt, at);
    outside += (start < 0 ? chunk.length : start) - at;
    if (start < 0) return chunk.length;
    if (outside > 0) events.push({ kind: 'dropped', bytes: outside, why: 'outside' });
    outside = 0;
    begin();
    return start + 1;
  };

  const add = (bytes: Uint8Array, events: MllpEvent[]): void => {
    parts.push(bytes.slice());
    length += bytes.length;
    if (length <= maxBytes) return;
    events.push({ kind: 'dropped', bytes: length, why: 'too-large' });
    parts = [];
    length = 0;
    state = 'skipping';
  };

  const collect = (chunk: Uint8Array, at: number, events: MllpEvent[]): number => {
    let end = at;
    while (end < chunk.length && chunk[end] !== fs && chunk[end] !== vt) end++;
    if (end > at) add(chunk.subarray(at, end), events);
    if (state !== 'inside' || end === chunk.length) return end;
    if (chunk[end] === fs) state = 'after-fs';
    else {
      events.push({ kind: 'dropped', bytes: length, why: 'restarted' });
      begin();
    }
    return end + 1;
  };

  const finish = (events: MllpEvent[]): void => {
    events.push({ kind: 'frame', bytes: Buffer.concat(parts) });
    state = 'outside';
    parts = [];
    length = 0;
  };

  const endOrContent = (chunk: Uint8Array, at: number, events: MllpEvent[]): number => {
    if (chunk[at] === cr) {
      finish(events);
      return at + 1;
    }
    if (chunk[at] === vt) {
      finish(events);
      return at;
    }
    state = 'inside';
    add(Uint8Array.of(fs), events);
    return at;
  };

  const skip = (chunk: Uint8Array, at: number): number => {
    const byte = chunk[at];
    if (byte === vt) begin();
    else if (state === 'skipping-fs' && byte === cr) state = 'outside';
    else state = byte === fs ? 'skipping-fs' : 'skipping';
    return at + 1;
  };

  return {
    push,
    settle: () => {
      const events: MllpEvent[] = [];
      if (state === 'after-fs') finish(events);
      return events;
    },
    get pending() {
      return length;
    },
    get ending() {
      return state === 'after-fs';
    },
  };
}

/** One message as an MLLP frame. */
export function mllpFrame(message: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(vt), message, Uint8Array.of(fs, cr)]);
}
