// The HL7 v2 door: orders and patient changes over MLLP, plain or over TLS, answered only when they are durable.
// It never decides what an order means for a study and never sends a report.
// Main types: Hl7Door, Hl7ListenerOptions.
export { openHl7Listener, type Hl7Door, type Hl7ListenerOptions } from './listener.ts';
export { messagesOf, takeMessage, type TakeOptions } from './answer.ts';
