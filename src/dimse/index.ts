// The DICOM upper layer (PS3.8) and the DIMSE services C-ECHO and C-STORE over a socket, both ends, on dcmjs-dimse.
// It never looks into a data set, keeps nothing, and knows nothing of studies or destinations.
// Main types: Provider, OutgoingAssociation.
export { serveAssociation, type ServeLimits } from './serve.ts';
export { openAssociation, type DimsePeer, type OutgoingAssociation, type ToStore } from './call.ts';
export { fileTls, type TlsFiles } from './tls.ts';
export type * from './types.ts';
