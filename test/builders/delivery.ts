/** What a delivery carries, made from the sample draft, and a proxy that cuts connections. */
import { joined } from '../../src/base/index.ts';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspectPart10 } from '../../src/dicom/index.ts';
import type { DeliverContent, DeliverObject, Ledger } from '../../src/delivery/index.ts';
import type { DicomObject } from '../../src/outputs/index.ts';
import { encodeAll, sampleInput, type InputOptions } from './encodings.ts';

/** Identifier of the patient in the sample, as a FHIR server has it. */
export const samplePatient = {
  resourceType: 'Patient' as const,
  active: true,
  identifier: [{ system: 'urn:oid:1.2.3.4', value: 'PID-77' }],
};

export function deliverContent(options: InputOptions = {}): DeliverContent {
  const input = sampleInput(options);
  const { segs, sr, fhirR4, fhirR5 } = encodeAll(input);
  return {
    workitem: input.draft.key,
    studyUid: input.draft.studyUid,
    patientId: 'PID-77',
    issuer: 'HOSPITAL',
    objects: [...segs, sr].map(deliverObject),
    fhirR4: async () => fhirR4,
    fhirR5: async () => fhirR5,
  };
}

function deliverObject({ role, parts }: DicomObject): DeliverObject {
  const bytes = joined(parts);
  const { seriesUid, instanceUid, sopClass, dataDigest } = inspectPart10(bytes);
  return { role, seriesUid, instanceUid, sopClass, dataDigest, bytes: async () => bytes };
}

/** What was written, in memory. */
export function memoryLedger(): Ledger & { readonly versions: ReadonlyMap<string, string> } {
  const versions = new Map<string, string>();
  return {
    versions,
    versionOf: async (place) => versions.get(place),
    wrote: async (place, version) => void versions.set(place, version),
  };
}

export interface CuttingProxy {
  readonly url: string;
  /** Requests that write (all but GET), as `METHOD path`. */
  readonly writes: readonly string[];
  /** Cut the connection at the `nth` write from now: when the peer has done it, and before its answer arrives. */
  cutAtWrite(nth: number): void;
  stop(): Promise<void>;
}

/** Stands before a peer and passes everything on, until it is told to cut. @param target e.g. `http://127.0.0.1:1234/fhir` */
export async function startCuttingProxy(target: string): Promise<CuttingProxy> {
  const { origin, pathname } = new URL(target);
  const writes: string[] = [];
  let cutAt = 0;
  const server = createServer((incoming, outgoing) => {
    const isWrite = incoming.method !== 'GET';
    if (isWrite) writes.push(`${incoming.method} ${incoming.url}`);
    const cut = isWrite && --cutAt === 0;
    const passOn = (answer: IncomingMessage): void => {
      if (cut) {
        answer.resume().on('end', () => incoming.socket.destroy());
        return;
      }
      outgoing.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(outgoing);
    };
    const body: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => body.push(chunk));
    // Sent on in one piece: a server that refuses early closes the connection under one who is still sending.
    incoming.on('end', () => {
      const { method, headers } = incoming;
      const onward = httpRequest(`${origin}${incoming.url}`, { method, headers, agent: false }, passOn);
      onward.on('error', () => outgoing.destroy());
      onward.end(Buffer.concat(body));
    });
  });
  await new Promise<void>((up) => server.listen(0, '127.0.0.1', up));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${pathname}`,
    writes,
    cutAtWrite: (nth) => void (cutAt = nth),
    stop: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}
