/**
 * A DICOM date and time as FHIR dateTime. FHIR demands a zone with every time of day and DICOM often has none:
 * then only the day is given, because no zone may be invented.
 * @param da DICOM DA, `YYYYMMDD` (or the retired `YYYY.MM.DD`)
 * @param tm DICOM TM, `HHMMSS.FFFFFF` and its shorter forms
 * @param zone Timezone Offset From UTC (0008,0201), `&ZZXX`
 * @returns undefined where there is no usable date
 */
export function fhirDateTime(da: string, tm: string, zone: string): string | undefined {
  const day = fhirDate(da);
  if (day === undefined) return undefined;
  const time = /^([01]\d|2[0-3]):?([0-5]\d)(?::?([0-5]\d|60)(?:\.\d{1,6})?)?\s*$/.exec(tm);
  const offset = /^([+-])(\d\d)(\d\d)\s*$/.exec(zone);
  if (!time || !offset) return day;
  const seconds = time[3] === '60' ? '59' : (time[3] ?? '00');
  return `${day}T${time[1]}:${time[2]}:${seconds}${offset[1]}${offset[2]}:${offset[3]}`;
}

/** A DICOM DA as FHIR date; undefined where it is no calendar day. */
export function fhirDate(da: string): string | undefined {
  const m = /^(\d{4})\.?(\d\d)\.?(\d\d)\s*$/.exec(da);
  if (!m) return undefined;
  const date = new Date(Date.UTC(Number(m[1]), Number(m[2]) - 1, Number(m[3])));
  const same =
    date.getUTCFullYear() === Number(m[1]) &&
    date.getUTCMonth() === Number(m[2]) - 1 &&
    date.getUTCDate() === Number(m[3]);
  return same ? `${m[1]}-${m[2]}-${m[3]}` : undefined;
}

/** A DICOM DT as FHIR dateTime, by the rule of `fhirDateTime`; a zone in the value itself wins. */
export function fhirFromDt(dt: string, zone: string): string | undefined {
  const m = /^(\d{8})(\d{2,6}(?:\.\d{1,6})?)?([+-]\d{4})?\s*$/.exec(dt);
  return m ? fhirDateTime(m[1]!, m[2] ?? '', m[3] ?? zone) : undefined;
}
