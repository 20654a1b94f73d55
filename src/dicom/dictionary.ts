import dcmjs from 'dcmjs';
import { PlumblineError } from '../base/index.ts';

/**
 * The tag of a keyword of PS3.6, e.g. `PatientName` gives `00100010`.
 * @returns 8 upper-case hex digits
 * @throws PlumblineError internal where the dictionary has no such keyword: a typing error in our own source
 */
export function tagOf(keyword: string): string {
  const tag = tags.get(keyword);
  if (tag === undefined) throw new PlumblineError('internal', `no DICOM keyword ${keyword}`);
  return tag;
}

/** Whether the dictionary knows the keyword. */
export function isKeyword(keyword: string): boolean {
  return tags.has(keyword);
}

/** The keyword of a tag (8 hex digits); repeating groups (50xx, 60xx) as their first group; undefined for private and unknown tags. */
export function keywordOf(tag: string): string | undefined {
  return names.get(dictionaryTag(tag))?.keyword;
}

/**
 * The value representation of a keyword as PS3.6 gives it, one of its two where it depends on the data set:
 * `US` for US or SS, `OW` for OB or OW.
 */
export function vrOf(keyword: string): string {
  return plainVr(names.get(tagOf(keyword))!.vr);
}

/** Like `vrOf`, by tag; undefined for private and unknown tags. */
export function vrOfTag(tag: string): string | undefined {
  if (/^....0000$/.test(tag)) return 'UL';
  const vr = names.get(dictionaryTag(tag))?.vr;
  return vr === undefined ? undefined : plainVr(vr);
}

/** True where PS3.6 says US or SS, and Pixel Representation decides (PS3.5 annex A.1). */
export function isSignDependent(tag: string): boolean {
  return names.get(dictionaryTag(tag))?.vr === 'xs';
}

export function isPrivateTag(tag: string): boolean {
  return (Number.parseInt(tag.slice(0, 4), 16) & 1) === 1;
}

/** 5002… and 6002… are repetitions of 5000 and 6000 (PS3.5 7.6). */
function dictionaryTag(tag: string): string {
  return /^(50|60)[0-9A-F][02468ACE]/.test(tag) ? `${tag.slice(0, 2)}00${tag.slice(4)}` : tag;
}

function plainVr(vr: string): string {
  return dependentVrs[vr] ?? vr;
}

// How dcmjs writes the value representations that PS3.6 leaves open: US or SS, OB or OW, US or OW, UL as a pointer.
const dependentVrs: Readonly<Record<string, string>> = { xs: 'US', ox: 'OW', lt: 'OW', up: 'UL', na: 'UN' };

// Where the dictionary of dcmjs 0.52 disagrees with PS3.6.
const corrections: Readonly<Record<string, string>> = {
  '00660040': 'OL',
  '00660041': 'OL',
  '00660042': 'OL',
  '00660043': 'OL',
  '0070150C': 'UL',
  '00760034': 'SQ',
};

const tags = new Map<string, string>();
const names = new Map<string, { readonly keyword: string; readonly vr: string }>();
for (const entry of Object.values(dcmjs.data.DicomMetaDictionary.nameMap)) {
  const tag = entry.tag.replace(/[(),]/g, '').toUpperCase();
  const keyword = entry.name.replace(/^RETIRED_/, '');
  // A keyword in use wins over a retired one of the same name, and so does a tag.
  const retired = keyword !== entry.name;
  if (!retired || !tags.has(keyword)) tags.set(keyword, tag);
  if (!retired || !names.has(tag)) names.set(tag, { keyword, vr: corrections[tag] ?? entry.vr });
}
