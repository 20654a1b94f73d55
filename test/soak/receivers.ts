import { inspectPart10 } from '../../src/dicom/index.ts';
import { startArchive, type Archive } from '../builders/archive.ts';
import { accepts, startReceiver, type Receiver } from '../builders/hl7-receiver.ts';

/** A PACS and a RIS that count what they get. */
export interface Receivers {
  readonly pacs: Archive;
  readonly ris: Receiver;
  readonly destinations: readonly Readonly<Record<string, unknown>>[];
  stop(): Promise<void>;
}

export async function startReceivers(): Promise<Receivers> {
  const [pacs, ris] = await Promise.all([startArchive(), startReceiver(() => accepts)]);
  return { pacs, ris, destinations: destinationsOf(pacs.url, ris.url), stop: async () => void (await Promise.all([pacs.stop(), ris.stop()])) }; // prettier-ignore
}

/** Both by name, for the configuration. */
export function destinationsOf(pacs: string, ris: string): Readonly<Record<string, unknown>>[] {
  return [
    { name: 'pacs', kind: 'dicomweb', url: pacs, timeoutSeconds: 5 },
    { name: 'ris', kind: 'hl7', url: ris, timeoutSeconds: 5 },
  ];
}

/** What the PACS holds of each study: `SEG SR` where it is as it should be. */
export function resultsByStudy(pacs: Archive): Map<string, string> {
  const found = new Map<string, string[]>();
  for (const file of pacs.stored.values()) {
    const { studyUid, attributes } = inspectPart10(file);
    const modality = String(attributes['00080060']?.Value?.[0]);
    found.set(studyUid, [...(found.get(studyUid) ?? []), modality].sort());
  }
  return new Map([...found].map(([uid, modalities]) => [uid, modalities.join(' ')]));
}

/** Reports by control id (MSH-10): the same message again is one report; and how many messages came in all. */
export function reportsOf(ris: Receiver): { readonly reports: ReadonlyMap<string, string>; readonly messages: number } {
  const reports = new Map<string, string>();
  for (const message of ris.messages) reports.set(message.split('|')[9]!, message);
  return { reports, messages: ris.messages.length };
}
