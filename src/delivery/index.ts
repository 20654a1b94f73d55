// Everything that leaves: destinations, one lane each, what a failure means, reading back, dead letters.
// It never makes or changes what it sends.
// Main types: Delivery, Destination.
import type { DestinationConfig } from '../base/index.ts';
import type { DimsePeer } from '../dimse/index.ts';
import { dicomwebDestination } from './dicomweb.ts';
import { dimseDestination } from './dimse.ts';
import { fhirDestination } from './fhir.ts';
import { hl7Destination } from './hl7.ts';
import type { Peer } from './http.ts';
import type { Destination } from './types.ts';

export { auditedDestination } from './audited.ts';
export { openDelivery, type Delivery, type DeliveryOptions, type TryOutcome } from './lanes.ts';
export type { LaneHealth } from './breaker.ts';
export { pauseMs } from './backoff.ts';
export { deliveriesOfStudy, dropDeadLetter, oldDeadLetters } from './retire.ts';
export type * from './types.ts';

/** What is not said of an HL7 receiver is as the configuration's defaults have it. */
type MakeConfig = Omit<DestinationConfig, Hl7Key> & Partial<Pick<DestinationConfig, Hl7Key>>;
type Hl7Key = 'hl7Version' | 'hl7Charset' | 'receivingApplication' | 'receivingFacility';

/** A destination from its configuration. */
export function makeDestination(config: MakeConfig): Destination {
  if (config.kind === 'hl7') return hl7Destination({ ...config, url: config.url!, ...config.tls });
  const peer: Peer = {
    name: config.name,
    url: config.url ?? '', // the schema asks for it, but for dimse
    headers: (config.headers ?? {}) as Record<string, string>,
    timeoutSeconds: config.timeoutSeconds,
    ...(config.bearerFile === undefined ? {} : { bearerFile: config.bearerFile }),
    ...(config.headerFiles === undefined ? {} : { headerFiles: config.headerFiles as Record<string, string> }),
  };
  if (config.kind === 'dimse') return dimseDestination(dimsePeer(config), config.url === undefined ? undefined : peer);
  if (config.kind === 'dicomweb') return dicomwebDestination(peer);
  return fhirDestination(peer, {
    version: config.fhirVersion,
    ...(config.aiLabel === undefined ? {} : { aiLabel: config.aiLabel }),
    ...(config.patientSystem === undefined ? {} : { patientSystem: config.patientSystem }),
  });
}

function dimsePeer(config: MakeConfig): DimsePeer {
  return {
    name: config.name,
    host: config.host!,
    port: config.port!,
    calledAet: config.calledAet!,
    callingAet: config.callingAet ?? 'PLUMBLINE',
    timeoutMs: config.timeoutSeconds * 1000,
    ...(config.tls === undefined ? {} : { tls: config.tls }),
  };
}
