// The format HL7 v2: MLLP frames, character sets, messages as segments and fields, acknowledgements. Bytes in, bytes out.
// It never opens a socket, keeps nothing, and knows nothing of orders or reports.
// Main type: Hl7Message.
export * from './ack.ts';
export * from './batch.ts';
export * from './charset.ts';
export * from './escape.ts';
export * from './message.ts';
export * from './mllp.ts';
export * from './time.ts';
