// Stage 3: what a model answered becomes a Draft: sentences, findings, masks on the source grid, codes, measurements.
// It never reads pixels or files and never writes an encoding; data in, data out.
// Main type: Draft.
export type * from './draft.ts';
export { codesSchema, presenceSchema, targetsSchema } from './mapping-schemas.ts';
export {
  loadMappings,
  mapLabel,
  type MappedLabel,
  type MappingEntry,
  type Mappings,
  type SideRule,
} from './mappings.ts';
export {
  loadTargets,
  resolveTarget,
  sameTarget,
  type KnownTargets,
  type TargetEntry,
  type Targets,
} from './targets.ts';
export { parseAnswer, type AnswerForm, type ParsedAnswer, type ParsedPhrase, type ParsedSentence } from './parse.ts';
export { unshownOf, type Unshown } from './claims.ts';
export { dicomLab, findingColour } from './colours.ts';
export { makeDraft, type DraftInput } from './make.ts';
export { imageLateralityOf, type ModalityInfo } from './check-words.ts';
export { placeMask, toPicture, type PicturePlace } from './place.ts';
export { checkDraft } from './check.ts';
export { draftSchema } from './draft-schema.ts';
export {
  makeSummary,
  summarySchema,
  type Summary,
  type SummaryFile,
  type SummaryFinding,
  type SummaryInput,
  type SummaryMask,
  type SummaryPicture,
  type SummaryProblem,
  type SummaryReason,
  type SummarySentence,
} from './summary.ts';
