import type { Notice, Picture } from '../base/index.ts';

/** Fewer pixels than this each way show nothing (a 3 x 3 test image, an icon). */
const leastSide = 16;
/** Longer than this a strip is squashed beyond recognition. */
const mostAspect = 10;
/** Standard deviation of the grey values, 0..255, under which a picture counts as one tone. */
const leastDeviation = 1;
/** Correlation of neighbours under which a picture counts as noise. */
const leastCorrelation = 0.15;

/**
 * Whether a model can say anything about a picture: `undefined` if it may be read, else the notice to give.
 * A small model answers fluently about black, white and noise, so the question is asked before it.
 *
 * Rule: at least 16 pixels each way and no side ten times the other; grey values that differ (standard deviation at least 1 of
 * 255); neighbours that resemble each other (correlation of horizontal and vertical neighbours at least 0.15).
 */
export function suitability(picture: Picture): Notice | undefined {
  const about = [`${picture.stack}/${picture.plane}`];
  const { width, height } = picture;
  const [short, long] = width < height ? [width, height] : [height, width];
  if (short < leastSide)
    return { code: 'unsuitable-tiny', message: `the picture has ${width} x ${height} pixels, at least ${leastSide} each way are needed`, about };
  if (long > mostAspect * short)
    return { code: 'unsuitable-aspect', message: `the picture has ${width} x ${height} pixels: a strip`, about };
  const { deviation, correlation } = pictureFacts(picture);
  if (deviation < leastDeviation)
    return { code: 'unsuitable-blank', message: `the picture is one tone (deviation ${deviation.toFixed(2)} of 255)`, about };
  if (correlation < leastCorrelation)
    return { code: 'unsuitable-noise', message: `the picture is noise: neighbouring pixels do not resemble each other (correlation ${correlation.toFixed(2)})`, about };
  return undefined;
}

/** What `suitability` measures: deviation of the grey values (0..255) and correlation of neighbours (-1..1). */
export function pictureFacts({ width, height, rgb }: Picture): { readonly deviation: number; readonly correlation: number } {
  const grey = new Float32Array(width * height);
  for (let i = 0; i < grey.length; i++) grey[i] = (rgb[3 * i]! + rgb[3 * i + 1]! + rgb[3 * i + 2]!) / 3;
  let sum = 0;
  for (const v of grey) sum += v;
  const mean = sum / grey.length;
  let [square, together, pairs] = [0, 0, 0];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      const v = grey[i]! - mean;
      square += v * v;
      if (x + 1 < width) [together, pairs] = [together + v * (grey[i + 1]! - mean), pairs + 1];
      if (y + 1 < height) [together, pairs] = [together + v * (grey[i + width]! - mean), pairs + 1];
    }
  const variance = square / grey.length;
  return { deviation: Math.sqrt(variance), correlation: variance > 0 ? together / pairs / variance : 0 };
}
