/** The three groups of a person name (PS3.5 6.2.1.1), folded for comparing: any case, trailing `^` without meaning. */
export interface FoldedName {
  readonly alphabetic: string;
  readonly ideographic: string;
  readonly phonetic: string;
}

/** @param value a PN value of the DICOM JSON Model (PS3.18 F.2.2), or `Alphabetic=Ideographic=Phonetic` */
export function foldName(value: unknown): FoldedName {
  if (typeof value === 'string') {
    const [alphabetic = '', ideographic = '', phonetic = ''] = value.split('=').map(fold);
    return { alphabetic, ideographic, phonetic };
  }
  const groups = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const group = (key: string): string => (typeof groups[key] === 'string' ? fold(groups[key]) : '');
  return { alphabetic: group('Alphabetic'), ideographic: group('Ideographic'), phonetic: group('Phonetic') };
}

/** PS3.4 C.2.2.2.1 lets a server compare names without regard to case; forms that look the same count as the same. */
export function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase().trim().replace(/\^+$/, '');
}
