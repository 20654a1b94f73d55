// The DICOM format: Part 10 bytes to attributes in the DICOM JSON Model and back, names of tags, character sets.
// It never decodes pixels and knows nothing of studies, models or reports.
// Main type: DicomJson (in base).
export {};
