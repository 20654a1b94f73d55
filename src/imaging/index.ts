// Stage 1: the instances of a study become stacks with their geometry, and planes become pictures with an exact way back.
// It never opens a network connection or a database, and never interpolates between slices or pixels.
// Main type: StudyReading; Stack, Grid and Picture are in base.
export { readStudy, type ReadingOptions, type StudyReading } from './read-study.ts';
export { choosePlanes } from './choose-planes.ts';
export { loadPictures, type PictureOptions } from './pictures.ts';
export { renderColour } from './colour.ts';
export { displayFrame, pictureMaskToSource, sourceMaskToPicture, sourceSize, type PictureFrame } from './display.ts';
export { suitability, pictureFacts } from './suitability.ts';
export { patientSide, patientPoint, type Side } from './sides.ts';
export { readRegion, type RegionSources } from './regions.ts';
export * from './decode/index.ts';
export { pixelUmOf } from './slides.ts';
export { loadOverview, loadTiles, planTiles, tissueShare, type TilePlan } from './tiles.ts';
