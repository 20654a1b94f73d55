import type { Notice, Picture } from '../base/index.ts';

/** Fewer pixels than this each way show nothing (a 3 x 3 test image, an icon). */
const leastSide = 16;
/** Longer than this a strip is squashed beyond recognition. */
const mostAspect = 10;
/** Share of pixels that differ from the commonest value by at least `sameTone`, under which a picture counts as one tone. */
const leastDetail = 0.0005;
const sameTone = 2;
/** Correlation of neighbours under which a picture counts as noise. */
const leastCorrelation = 0.15;

/**
 * Whether a model can say anything about a picture: `undefined` if it may be read, else the notice to give.
 * A small model answers fluently about black, white and noise, so the question is asked before it.
 *
 * Rule: at least 16 pixels each way and no side more than ten times the other; at least 0.05 % of the pixels differ from the
 * commonest value of a channel by two of 255 or more; neighbours resemble each other (correlation of horizontal and vertical
 * neighbours at least 0.15). Measured: medical pictures have 0.16 % and more (a PET slice in too wide a window; all others above
 * 0.4 %) and correlations of 0.30 and more (of 64 pixels and more each way: 0.47); noise has 0.05 and less.
 */
export function suitability(picture: Picture): Notice | undefined {
  const about = [`${picture.stack}/${picture.plane}`];
  const { width, height } = picture;
  const [short, long] = width < height ? [width, height] : [height, width];
  if (short < leastSide)
    return {
      code: 'unsuitable-tiny',
      message: `the picture has ${width} x ${height} pixels, at least ${leastSide} each way are needed`,
      about,
    };
  if (long > mostAspect * short)
    return { code: 'unsuitable-aspect', message: `the picture has ${width} x ${height} pixels: a strip`, about };
  const { detail, correlation } = pictureFacts(picture);
  if (detail < leastDetail)
    return {
      code: 'unsuitable-blank',
      message: `the picture is one tone (${(100 * detail).toFixed(3)} % of the pixels differ)`,
      about,
    };
  if (correlation < leastCorrelation)
    return {
      code: 'unsuitable-noise',
      message: `the picture is noise: neighbouring pixels do not resemble each other (correlation ${correlation.toFixed(2)})`,
      about,
    };
  return undefined;
}

/** What `suitability` measures: share of pixels that are not of the commonest value, and correlation of neighbours (-1..1). */
export function pictureFacts(picture: Picture): { readonly detail: number; readonly correlation: number } {
  return {
    detail: Math.max(...[0, 1, 2].map((channel) => detailOf(picture, channel))),
    correlation: correlationOf(picture),
  };
}

function detailOf({ width, height, rgb }: Picture, channel: number): number {
  const counts = new Uint32Array(256);
  for (let i = channel; i < rgb.length; i += 3) counts[rgb[i]!]!++;
  const common = counts.indexOf(Math.max(...counts));
  const near = counts.subarray(Math.max(0, common - sameTone + 1), common + sameTone).reduce((a, b) => a + b, 0);
  return 1 - near / (width * height);
}

function correlationOf({ width, height, rgb }: Picture): number {
  const grey = new Float32Array(width * height);
  for (let i = 0; i < grey.length; i++) grey[i] = (rgb[3 * i]! + rgb[3 * i + 1]! + rgb[3 * i + 2]!) / 3;
  const mean = grey.reduce((a, b) => a + b, 0) / grey.length;
  let [square, together] = [0, 0];
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++, i++) {
      const v = grey[i]! - mean;
      square += v * v;
      if (x + 1 < width) together += v * (grey[i + 1]! - mean);
      if (y + 1 < height) together += v * (grey[i + width]! - mean);
    }
  const pairs = (width - 1) * height + width * (height - 1);
  return square > 0 ? together / pairs / (square / grey.length) : 0;
}
