import { randomUUID } from 'node:crypto';
import type { Request, Response } from 'express';
import type { DicomElement, DicomJson } from '../../base/index.ts';
import { inspectPart10 } from '../../dicom/index.ts';
import type { Blobs } from '../../store/index.ts';
import type { StoredInstance } from '../../studies/index.ts';
import { acceptedOf, chooseOffer } from './accept.ts';
import type { Cache } from './cache.ts';
import { sendStream } from './multipart.ts';
import { pathOf } from './resources.ts';

/**
 * The data sets of instances in the DICOM JSON Model, without pixels and long binary values (PS3.18
 * 10.4.1.1.2): a Bulk Data URI says where they can be fetched. Files are opened one at a time.
 * @param cache by blob digest, because viewers ask for the same series again and again
 * @throws PlumblineError not-acceptable
 */
export async function sendMetadata(
  blobs: Blobs,
  cache: Cache<Metadata>,
  instances: readonly StoredInstance[],
  req: Request,
  res: Response,
  root: string,
): Promise<void> {
  const { essence } = chooseOffer(acceptedOf(req), [
    { essence: 'application/dicom+json', multipart: false },
    { essence: 'application/json', multipart: false },
  ]);
  res.type(essence);
  await sendStream(res, metadataArray(blobs, cache, instances, root));
}

async function* metadataArray(
  blobs: Blobs,
  cache: Cache<Metadata>,
  instances: readonly StoredInstance[],
  root: string,
): AsyncGenerator<Buffer> {
  for (const [i, instance] of instances.entries()) {
    const { digest } = instance.ref;
    const metadata = cache.get(digest) ?? cache.set(digest, metadataOf(await blobs.read(digest)));
    yield Buffer.from((i === 0 ? '[' : ',') + metadata.json.replaceAll(here, root + pathOf(instance)));
  }
  yield Buffer.from(instances.length === 0 ? '[]' : ']');
}

/** JSON text of one data set; `here` stands where the URL of the instance belongs, which depends on how a client reached us. */
export interface Metadata {
  readonly json: string;
}

/** No file can hold it. */
const here = randomUUID();

function metadataOf(file: Uint8Array): Metadata {
  const bulk = (path: string): string => `${here}/bulkdata/${path}`;
  const { attributes, pixel } = inspectPart10(file, { undecodable: 'mark', bulk });
  const shown: Record<string, DicomElement> = { ...attributes };
  if (shown['00080005']) shown['00080005'] = { vr: 'CS', Value: ['ISO_IR 192'] }; // JSON is UTF-8 (PS3.18 F.2)
  const tag = pixel && pixelTags[pixel.keyword];
  if (tag) shown[tag] = { vr: pixel.vr === 'UN' ? 'OW' : pixel.vr, BulkDataURI: bulk(tag) };
  return { json: JSON.stringify(sorted(shown)) };
}

const pixelTags: Readonly<Record<string, string>> = {
  PixelData: '7FE00010',
  FloatPixelData: '7FE00008',
  DoubleFloatPixelData: '7FE00009',
};

function sorted(dataset: DicomJson): DicomJson {
  return Object.fromEntries(Object.entries(dataset).sort(([x], [y]) => (x < y ? -1 : 1)));
}
