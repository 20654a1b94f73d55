import type { DicomJson } from './model.ts';

const storage = '1.2.840.10008.5.1.4.1.1.';
/** Segmentations, reports, secondary captures, key objects, documents, presentation states. */
const ownClasses = ['66', '88', '7', '104', '11'].map((rest) => `${storage}${rest}`);

/** Manufacturer (0008,0070) of every object that this program writes. */
export const ownManufacturer = 'Plumbline';

/**
 * Whether an object is a result of this program that has come back: by equipment, derived UID and class of what it
 * writes, never by a description that anybody can type.
 */
export function isOwnResult(attributes: DicomJson, sopClass: string, instanceUid: string): boolean {
  if (attributes['00080070']?.Value?.[0] !== ownManufacturer || !isDerivedUid(instanceUid)) return false;
  return ownClasses.some((prefix) => sopClass === prefix || sopClass.startsWith(`${prefix}.`));
}

/** The form of `derivedUid`: 2.25 and a UUID of version 8 (RFC 9562). */
function isDerivedUid(uid: string): boolean {
  if (!/^2\.25\.\d{1,39}$/.test(uid)) return false;
  const uuid = BigInt(uid.slice('2.25.'.length));
  return ((uuid >> 76n) & 0xfn) === 8n && ((uuid >> 62n) & 3n) === 2n;
}
