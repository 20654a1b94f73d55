/** The defects of ORU^R01, by number: one change each of what the encoder wrote. */
import type { OruVersion } from '../../../src/outputs/index.ts';

export interface OruDefect {
  readonly id: string;
  readonly what: string;
  /** Versions that can have it; both where absent. */
  readonly version?: OruVersion;
  readonly change: (text: string) => string;
  /** Legal, and no receiver loses anything. */
  readonly harmless?: true;
}

export const oruVersions: readonly OruVersion[] = ['2.3.1', '2.5.1'];

/** Fields are split by `|` alone: what the encoder escapes holds none. MSH-n stands at n - 1 there, others at n. */
function field(segment: string, n: number, to: string | ((was: string) => string), where: RegExp = /^/) {
  return (text: string): string => {
    const lines = text.split('\r');
    const i = lines.findIndex((l) => l.startsWith(`${segment}|`) && where.test(l));
    if (i < 0) throw new Error(`no ${segment} with ${where}`);
    const fields = lines[i]!.split('|');
    const at = segment === 'MSH' ? n - 1 : n;
    while (fields.length <= at) fields.push('');
    fields[at] = typeof to === 'string' ? to : to(fields[at]!);
    lines[i] = fields.join('|');
    return lines.join('\r');
  };
}

function lines(change: (all: string[]) => string[]) {
  return (text: string): string => change(text.split('\r').slice(0, -1)).map((l) => `${l}\r`).join(''); // prettier-ignore
}

const without = (start: RegExp) => lines((all) => all.filter((l) => !start.test(l)));
const doubled = (start: RegExp) => lines((all) => all.flatMap((l) => (start.test(l) ? [l, l] : [l])));
const component = (n: number, to: string) => (was: string): string => was.split('^').map((c, i) => (i === n - 1 ? to : c)).join('^'); // prettier-ignore
/** OBX numbered anew, so that nothing but the change itself is wrong. */
const numbered =
  (change: (text: string) => string) =>
  (text: string): string => {
    let n = 0;
    return lines((all) => all.map((l) => l.replace(/^OBX\|\d+/, () => `OBX|${++n}`)))(change(text));
  };

const coded = /^OBX\|\d+\|CW?E\|/;
const number = /^OBX\|\d+\|NM\|/;
const sentence = /^OBX\|\d+\|TX\|59776-5[^|]*\|[1-9]\d*\|/;
const second = /^OBX\|\d+\|TX\|59776-5[^|]*\|2\|/;
const link = /\|https:/;
const reason = /\|No mask: /;
const study = /^OBX\|\d+\|ST\|113014/;
const marking = /^OBX\|1\|/;

export const oruDefects: readonly OruDefect[] = [
  // — the bytes —
  { id: 'O01', what: 'segments end in LF', change: (t) => t.replaceAll('\r', '\n') },
  { id: 'O02', what: 'segments end in CR LF', change: (t) => t.replaceAll('\r', '\r\n') },
  { id: 'O03', what: 'the last segment has no CR', change: (t) => t.slice(0, -1) },
  { id: 'O04', what: 'a byte order mark', change: (t) => `\ufeff${t}` },
  { id: 'O05', what: 'a NUL in a sentence', change: field('OBX', 5, (s) => `${s}\0`, second) },
  { id: 'O06', what: 'a block character (FS) in a sentence', change: field('OBX', 5, (s) => `${s}\x1c`, second) },
  { id: 'O07', what: 'half a surrogate pair in a sentence', change: field('OBX', 5, (s) => `${s}\ud83d`, second) },
  { id: 'O08', what: 'cut in the middle of the last OBX', change: (t) => `${t.slice(0, -60)}\r` },
  { id: 'O09', what: 'the message twice', change: (t) => t + t },
  // — the header —
  { id: 'O10', what: 'no MSH', change: without(/^MSH/) },
  { id: 'O11', what: 'MSH-2 names other delimiters', change: field('MSH', 2, '^&\\~') },
  { id: 'O12', what: 'no MSH-3', change: field('MSH', 3, '') },
  { id: 'O13', what: 'no MSH-7', change: field('MSH', 7, '') },
  { id: 'O14', what: 'MSH-7 as ISO 8601', change: field('MSH', 7, '2026-03-04T05:06:07Z') },
  { id: 'O15', what: 'MSH-9 is ORM^O01', change: field('MSH', 9, 'ORM^O01') },
  { id: 'O16', what: 'MSH-9 without its structure', version: '2.5.1', change: field('MSH', 9, 'ORU^R01') },
  { id: 'O17', what: 'no MSH-10', change: field('MSH', 10, '') },
  {
    id: 'O18',
    what: 'the control id of another draft',
    change: field('MSH', 10, 'PL0123456789ABCDEF0123'.slice(0, 20)),
  },
  { id: 'O19', what: 'MSH-11 is T', change: field('MSH', 11, 'T') },
  { id: 'O20', what: 'another version in MSH-12', change: field('MSH', 12, '2.6') },
  { id: 'O21', what: 'MSH-18 names another character set', change: field('MSH', 18, '8859/1') },
  // — the patient —
  { id: 'O22', what: 'no PID', change: without(/^PID/) },
  { id: 'O23', what: 'PID twice', change: doubled(/^PID/) },
  { id: 'O24', what: 'no patient number', change: field('PID', 3, '') },
  { id: 'O25', what: 'the number of another patient', change: field('PID', 3, component(1, 'PID-78')) },
  { id: 'O26', what: 'another assigning authority', change: field('PID', 3, component(4, 'ELSEWHERE')) },
  { id: 'O27', what: 'the number of no type', change: field('PID', 3, component(5, '')) },
  { id: 'O28', what: 'another family name', change: field('PID', 5, component(1, 'Other')) },
  { id: 'O29', what: 'another given name', change: field('PID', 5, component(2, 'Other')) },
  { id: 'O30', what: 'family and given name in the first component', change: field('PID', 5, 'Sample Anna') },
  { id: 'O31', what: 'no name', change: field('PID', 5, '') },
  { id: 'O32', what: 'another birth date', change: field('PID', 7, '19700201') },
  { id: 'O33', what: 'the birth date with dashes', change: field('PID', 7, '1970-01-02') },
  { id: 'O34', what: 'another sex', change: field('PID', 8, 'M') },
  // — the order —
  { id: 'O35', what: 'no ORC', change: without(/^ORC/) },
  { id: 'O36', what: 'ORC-1 is NW', change: field('ORC', 1, 'NW') },
  { id: 'O37', what: 'no OBR', change: without(/^OBR/) },
  { id: 'O38', what: 'OBR twice', change: doubled(/^OBR/) },
  { id: 'O39', what: 'OBR after the first OBX', change: lines((all) => [...all.filter((l) => !/^OB[RX]/.test(l)), all.find((l) => l.startsWith('OBX'))!, all.find((l) => l.startsWith('OBR'))!, ...all.filter((l) => l.startsWith('OBX')).slice(1)]) }, // prettier-ignore
  { id: 'O40', what: 'another placer number', change: field('OBR', 2, 'P2') },
  { id: 'O41', what: 'another filler number', change: field('OBR', 3, 'F2') },
  { id: 'O42', what: 'ORC and OBR name different orders', change: field('ORC', 2, 'P2') },
  { id: 'O43', what: 'no procedure', change: field('OBR', 4, '') },
  { id: 'O44', what: 'another procedure', change: field('OBR', 4, '70450^CT HEAD^C4') },
  { id: 'O45', what: 'no study time', change: field('OBR', 7, '') },
  { id: 'O46', what: 'another study time', change: field('OBR', 7, '20250304050000') },
  { id: 'O47', what: 'another accession number', change: field('OBR', 18, 'A-78') },
  {
    id: 'O48',
    what: 'the accession number in OBR-19',
    change: (t) => field('OBR', 18, '')(field('OBR', 19, 'A-77')(t)),
  },
  { id: 'O49', what: 'no report time', change: field('OBR', 22, '') },
  { id: 'O50', what: 'the report time without zone', change: field('OBR', 22, '20260304050607') },
  { id: 'O51', what: 'another section in OBR-24', change: field('OBR', 24, 'US') },
  { id: 'O52', what: 'the report is final', change: field('OBR', 25, 'F') },
  { id: 'O53', what: 'the report has no status', change: field('OBR', 25, '') },
  // — what is said —
  { id: 'O54', what: 'no marking', change: numbered(without(marking)) },
  { id: 'O55', what: 'the marking last', change: numbered(lines((all) => [...all.filter((l) => !marking.test(l)), all.find((l) => marking.test(l))!])) }, // prettier-ignore
  { id: 'O56', what: 'another marking', change: field('OBX', 5, 'Report.', marking) },
  { id: 'O57', what: 'no Study Instance UID', change: numbered(without(study)) },
  { id: 'O58', what: 'another Study Instance UID', change: field('OBX', 5, '1.2.3', study) },
  { id: 'O59', what: 'a sentence is left out', change: numbered(without(second)) },
  { id: 'O60', what: 'a sentence twice', change: numbered(doubled(second)) },
  {
    id: 'O61',
    what: 'a word of a sentence is another',
    change: field('OBX', 5, (s) => s.replace('left', 'right'), second),
  },
  { id: 'O62', what: 'a sentence ends after 30 characters', change: field('OBX', 5, (s) => s.slice(0, 30), second) },
  { id: 'O63', what: 'two sentences in one OBX', change: numbered((t) => without(/^OBX\|\d+\|TX\|59776-5[^|]*\|3\|/)(field('OBX', 5, (s) => `${s} Here is the liver.`, second)(t))) }, // prettier-ignore
  { id: 'O64', what: 'a sentence that the draft does not have', change: numbered(lines((all) => [...all, all.find((l) => second.test(l))!.replace('|2|', '|7|')])) }, // prettier-ignore
  {
    id: 'O65',
    what: 'a bare field separator in a sentence',
    change: field('OBX', 5, (s) => s.replace(' ', '|'), second),
  },
  {
    id: 'O66',
    what: 'a bare component separator in a sentence',
    change: field('OBX', 5, (s) => s.replace(' ', '^'), second),
  },
  { id: 'O67', what: 'a bare CR in a sentence', change: field('OBX', 5, (s) => s.replace(' ', '\r'), second) },
  { id: 'O68', what: 'a bare LF in a sentence', change: field('OBX', 5, (s) => s.replace(' ', '\n'), second) },
  {
    id: 'O69',
    what: 'a sentence escaped twice',
    change: field('OBX', 5, (s) => s.replace(' ', '\\E\\T\\E\\'), second),
  },
  { id: 'O70', what: 'OBX numbered from 0', change: lines((all) => all.map((l) => l.replace(/^OBX\|(\d+)/, (_m, n) => `OBX|${Number(n) - 1}`))) }, // prettier-ignore
  { id: 'O71', what: 'two OBX with one number', change: field('OBX', 1, '3', second) },
  { id: 'O72', what: 'a sentence without OBX-4', change: field('OBX', 4, '', second) },
  { id: 'O73', what: 'a sentence without identifier', change: field('OBX', 3, '', second) },
  { id: 'O74', what: 'a sentence without value type', change: field('OBX', 2, '', second) },
  { id: 'O75', what: 'a sentence as ST', change: field('OBX', 2, 'ST', second), harmless: true },
  // — codes —
  { id: 'O76', what: 'present became absent', change: field('OBX', 5, '2667000^Absent^SCT', coded) },
  {
    id: 'O77',
    what: 'the value of a finding has no coding system',
    change: field('OBX', 5, '52101004^Present', coded),
  },
  { id: 'O78', what: 'the value of a finding is a word', change: field('OBX', 5, 'Present', coded) },
  { id: 'O79', what: 'another finding', change: field('OBX', 3, '79654002^Edema^SCT', coded) },
  { id: 'O80', what: 'a finding of no coding system', change: field('OBX', 3, component(3, ''), coded) },
  { id: 'O81', what: 'a code with the meaning of another', change: field('OBX', 3, component(2, 'Fracture'), coded) },
  { id: 'O82', what: 'a coding system that HL7 has not', change: field('OBX', 3, component(3, 'SNOMED-CT'), coded) },
  { id: 'O83', what: 'CE in 2.5.1', version: '2.5.1', change: field('OBX', 2, 'CE', coded) },
  { id: 'O84', what: 'CWE in 2.3.1', version: '2.3.1', change: field('OBX', 2, 'CWE', coded) },
  { id: 'O85', what: 'a finding is left out', change: numbered(lines((all) => all.filter((l, i) => !coded.test(l) || i !== all.findIndex((x) => coded.test(x))))) }, // prettier-ignore
  { id: 'O86', what: 'a finding under another sentence', change: field('OBX', 4, '5.2', coded) },
  { id: 'O87', what: 'two rows with one OBX-3 and OBX-4', change: numbered(lines((all) => all.flatMap((l) => (link.test(l) ? [l, l] : [l])))) }, // prettier-ignore
  // — numbers —
  { id: 'O88', what: 'a number ten times as large', change: field('OBX', 5, (v) => String(Number(v) * 10), number) },
  { id: 'O89', what: 'a number with a comma', change: field('OBX', 5, '36,0', number) },
  { id: 'O90', what: 'a number with an exponent', change: field('OBX', 5, '3.6e1', number) },
  { id: 'O91', what: 'a number with its unit', change: field('OBX', 5, '36 mm3', number) },
  { id: 'O92', what: 'no unit', change: field('OBX', 6, '', number) },
  { id: 'O93', what: 'another unit', change: field('OBX', 6, component(1, 'cm3'), number) },
  { id: 'O94', what: 'a unit of no system', change: field('OBX', 6, component(3, ''), number) },
  { id: 'O95', what: 'a unit that UCUM has not', change: field('OBX', 6, 'ccm^cubic centimeter^UCUM', number) },
  { id: 'O96', what: 'a measurement of another kind', change: field('OBX', 3, '42798000^Area^SCT', number) },
  { id: 'O97', what: 'a number as text', change: field('OBX', 2, 'ST', number) },
  { id: 'O98', what: 'a measurement is left out', change: numbered(lines((all) => all.filter((l, i) => !number.test(l) || i !== all.findIndex((x) => number.test(x))))) }, // prettier-ignore
  { id: 'O99', what: 'a measurement under another sentence', change: field('OBX', 4, '3.9', number) },
  // — status, marks and links —
  { id: 'O100', what: 'one row is final', change: field('OBX', 11, 'F', second) },
  { id: 'O101', what: 'one row has no status', change: field('OBX', 11, '', second) },
  { id: 'O102', what: 'one row without OBX-14', change: field('OBX', 14, '', second), harmless: true },
  { id: 'O103', what: 'one row is not marked as made by AI', change: field('OBX', 17, '', sentence) },
  { id: 'O104', what: 'no model named', version: '2.5.1', change: lines((all) => all.map((l) => (l.startsWith('OBX') ? l.split('|').slice(0, 18).join('|') : l))) }, // prettier-ignore
  { id: 'O105', what: 'no model named', version: '2.3.1', change: without(/^NTE/) },
  { id: 'O106', what: 'a link is left out', change: numbered(lines((all) => all.toSpliced(all.findIndex((x) => link.test(x)), 1))) }, // prettier-ignore
  { id: 'O107', what: 'a link to another study', change: field('OBX', 5, 'https://viewer.example/?StudyInstanceUIDs=1.2.3', link) }, // prettier-ignore
  { id: 'O108', what: 'a link that is a script', change: field('OBX', 5, 'javascript:alert(1)', link) },
  { id: 'O109', what: 'no word of a mask that failed', change: numbered(without(reason)) },
  { id: 'O110', what: 'a segment of our own (ZPL)', change: lines((all) => [...all, 'ZPL|1|x']) },
];
