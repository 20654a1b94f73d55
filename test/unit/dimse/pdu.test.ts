import { PassThrough } from 'node:stream';
import type { Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PlumblineError } from '../../../src/base/index.ts';
import { createDataCheck, readPdus, requestInOrder } from '../../../src/dimse/pdu.ts';

function pdu(type: number, body: Uint8Array): Buffer {
  const head = Buffer.from([type, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(body.length, 2);
  return Buffer.concat([head, body]);
}

/** PDUs out of a stream that ends, and the error that ended it, if one did. */
async function read(chunks: Iterable<Uint8Array>, patience = 60_000): Promise<{ pdus: Buffer[]; code?: string }> {
  const stream = Object.assign(new PassThrough(), { destroySoon: () => stream.destroy() });
  for (const chunk of chunks) stream.write(chunk);
  if (patience === 60_000) stream.end();
  const pdus: Buffer[] = [];
  try {
    for await (const p of readPdus(stream as unknown as Socket, { maxPduBytes: 4096, patienceMs: () => patience })) {
      pdus.push(Buffer.from(p));
    }
    return { pdus };
  } catch (e) {
    return { pdus, code: (e as PlumblineError).code };
  }
}

const refusal = (work: () => unknown): string | undefined => {
  try {
    work();
    return undefined;
  } catch (e) {
    return (e as PlumblineError).code;
  }
};

describe('PDUs on a wire', () => {
  it('come out whole, however they are cut', async () => {
    const lists = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(lists, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), async (bodies, sizes) => {
        const sent = bodies.map((b) => pdu(4, b));
        const all = Buffer.concat(sent);
        const chunks: Buffer[] = [];
        for (let at = 0, i = 0; at < all.length; i++) {
          const size = sizes[i % sizes.length]!;
          chunks.push(all.subarray(at, at + size));
          at += size;
        }
        const got = await read(chunks);
        expect(got.code).toBeUndefined();
        expect(got.pdus.map(String)).toEqual(sent.map(String));
      }),
      { numRuns: 40 },
    );
  });

  it.each([
    ['a length of 4 GiB', Buffer.from([4, 0, 0xff, 0xff, 0xff, 0xff])],
    ['a P-DATA-TF that is longer than was announced', Buffer.from([4, 0, 0, 0, 0x20, 0])],
    ['a request of a megabyte', Buffer.from([1, 0, 0, 0x10, 0, 0])],
    ['a release with a body', Buffer.from([5, 0, 0, 0, 0, 5])],
    ['a type that there is not', Buffer.from('GET / HTTP/1.1\r\n')],
  ])('are refused by their first six bytes: %s', async (_what, bytes) => {
    expect(await read([bytes])).toEqual({ pdus: [], code: 'association-invalid' });
  });

  it('that end in the middle are an end of the sender, between two they are not', async () => {
    const whole = pdu(4, Buffer.alloc(10));
    expect((await read([whole])).code).toBeUndefined();
    expect((await read([whole, whole.subarray(0, 9)])).code).toBe('sender-gone');
  });

  it('that do not come whole in time are those of a slow sender', async () => {
    expect((await read([pdu(4, Buffer.alloc(10)).subarray(0, 9)], 20)).code).toBe('sender-slow');
  });
});

describe('the data of an association', () => {
  const pdv = (control: number, bytes: Uint8Array): Buffer => {
    const head = Buffer.from([0, 0, 0, 0, 1, control]);
    head.writeUInt32BE(bytes.length + 2);
    return Buffer.concat([head, bytes]);
  };
  const [command, commandPart, data, lastData] = [3, 1, 0, 2].map((c) => pdv(c, Buffer.alloc(20)));
  const check = (...pdus: (readonly (Buffer | undefined)[])[]): string | undefined => {
    const one = createDataCheck();
    return refusal(() => pdus.forEach((list) => one(pdu(4, Buffer.concat(list.map((b) => b!))))));
  };

  it('is command and data set, in one PDU or in several', () => {
    expect(check([command, data], [data, lastData], [commandPart], [command, lastData])).toBeUndefined();
  });

  it('is refused where a command stands inside a data set, or something follows its end in the same PDU', () => {
    expect(check([command, data], [commandPart])).toBe('association-invalid');
    expect(check([command, lastData, command])).toBe('association-invalid');
  });

  it('is refused where the length of a PDV is 0, 1 or beyond its PDU', () => {
    for (const length of [0, 1, 23, 0xffffffff]) {
      const bad = Buffer.from(command!);
      bad.writeUInt32BE(length);
      expect(check([bad]), String(length)).toBe('association-invalid');
    }
    expect(refusal(() => createDataCheck()(pdu(4, Buffer.alloc(3))))).toBe('association-invalid');
  });

  it('is refused where a command never ends', () => {
    const part = pdv(1, Buffer.alloc(4000));
    expect(check(...Array.from({ length: 16 }, () => [part]))).toBeUndefined();
    expect(check(...Array.from({ length: 17 }, () => [part]))).toBe('association-invalid');
  });
});

describe('a request for an association', () => {
  const item = (type: number, ...body: number[]): Buffer => Buffer.from([type, 0, 0, body.length, ...body]);
  const request = (...items: Buffer[]): Buffer => pdu(1, Buffer.concat([Buffer.alloc(68), ...items]));

  it('gets its contexts in the order of their ids, everything else as it was', () => {
    const [app, user] = [item(0x10, 1), item(0x50, 2)];
    const contexts = [5, 1, 3].map((id) => item(0x20, id, 0, 0, 0));
    const ordered = request(app, contexts[1]!, contexts[2]!, contexts[0]!, user);
    expect(requestInOrder(request(app, ...contexts, user))).toEqual(ordered);
    expect(requestInOrder(ordered)).toEqual(ordered);
  });

  it('is refused where an item is cut, an id is even or comes twice', () => {
    expect(refusal(() => requestInOrder(request(item(0x20, 2, 0, 0, 0))))).toBe('association-invalid');
    expect(refusal(() => requestInOrder(request(item(0x20, 1), item(0x20, 1))))).toBe('association-invalid');
    expect(refusal(() => requestInOrder(request(item(0x10, 1, 2).subarray(0, 5))))).toBe('association-invalid');
    expect(refusal(() => requestInOrder(pdu(1, Buffer.alloc(10))))).toBe('association-invalid');
  });
});
