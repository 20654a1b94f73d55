import { catalogue, type ErrorCode } from '../base/index.ts';

/**
 * What a sender is told of an instance that was not stored: status of a C-STORE (PS3.4 B.2.3, PS3.7 annex C) and Failure
 * Reason of a STOW-RS (PS3.18 table I.2-2), which are the same numbers. Trouble that may pass is A700 out of resources, so
 * that the sender comes again; 0110 processing failure is a fault of ours.
 */
export function storeStatus(code: ErrorCode): number {
  return statuses[code] ?? (catalogue[code].class === 'retry' ? 0xa700 : 0x0110);
}

const statuses: Partial<Record<ErrorCode, number>> = {
  'body-too-large': 0xa700,
  'uid-missing': 0xa900,
  'class-mismatch': 0xa900,
  'instance-mismatch': 0xa900,
  'study-mismatch': 0xa901,
  'not-dicom': 0xc000,
  'dicom-damaged': 0xc000,
  // Not A700: no passing lack of room, and the sender shall not come again with the same.
  'inflated-too-large': 0xc000,
  'charset-undecodable': 0xc000,
  'media-type-unsupported': 0xc000,
  'transfer-syntax-unknown': 0xc122,
  'class-not-storable': 0x0122,
  'instance-conflict': 0x0111,
};
