import { resolveTarget, sameTarget } from '../../findings/index.ts';
import { labelsOf, type Bundle, type Manifest } from '../../inference/index.ts';
import type { Reading } from '../../server/index.ts';
import { modalityOf } from './modality.ts';

/** The bundle's own word for a target. @throws PlumblineError target-unknown */
export function targetOf({ targets }: Reading, { name, manifest }: Bundle, asked: string, modality: string): string {
  return resolveTarget(targets, { bundle: name, labels: labelsOf(manifest, modality) }, asked, modality);
}

/** `plumbline run --list-targets`: what can be segmented and by which names, of a bundle and a modality where named. */
export async function listTargets(
  reading: Reading,
  options: { readonly bundle?: string; readonly modality?: string; readonly json?: boolean },
): Promise<void> {
  const manifest = options.bundle === undefined ? undefined : (await reading.bundle(options.bundle)).manifest;
  const modality = options.modality === undefined ? undefined : modalityOf(options.modality, manifest);
  const listed = manifest ? ofBundle(reading, manifest, modality) : ofFile(reading, modality);
  if (options.json) return void process.stdout.write(`${JSON.stringify(listed)}\n`);
  for (const { label, modalities, synonyms } of listed)
    process.stdout.write(
      `${modalities.join(', ')}: ${label}${synonyms.length > 0 ? ` (${synonyms.join(', ')})` : ''}\n`,
    );
}

interface Listed {
  readonly label: string;
  readonly modalities: readonly string[];
  readonly synonyms: readonly string[];
}

function ofFile({ targets }: Reading, modality: string | undefined): readonly Listed[] {
  return targets.entries.filter((e) => modality === undefined || e.modalities.includes(modality));
}

function ofBundle({ targets }: Reading, m: Manifest, modality: string | undefined): Listed[] {
  const groups = (m.modalities ?? []).filter((e) => modality === undefined || e.dicom_modality.includes(modality));
  const own = groups.flatMap(({ dicom_modality: modalities, findings = [], organs = [] }) =>
    [...findings, ...organs].map((label) => ({ label, modalities })),
  );
  const more = (m.targets ?? []).map((label) => ({ label, modalities: modality === undefined ? ['*'] : [modality] }));
  return [...own, ...more].map(({ label, modalities }) => {
    const named = targets.entries.filter((e) => modalities.some((mod) => sameTarget(targets, label, e.label, mod)));
    const synonyms = new Set(named.flatMap((e) => [e.label, ...e.synonyms]).filter((s) => s !== label));
    return { label, modalities, synonyms: [...synonyms] };
  });
}
