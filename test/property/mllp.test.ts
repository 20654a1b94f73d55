import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openHl7Listener, type Hl7Door } from '../../src/doors/hl7/index.ts';
import { answered, doorDefaults, orm, testDoor, type TestDoor } from '../builders/hl7.ts';
import { ask, dial, frame } from '../builders/hl7-receiver.ts';

/** fast-check prints the seed and the shrunk stream of a failure. */
let store: TestDoor;
let door: Hl7Door;

beforeAll(async () => {
  store = await testDoor();
  door = await openHl7Listener({
    ...doorDefaults,
    studies: store.studies,
    now: () => new Date(store.clock.now()),
    host: '127.0.0.1',
    port: 0,
    maxBytes: 2000,
    idleMs: 1000,
    endMs: 20,
    maxConnections: 200,
    maxInFlight: 4,
  });
});
afterAll(async () => {
  await door.stop();
  await store.remove();
});

let serial = 0;
const order = (): { id: string; text: string } => {
  const id = `M${++serial}`;
  return { id, text: orm({ id, placer: id, filler: id, accession: id }) };
};

/** One piece of a stream, and whether a whole good message comes out of it. */
type Piece =
  | { readonly kind: 'good' | 'cut-frame' | 'no-cr' | 'twice-begun' | 'fs-inside' }
  | { readonly kind: 'garbage'; readonly bytes: Uint8Array };

const piece: fc.Arbitrary<Piece> = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ kind: 'good' } as const) },
  fc.constantFrom(...(['cut-frame', 'no-cr', 'twice-begun', 'fs-inside'] as const)).map((kind) => ({ kind })),
  // What may stand between frames: anything but a VT, which would begin one.
  fc
    .uint8Array({ minLength: 1, maxLength: 12 })
    .map((bytes) => ({ kind: 'garbage' as const, bytes: bytes.map((b) => (b === 0x0b ? 0x0a : b)) })),
);

/** The bytes of a stream, and the control ids whose messages are whole in it, in order. */
function streamOf(pieces: readonly Piece[]): { readonly bytes: Buffer; readonly whole: string[] } {
  const parts: Buffer[] = [];
  const whole: string[] = [];
  for (const p of pieces) {
    if (p.kind === 'garbage') {
      parts.push(Buffer.from(p.bytes));
      continue;
    }
    const { id, text } = order();
    const good = frame(text);
    if (p.kind === 'good') parts.push(Buffer.from(good));
    // The VT of the next frame ends it.
    if (p.kind === 'no-cr') parts.push(Buffer.from(good.slice(0, -1)));
    if (p.kind === 'twice-begun') parts.push(Buffer.from(`\x0b${text.slice(0, 40)}${good}`));
    if (p.kind === 'fs-inside') parts.push(Buffer.from(good.replace('DOE', 'D\x1cE')));
    // Without its end it is dropped where the next begins.
    if (p.kind === 'cut-frame') parts.push(Buffer.from(good.slice(0, 60)));
    if (p.kind !== 'cut-frame') whole.push(id);
  }
  return { bytes: Buffer.concat(parts), whole };
}

it(
  'answers each whole message of a stream once and in order, whatever stands around it and wherever it is cut',
  { timeout: 60_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 8 }),
        fc.array(fc.nat(4000), { maxLength: 6 }),
        async (pieces, cuts) => {
          // A first good message shows that the sender speaks MLLP, a last one ends what was left open.
          const { bytes, whole } = streamOf([{ kind: 'good' }, ...orderly(pieces), { kind: 'good' }]);
          const at = [0, ...cuts.map((c) => c % bytes.length).toSorted((a, b) => a - b), bytes.length];
          const socket = await dial(door.port);
          const answers = await ask(socket, at.slice(1).map((end, i) => bytes.subarray(at[i], end)), whole.length); // prettier-ignore
          socket.destroy();
          expect(answers.map((a) => `${answered(a).code} ${answered(a).controlId}`)).toEqual(whole.map((id) => `AA ${id}`)); // prettier-ignore
        },
      ),
      { numRuns: 60 },
    );
  },
);

/** Garbage right after a frame without its CR would be content of that frame, until the next VT: not what is asked here. */
function orderly(pieces: readonly Piece[]): Piece[] {
  return pieces.filter((p, i) => p.kind !== 'garbage' || !['no-cr', 'cut-frame'].includes(pieces[i - 1]?.kind ?? ''));
}

it('takes a good message on a new connection after any bytes at all', { timeout: 60_000 }, async () => {
  const marks = fc.constantFrom(0x0b, 0x1c, 0x0d, 0x0a, 0x00, 0xff, ...Buffer.from('MSH|^~\\&'));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(marks, fc.nat(255)), { maxLength: 3000 }), async (bytes) => {
      const hostile = await dial(door.port);
      hostile.write(Uint8Array.from(bytes));
      const { id, text } = order();
      const socket = await dial(door.port);
      const [answer] = await ask(socket, [frame(text)], 1);
      expect(answered(answer ?? 'MSH')).toMatchObject({ code: 'AA', controlId: id });
      hostile.destroy();
      socket.destroy();
    }),
    { numRuns: 60 },
  );
});
