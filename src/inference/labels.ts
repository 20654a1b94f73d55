import type { Manifest } from './manifest.ts';

/**
 * What a bundle says that it can segment in images of a modality: findings and organs of its entries for it, and its
 * `targets`; `*` among them stands for any words. Of a modality that it does not list, all that it knows.
 * @param modality DICOM; absent for all
 */
export function labelsOf(m: Manifest, modality?: string): string[] {
  const listed = m.modalities ?? [];
  const here = listed.filter((e) => modality === undefined || e.dicom_modality.includes(modality));
  const entries = here.length > 0 ? here : listed;
  return [...new Set([...entries.flatMap((e) => [...(e.findings ?? []), ...(e.organs ?? [])]), ...(m.targets ?? [])])];
}
