import type { Request, Response } from 'express';
import { encode as encodePng } from 'fast-png';
import { PlumblineError, type Picture, type SourceInstance, type Stack } from '../../base/index.ts';
import { inspectPart10, isMultiFrameClass, number, text } from '../../dicom/index.ts';
import { loadPictures, type Decoder } from '../../imaging/index.ts';
import type { StoredInstance } from '../../studies/index.ts';
import { acceptedOf, chooseOffer } from './accept.ts';
import { openFile, type FrameSource } from './frames.ts';
import { encodeJpeg } from './jpeg.ts';

/**
 * One frame as a picture for people (PS3.18 10.4.1.1.3): window of the image or of the `window` parameter, pixels as
 * they are stored (not turned), scaled down to `viewport`. JPEG by default (Table 8.7.4-1), PNG by Accept.
 * @param largest side in pixels that is given without a viewport
 * @throws PlumblineError query-invalid, not-found, not-acceptable, pixel-…
 */
export async function sendRendered(
  source: FrameSource,
  instance: StoredInstance,
  req: Request,
  res: Response,
  largest?: number,
): Promise<void> {
  const { essence } = chooseOffer(acceptedOf(req), [
    { essence: 'image/jpeg', multipart: false },
    { essence: 'image/png', multipart: false },
  ]);
  const params = new URL(req.originalUrl, 'http://localhost').searchParams;
  const bounds =
    viewport(params.get('viewport')) ?? (largest === undefined ? undefined : ([largest, largest] as const));
  const window = windowOf(params.get('window'));
  const frame = frameNumber(req.params['frames']);
  const shown = shrink(await picture(source, instance, frame, window), bounds);
  const bytes =
    essence === 'image/png' ? encodePng({ ...shown, data: shown.rgb, channels: 3 }) : await encodeJpeg(shown);
  res.set('Cache-Control', 'private, max-age=300').type(essence).send(Buffer.from(bytes));
}

/** One plane without geometry: the picture then is neither turned nor flipped. */
async function picture(
  source: FrameSource,
  instance: StoredInstance,
  frame: number,
  window: Window | undefined,
): Promise<Picture> {
  if (!source.decoder) throw new PlumblineError('not-acceptable', 'this server does not render');
  const { bytes, frames } = await openFile(source, instance);
  if (frame > frames.frames)
    throw new PlumblineError('not-found', `there is no frame ${frame}`, { where: instance.ref.instanceUid });
  const { attributes } = inspectPart10(bytes, { undecodable: 'mark' });
  const { instanceUid, sopClass, seriesUid } = instance.ref;
  const stack: Stack = {
    id: 'k1',
    seriesUid,
    modality: text(attributes, 'Modality'),
    kind: 'planes',
    grid: {
      rows: number(attributes, 'Rows') ?? 0,
      columns: number(attributes, 'Columns') ?? 0,
      planes: 1,
      placement: { kind: 'none' },
      spacing: { kind: 'none', why: 'only a picture is made' },
    },
    planes: [{ instanceUid, sopClass, ...(isMultiFrameClass(sopClass) || frame > 1 ? { frame } : {}) }],
  };
  const loaded: SourceInstance = { ref: instance.ref, attributes, load: async () => bytes };
  const decoder: Pick<Decoder, 'decode'> = source.decoder;
  for await (const shown of loadPictures(
    stack,
    new Map([[instanceUid, loaded]]),
    decoder,
    [0],
    window ? { window } : {},
  ))
    return shown;
  throw new PlumblineError('internal', 'no picture was made', { where: instanceUid });
}

type Window = NonNullable<NonNullable<Parameters<typeof loadPictures>[4]>['window']>;

/** `window=center,width,function` (PS3.18 8.3.5.1.4); only the linear function. @throws PlumblineError query-invalid */
function windowOf(parameter: string | null): Window | undefined {
  if (parameter === null) return undefined;
  const [centre, width, shape] = parameter.split(',');
  const [c, w] = [Number(centre), Number(width)];
  if (
    centre &&
    width &&
    Number.isFinite(c) &&
    Number.isFinite(w) &&
    w >= 1 &&
    (shape === undefined || shape === 'linear')
  )
    return { centre: c, width: w };
  throw new PlumblineError('query-invalid', 'window is center,width,linear with a width of at least 1');
}

/** `viewport=width,height` (PS3.18 8.3.5.1.3); a source region is not taken. @throws PlumblineError query-invalid */
function viewport(parameter: string | null): readonly [number, number] | undefined {
  if (parameter === null) return undefined;
  const [, width, height] = /^([1-9]\d{0,3}),([1-9]\d{0,3})$/.exec(parameter) ?? [];
  if (width !== undefined && height !== undefined) return [Number(width), Number(height)];
  throw new PlumblineError('query-invalid', 'viewport is width,height in pixels');
}

function frameNumber(parameter: string | string[] | undefined): number {
  if (parameter === undefined) return 1;
  if (typeof parameter === 'string' && /^[1-9]\d{0,8}$/.test(parameter)) return Number(parameter);
  throw new PlumblineError('query-invalid', 'one frame is rendered at a time');
}

type Shown = Pick<Picture, 'width' | 'height' | 'rgb'>;

/** Scaled down by the mean of the covered pixels, keeping its shape; never up. */
function shrink(from: Shown, bounds: readonly [number, number] | undefined): Shown {
  const scale = bounds ? Math.min(1, bounds[0] / from.width, bounds[1] / from.height) : 1;
  if (scale === 1) return from;
  const width = Math.max(1, Math.round(from.width * scale));
  const height = Math.max(1, Math.round(from.height * scale));
  const rgb = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const [top, bottom] = covered(y, height, from.height);
    for (let x = 0; x < width; x++) {
      const [left, right] = covered(x, width, from.width);
      for (let c = 0; c < 3; c++) rgb[(y * width + x) * 3 + c] = mean(from, c, left, right, top, bottom);
    }
  }
  return { width, height, rgb };
}

function covered(at: number, of: number, from: number): readonly [number, number] {
  const start = Math.floor((at * from) / of);
  return [start, Math.max(start + 1, Math.floor(((at + 1) * from) / of))];
}

function mean(
  { width, rgb }: Shown,
  channel: number,
  left: number,
  right: number,
  top: number,
  bottom: number,
): number {
  let sum = 0;
  for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) sum += rgb[(y * width + x) * 3 + channel]!;
  return Math.round(sum / ((right - left) * (bottom - top)));
}
