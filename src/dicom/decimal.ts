import { PlumblineError } from '../base/index.ts';

/**
 * The nearest Decimal String of at most 16 characters (PS3.5 6.2, DS): rounded, never cut.
 * @throws PlumblineError `encoding-invalid` for NaN and infinities
 */
export function decimalString(value: number): string {
  if (!Number.isFinite(value)) throw new PlumblineError('encoding-invalid', `${value} is no Decimal String`);
  const shortest = String(Object.is(value, -0) ? 0 : value);
  if (shortest.length <= 16) return shortest;
  const candidates: string[] = [];
  for (let digits = 17; digits > 0; digits--) {
    const plain = String(Number(value.toPrecision(digits)));
    const exponent = value.toExponential(digits - 1).replace('e+', 'e');
    candidates.push(...[plain, exponent].filter((c) => c.length <= 16));
    if (candidates.length > 1) break;
  }
  return candidates.sort((a, b) => Math.abs(Number(a) - value) - Math.abs(Number(b) - value))[0]!;
}
