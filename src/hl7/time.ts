/** `YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]` (HL7 v2 2.A.22). */
const pattern = /^(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(\.\d{1,4})?)?)?)?)?)?([+-]\d{4})?$/;

/** Whether a text is a date or time that exists. */
export function isHl7Time(text: string): boolean {
  const found = pattern.exec(text);
  if (!found) return false;
  const [, year, month = '01', day = '01', hour = '00', minute = '00', second = '00'] = found;
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  return (
    date.getUTCMonth() === Number(month) - 1 &&
    date.getUTCDate() === Number(day) &&
    Number(hour) < 24 &&
    Number(minute) < 60 &&
    Number(second) < 60
  );
}

/** The day as ISO 8601, as exact as it came: `1961-04`; '' where there is none. */
export function hl7Day(text: string): string {
  const found = pattern.exec(text);
  if (!found) return '';
  return [found[1], found[2], found[3]].filter((p) => p !== undefined).join('-');
}

/** An instant as HL7 writes it, in UTC. */
export function hl7Time(instant: Date): string {
  return `${instant.toISOString().replace(/[-:T]/g, '').slice(0, 14)}+0000`;
}

/**
 * A time as ISO 8601. Without a zone of its own it is local time of the sender.
 * @param zone IANA name, e.g. `Europe/Vienna`
 * @returns undefined where the text is no time
 */
export function isoFromHl7(text: string, zone: string): string | undefined {
  const found = pattern.exec(text);
  if (!found || !isHl7Time(text)) return undefined;
  const [, year, month = '01', day = '01', hour = '00', minute = '00', second = '00', , offset] = found;
  const local = Date.UTC(+year!, +month - 1, +day, +hour, +minute, +second);
  const minutes = offset === undefined ? zoneMinutes(zone, local) : offsetMinutes(offset);
  return new Date(local - minutes * 60_000).toISOString();
}

function offsetMinutes(offset: string): number {
  const size = Number(offset.slice(1, 3)) * 60 + Number(offset.slice(3));
  return offset.startsWith('-') ? -size : size;
}

/** Minutes east of UTC of a zone at a local time (its clock read as if it were UTC). */
function zoneMinutes(zone: string, local: number): number {
  const at = (instant: number): number => {
    const parts = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    }).formatToParts(instant);
    const n = (type: string): number => Number(parts.find((p) => p.type === type)!.value);
    return (Date.UTC(n('year'), n('month') - 1, n('day'), n('hour'), n('minute'), n('second')) - instant) / 60_000;
  };
  // The offset holds at an instant; the second look corrects the first where a clock change lies between.
  return at(local - at(local) * 60_000);
}
