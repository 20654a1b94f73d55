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
 * The data sets of instances in the DICOM JSON Model, without pixels (PS3.18 10.4.1.1.2): a Bulk Data URI says where
 * they can be fetched. Files are opened one at a time.
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
    yield Buffer.from((i === 0 ? '[' : ',') + withBulkDataUri(metadata, root + pathOf(instance)));
  }
  yield Buffer.from(instances.length === 0 ? '[]' : ']');
}

/** JSON text of one data set; where its pixels are depends on how the client reached us, so it is no part of it. */
export interface Metadata {
  readonly json: string;
  readonly pixel: { readonly tag: string; readonly vr: string } | undefined;
}

function metadataOf(file: Uint8Array): Metadata {
  const { attributes, pixel } = inspectPart10(file, { undecodable: 'mark' });
  const shown: Record<string, DicomElement> = { ...attributes };
  if (shown['00080005']) shown['00080005'] = { vr: 'CS', Value: ['ISO_IR 192'] }; // JSON is UTF-8 (PS3.18 F.2)
  const tag = pixel && pixelTags[pixel.keyword];
  const vr = pixel?.vr === 'UN' ? 'OW' : pixel?.vr;
  return { json: JSON.stringify(sorted(shown)), pixel: tag && vr ? { tag, vr } : undefined };
}

/** Pixels come last but for padding and signatures, which never follow in practice: appended, the order of tags holds. */
function withBulkDataUri({ json, pixel }: Metadata, url: string): string {
  if (!pixel) return json;
  const element = { vr: pixel.vr, BulkDataURI: `${url}/bulkdata/${pixel.tag}` };
  return `${json.slice(0, -1)},"${pixel.tag}":${JSON.stringify(element)}}`;
}

const pixelTags: Readonly<Record<string, string>> = {
  PixelData: '7FE00010',
  FloatPixelData: '7FE00008',
  DoubleFloatPixelData: '7FE00009',
};

function sorted(dataset: DicomJson): DicomJson {
  return Object.fromEntries(Object.entries(dataset).sort(([x], [y]) => (x < y ? -1 : 1)));
}
