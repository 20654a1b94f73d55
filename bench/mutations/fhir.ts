import { checkFhir } from '../../src/outputs/index.ts';
import { fhirDefects, spoilFhir, type FhirDefect } from '../../test/builders/defects/fhir.ts';
import { encodeAll, sampleInput } from '../../test/builders/encodings.ts';
import { startHapi } from '../../test/peers/hapi.ts';

/** Who catches one defect of a Bundle. */
export interface FhirRow {
  readonly defect: FhirDefect;
  readonly version: 'R4' | 'R5';
  readonly hapi: boolean;
  readonly ours: readonly string[];
}

/** Each defect in each version that can have it, judged by the HAPI validator of that version and by our checks. */
export async function fhirRows(): Promise<FhirRow[]> {
  const input = sampleInput();
  const clean = encodeAll(input);
  if (checkFhir(input, clean).length > 0) throw new Error('what the encoder writes is not clean');
  const hapi = startHapi();
  try {
    const rows: FhirRow[] = [];
    for (const defect of fhirDefects) {
      for (const version of defect.versions) {
        const set = spoilFhir(clean, version, defect.change);
        const bundle = version === 'R4' ? set.fhirR4 : set.fhirR5;
        const { errors } = await hapi.validate(version === 'R4' ? 'r4' : 'r5', bundle);
        const held = checkFhir(input, set).filter((p) => p.severity === 'hold');
        rows.push({ defect, version, hapi: errors.length > 0, ours: [...new Set(held.map((p) => p.check))] });
      }
    }
    return rows;
  } finally {
    hapi.stop();
  }
}
