/** The messages of one frame: of a batch (2.10.3) each one. */
export interface Unpacked {
  readonly messages: readonly Uint8Array[];
  /** What BTS-1 says, where it says something else. */
  readonly announced?: number;
}

const headers = new Set(['FHS', 'BHS', 'BTS', 'FTS']);

/**
 * Cut a frame before each MSH, on bytes, since every message has its own character set. Bytes without any MSH are one
 * message, to be refused as such; of nothing but line ends there is none.
 */
export function unpackBatch(bytes: Uint8Array): Unpacked {
  const bom = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  const starts: number[] = [];
  const cuts: { readonly at: number; readonly line: string }[] = [];
  for (const at of lineStarts(bytes, bom)) {
    const name = String.fromCharCode(bytes[at] ?? 0, bytes[at + 1] ?? 0, bytes[at + 2] ?? 0);
    if (name === 'MSH') starts.push(at);
    if (name === 'MSH' || headers.has(name))
      cuts.push({ at, line: Buffer.from(bytes.subarray(at, at + 60)).toString('latin1') });
  }
  if (starts.length === 0) return { messages: bytes.every((b) => b === 0x0d || b === 0x0a) ? [] : [bytes] };
  const messages = starts.map((start) => bytes.subarray(start, cuts.find((c) => c.at > start)?.at ?? bytes.length));
  // A byte order mark speaks for the first message, whose decoder looks for it.
  if (bom > 0 && starts[0] === bom) messages[0] = bytes.subarray(0, bom + messages[0]!.length);
  const trailer = cuts.find((c) => c.line.startsWith('BTS'))?.line.split(/[\r\n]/)[0] ?? '';
  const announced = Number(/^BTS.(\d+)/.exec(trailer)?.[1] ?? messages.length);
  return { messages, ...(announced === messages.length ? {} : { announced }) };
}

function* lineStarts(bytes: Uint8Array, from: number): Generator<number> {
  let fresh = true;
  for (let at = from; at < bytes.length; at++) {
    const end = bytes[at] === 0x0d || bytes[at] === 0x0a;
    if (fresh && !end) yield at;
    fresh = end;
  }
}
