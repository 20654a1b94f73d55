import type { Request, Response } from 'express';
import { PlumblineError } from '../../base/index.ts';
import { bulkValue } from '../../dicom/index.ts';
import type { Blobs } from '../../store/index.ts';
import type { StoredInstance } from '../../studies/index.ts';
import { acceptedOf, chooseOffer } from './accept.ts';
import { sendMultipart } from './multipart.ts';
import { pathOf } from './resources.ts';

/**
 * A long value other than pixels, as little-endian octets (PS3.18 10.4.1.1.5): what metadata leaves to a Bulk Data URI.
 * `path` is `TAG`, or `TAG.ITEM.TAG` inside of a sequence, items counted from 1.
 * @throws PlumblineError not-found where there is no such value, not-acceptable
 */
export async function sendValue(
  blobs: Blobs,
  instance: StoredInstance,
  req: Request,
  res: Response,
  root: string,
): Promise<void> {
  const path = String(req.params['tag']).toUpperCase();
  const known = /^[0-9A-F]{8}(\.[1-9]\d{0,8}\.[0-9A-F]{8}){0,64}$/.test(path);
  const bytes = known ? bulkValue(await blobs.read(instance.ref.digest), path) : undefined;
  if (!bytes) throw new PlumblineError('not-found', 'there is no such value', { where: instance.ref.instanceUid });
  const essence = 'application/octet-stream';
  const chosen = chooseOffer(acceptedOf(req), [
    { essence, multipart: true, transferSyntax: '1.2.840.10008.1.2.1' },
    { essence, multipart: false, transferSyntax: '1.2.840.10008.1.2.1' },
  ]);
  const type = `${essence}; transfer-syntax=${chosen.transferSyntax}`;
  if (!chosen.multipart) return void res.set('Content-Type', type).send(Buffer.from(bytes));
  const location = `${root}${pathOf(instance)}/bulkdata/${path}`;
  await sendMultipart(res, essence, [{ type, location, bytes: bytes.length, content: async () => bytes }]);
}
