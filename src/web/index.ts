// What can be read from the gateway: DICOMweb (QIDO-RS, WADO-RS) over the store, pages for people, the same facts as JSON.
// It never stores or changes anything and runs no script in a browser.
// Main types: DicomwebOptions, PagesOptions, DraftFiles.
export { dicomwebRouter, type DicomwebOptions } from './dicomweb/router.ts';
export { pagesRouter, type PagesOptions } from './pages/router.ts';
export { problemAnswer } from './errors.ts';
export { cors } from './cors.ts';
export type { DraftFiles, DraftRow, TimelineEntry } from './drafts.ts';
