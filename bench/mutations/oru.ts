import { checkOru, encodeOru, type OruVersion } from '../../src/outputs/index.ts';
import { oruDefects, oruVersions, type OruDefect } from '../../test/builders/defects/oru.ts';
import { sampleInput } from '../../test/builders/encodings.ts';
import { startHl7Judge } from '../../test/peers/hapi-v2.ts';

/** Who catches one defect of an ORU^R01. */
export interface OruRow {
  readonly defect: OruDefect;
  readonly version: OruVersion;
  readonly hapi: boolean;
  readonly ours: readonly string[];
}

const order = { placer: 'P1', filler: 'F1', procedure: { code: '71250', text: 'CT CHEST', scheme: 'C4' } };

/** Each defect in each version that can have it, judged by the parser of HAPI HL7v2 and by our checks. */
export async function oruRows(): Promise<OruRow[]> {
  const input = { ...sampleInput(), order };
  const judge = startHl7Judge();
  try {
    const rows: OruRow[] = [];
    for (const version of oruVersions) {
      const good = encodeOru(input, version);
      const objected = (await judge.judge(good)) ?? checkOru(input, good, version)[0]?.message;
      if (objected !== undefined) throw new Error(`what the encoder writes is not clean: ${objected}`);
      for (const defect of oruDefects.filter((d) => (d.version ?? version) === version)) {
        const bad = defect.change(good);
        const held = checkOru(input, bad, version).filter((p) => p.severity === 'hold');
        const hapi = (await judge.judge(bad)) !== undefined;
        rows.push({ defect, version, hapi, ours: [...new Set(held.map((p) => p.check))] });
      }
    }
    return rows.toSorted((a, b) => Number(a.defect.id.slice(1)) - Number(b.defect.id.slice(1)));
  } finally {
    judge.stop();
  }
}
