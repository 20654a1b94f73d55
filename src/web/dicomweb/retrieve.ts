import type { Request, Response } from 'express';
import { PlumblineError } from '../../base/index.ts';
import type { Blobs } from '../../store/index.ts';
import type { StoredInstance } from '../../studies/index.ts';
import { acceptedOf, chooseOffer } from './accept.ts';
import { sendMultipart, sendStream } from './multipart.ts';
import { pathOf } from './resources.ts';

/**
 * Instances as they were stored, byte for byte but for the preamble (PS3.18 10.4). Nothing is transcoded: where a client asks for one
 * transfer syntax it gets the instances that are in it, and 206 where others are left out.
 * Without a transfer-syntax parameter the stored one is given, as by `*`.
 * @throws PlumblineError not-acceptable
 */
export async function sendInstances(
  blobs: Blobs,
  instances: readonly StoredInstance[],
  req: Request,
  res: Response,
  root: string,
): Promise<void> {
  const accepted = acceptedOf(req);
  const syntaxes = [...new Set(instances.map((i) => i.ref.transferSyntax))];
  const offers = syntaxes.flatMap((transferSyntax) => [
    { essence: 'application/dicom', multipart: true, transferSyntax },
    ...(instances.length === 1 ? [{ essence: 'application/dicom', multipart: false, transferSyntax }] : []),
  ]);
  const chosen = chooseOffer(accepted, offers);
  const given = instances.filter(({ ref }) => accepts(accepted, chosen.multipart, ref.transferSyntax));
  if (given.length < instances.length) res.status(206);
  if (chosen.multipart)
    return sendMultipart(
      res,
      'application/dicom',
      given.map((i) => part(blobs, i, root)),
    );
  await sendFile(blobs, given[0]!, req, res);
}

function accepts(accepted: ReturnType<typeof acceptedOf>, multipart: boolean, transferSyntax: string): boolean {
  try {
    return chooseOffer(accepted, [{ essence: 'application/dicom', multipart, transferSyntax }]) !== undefined;
  } catch (thrown) {
    if (thrown instanceof PlumblineError && thrown.code === 'not-acceptable') return false;
    throw thrown;
  }
}

function part(blobs: Blobs, instance: StoredInstance, root: string): Parameters<typeof sendMultipart>[2][number] {
  const { ref } = instance;
  return {
    type: `application/dicom; transfer-syntax=${ref.transferSyntax}`,
    location: root + pathOf(instance),
    bytes: ref.bytes,
    content: () => withoutPreamble(blobs.stream(ref.digest)),
  };
}

async function sendFile(blobs: Blobs, { ref }: StoredInstance, req: Request, res: Response): Promise<void> {
  res.set('ETag', `"${ref.digest}"`);
  if (req.fresh) return void res.status(304).end();
  res.set('Content-Type', `application/dicom; transfer-syntax=${ref.transferSyntax}`);
  res.set('Content-Disposition', `attachment; filename="${ref.instanceUid}.dcm"`);
  res.set('Content-Length', String(ref.bytes));
  await sendStream(res, withoutPreamble(blobs.stream(ref.digest)));
}

/**
 * The file with 128 zero bytes before DICM: a sender may have made it a program or a page as well (CVE-2019-11687), and
 * no reader of DICOM needs what stands there (PS3.10 7.1).
 */
async function* withoutPreamble(file: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let passed = 0;
  for await (const chunk of file) {
    const blank = Math.min(chunk.length, Math.max(0, 128 - passed));
    passed += chunk.length;
    if (blank > 0) yield new Uint8Array(blank);
    if (blank < chunk.length) yield chunk.subarray(blank);
  }
}
