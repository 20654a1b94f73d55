// C-STORE and C-ECHO: instances that a peer sends over associations, handed to studies; success only when they are durable.
// It never decides what is read and never changes a byte of a data set that it received.
// Main types: DimseDoor, DimseDoorOptions.
export { openDimseDoor, type DimseDoor, type DimseDoorOptions } from './door.ts';
