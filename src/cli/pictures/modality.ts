import { PlumblineError } from '../../base/index.ts';
import type { Manifest } from '../../inference/index.ts';

/** Keys of bundles, and what stands in Modality (0008,0060) for each (PS3.3 C.7.3.1.1.1). */
const keys: Readonly<Record<string, string>> = {
  ct: 'CT',
  mr: 'MR',
  xray: 'DX',
  us: 'US',
  path: 'SM',
  endo: 'ES',
  fundus: 'OP',
  oct: 'OPT',
  derm: 'XC',
  micro: 'GM',
  pet: 'PT',
};
const terms = new Set('CT MR CR DX MG RF XA IO PX RG US IVUS SM ES OP OPT OCT OPTENF XC DMS GM PT NM OT'.split(' '));

/**
 * The Modality of `--modality`: a DICOM term as it is, else a key, first the bundle's own.
 * @throws PlumblineError `usage` with what can be said
 */
export function modalityOf(asked: string, manifest?: Manifest): string {
  if (terms.has(asked)) return asked;
  const own = manifest?.modalities?.find((m) => m.key === asked)?.dicom_modality[0];
  const found = own ?? keys[asked.toLowerCase()] ?? (terms.has(asked.toUpperCase()) ? asked.toUpperCase() : undefined);
  if (found) return found;
  const said = [...new Set([...(manifest?.modalities ?? []).map((m) => m.key), ...Object.keys(keys)])];
  throw new PlumblineError(
    'usage',
    `--modality ${asked} is not known; say ${said.join(', ')}, or a DICOM modality: ${[...terms].join(', ')}`,
  );
}
