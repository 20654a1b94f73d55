/** The defects of a report, R01 to R47: one change each of what the encoder wrote. */
import { dataset, tagOf, text } from '../../../src/dicom/index.ts';
import type { Defect } from './seg.ts';
import { at, content, drop, items, ofType, removeContent, set, type Change, type Open } from './spoil.ts';

const on = (change: (ds: Open) => unknown): Change => ({ ds }) => void change(ds); // prettier-ignore
/** The first content item of a concept. */
const first = (ds: Open, concept: string): Open => content(ds, concept)[0]!;
const number = (ds: Open): Open => first(ds, '118565006');
const measured = (ds: Open): Open => at(number(ds), 'MeasuredValueSequence');
const segmentReference = (ds: Open): Open => at(first(ds, '121191'), 'ReferencedSOPSequence');
const study = (ds: Open): Open => at(ds, 'CurrentRequestedProcedureEvidenceSequence');

/** An outline of the referenced image under the first number, as some writers add it. */
function addOutline(ds: Open, valueType: string, graphicType: string, child = 'IMAGE'): void {
  const group = first(ds, '125007');
  const image = dataset({
    RelationshipType: 'SELECTED FROM',
    ValueType: child,
    ...(child === 'IMAGE'
      ? { ReferencedSOPSequence: [at(first(ds, '121233'), 'ReferencedSOPSequence')] }
      : {
          ConceptNameCodeSequence: [at(first(ds, '121071'), 'ConceptNameCodeSequence')],
          ConceptCodeSequence: [at(first(ds, '121071'), 'ConceptCodeSequence')],
        }),
  });
  const concept = dataset({ CodeValue: '111030', CodingSchemeDesignator: 'DCM', CodeMeaning: 'Image Region' });
  const flat = valueType === 'SCOORD';
  const outline = dataset({
    RelationshipType: 'CONTAINS',
    ValueType: valueType,
    ConceptNameCodeSequence: [concept],
    GraphicType: graphicType,
    GraphicData: flat ? [1, 1, 5, 1, 5, 5, 1, 1] : [1, 1, 0, 5, 1, 0, 5, 5, 0, 1, 1, 0],
    ...(flat ? { ContentSequence: [image] } : { ReferencedFrameOfReferenceUID: '2.25.5' }),
  });
  items(group, 'ContentSequence').push(outline as Open);
}

function evidenceWithoutSeg(ds: Open): void {
  const seg = text(segmentReference(ds), 'ReferencedSOPInstanceUID');
  const series = items(study(ds), 'ReferencedSeriesSequence');
  const at_ = series.findIndex((s) => items(s, 'ReferencedSOPSequence').some((i) => text(i, 'ReferencedSOPInstanceUID') === seg)); // prettier-ignore
  series.splice(at_, 1);
}

/** SCT codes of the tree as the retired SRT ones. */
function retire(ds: Open): void {
  for (const c of [...content(ds, '276214006'), ...content(ds, '363698007'), ...content(ds, '118565006')]) {
    set(at(c, 'ConceptNameCodeSequence'), 'CodingSchemeDesignator', 'SRT');
    set(at(c, 'ConceptNameCodeSequence'), 'CodeValue', 'G-C0E3');
  }
}

export const srDefects: readonly Defect[] = [
  { id: 'R01', what: 'root without concept', change: on((ds) => drop(ds, 'ConceptNameCodeSequence')) },
  { id: 'R02', what: 'root 121070 Findings', change: on((ds) => { set(at(ds, 'ConceptNameCodeSequence'), 'CodeValue', '121070'); set(at(ds, 'ConceptNameCodeSequence'), 'CodeMeaning', 'Findings'); }) }, // prettier-ignore
  { id: 'R03', what: 'no Content Template Sequence', change: on((ds) => drop(ds, 'ContentTemplateSequence')) },
  { id: 'R04', what: 'no Imaging Measurements container', change: on((ds) => removeContent(ds, '126010')) },
  { id: 'R05', what: 'no Tracking Unique Identifier', change: on((ds) => removeContent(ds, '112040')) },
  { id: 'R06', what: 'no Tracking Identifier', change: on((ds) => removeContent(ds, '112039')) },
  { id: 'R07', what: 'NUM without value', change: on((ds) => drop(number(ds), 'MeasuredValueSequence')) },
  { id: 'R08', what: 'NUM without unit', change: on((ds) => drop(measured(ds), 'MeasurementUnitsCodeSequence')) },
  { id: 'R09', what: 'Numeric Value 12,5', change: on((ds) => (measured(ds)[tagOf('NumericValue')] = { vr: 'DS', Value: ['12,5'] })) }, // prettier-ignore
  { id: 'R10', what: 'a group by HAS PROPERTIES', change: on((ds) => set(first(ds, '125007'), 'RelationshipType', 'HAS PROPERTIES')) }, // prettier-ignore
  { id: 'R11', what: 'no Referenced Segment Number', change: on((ds) => drop(segmentReference(ds), 'ReferencedSegmentNumber')) }, // prettier-ignore
  { id: 'R12', what: 'Referenced Segment Number 9, which is not there', change: on((ds) => set(segmentReference(ds), 'ReferencedSegmentNumber', 9)) }, // prettier-ignore
  { id: 'R13', what: 'SEG not in the evidence', change: on(evidenceWithoutSeg) },
  { id: 'R14', what: 'no evidence', change: on((ds) => drop(ds, 'CurrentRequestedProcedureEvidenceSequence')) },
  { id: 'R15', what: 'Graphic Type Polyline', change: on((ds) => addOutline(ds, 'SCOORD', 'Polyline')) },
  { id: 'R16', what: 'SCOORD POLYGON', change: on((ds) => addOutline(ds, 'SCOORD', 'POLYGON')) },
  { id: 'R17', what: 'SCOORD3D in a Comprehensive SR', base: 'narrow', change: on((ds) => addOutline(ds, 'SCOORD3D', 'POLYLINE')) }, // prettier-ignore
  { id: 'R18', what: 'TEXT without value', change: on((ds) => drop(first(ds, '121106'), 'TextValue')) },
  { id: 'R19', what: 'TEXT empty', change: on((ds) => (first(ds, '121106')[tagOf('TextValue')] = { vr: 'UT', Value: [] })) }, // prettier-ignore
  { id: 'R20', what: 'CODE without code', change: on((ds) => drop(first(ds, '121071'), 'ConceptCodeSequence')) },
  { id: 'R21', what: 'VERIFIED without an observer', change: on((ds) => set(ds, 'VerificationFlag', 'VERIFIED')) },
  { id: 'R22', what: 'no Completion Flag', change: on((ds) => drop(ds, 'CompletionFlag')) },
  { id: 'R23', what: 'no Verification Flag', change: on((ds) => drop(ds, 'VerificationFlag')) },
  { id: 'R24', what: 'no Performed Procedure Code Sequence', change: on((ds) => drop(ds, 'PerformedProcedureCodeSequence')) }, // prettier-ignore
  { id: 'R25', what: 'a UIDREF with letters', change: on((ds) => set(first(ds, '112040'), 'UID', 'tracking-1')) },
  { id: 'R26', what: 'Modality SEG', change: on((ds) => set(ds, 'Modality', 'SEG')) },
  { id: 'R27', what: 'no Continuity of Content', change: on((ds) => drop(first(ds, '126010'), 'ContinuityOfContent')) },
  { id: 'R28', what: 'no language', change: on((ds) => removeContent(ds, '121049')) },
  { id: 'R29', what: 'no observer', change: on((ds) => removeContent(ds, '121005', '121012', '121013', '121014', '121015', '121016')) }, // prettier-ignore
  { id: 'R30', what: 'unit "cubic mm"', change: on((ds) => set(at(measured(ds), 'MeasurementUnitsCodeSequence'), 'CodeValue', 'cubic mm')) }, // prettier-ignore
  { id: 'R31', what: 'retired SRT codes', change: on(retire) },
  { id: 'R32', what: 'no source image or series', change: on((ds) => removeContent(ds, '121232', '121233')) },
  {
    id: 'R33',
    what: 'IMAGE without reference',
    change: on((ds) => drop(first(ds, '121191'), 'ReferencedSOPSequence')),
  },
  { id: 'R34', what: 'no Finding', change: on((ds) => removeContent(ds, '121071')) },
  { id: 'R35', what: 'no Image Library', change: on((ds) => removeContent(ds, '111028')) },
  { id: 'R36', what: 'another Patient ID', change: on((ds) => set(ds, 'PatientID', 'PID-78')) },
  { id: 'R37', what: 'another study', change: on((ds) => set(ds, 'StudyInstanceUID', '2.25.7')) },
  { id: 'R38', what: 'no Content Date and Time', change: on((ds) => drop(ds, 'ContentDate', 'ContentTime')) },
  { id: 'R39', what: 'Value Type STRING', change: on((ds) => set(ofType(ds, 'TEXT')[0]!, 'ValueType', 'STRING')) },
  { id: 'R40', what: 'no Relationship Type', change: on((ds) => drop(first(ds, '121191'), 'RelationshipType')) },
  { id: 'R41', what: 'the segment under the class of a CT image', change: on((ds) => set(segmentReference(ds), 'ReferencedSOPClassUID', '1.2.840.10008.5.1.4.1.1.2')) }, // prettier-ignore
  { id: 'R42', what: 'NUM without children', harmless: true, change: () => undefined },
  { id: 'R43', what: 'an outline whose child is a CODE', change: on((ds) => addOutline(ds, 'SCOORD', 'POLYLINE', 'CODE')) }, // prettier-ignore
  { id: 'R44', what: 'markup in a Text Value (legal)', change: on((ds) => set(first(ds, '121106'), 'TextValue', '<script>alert(1)</script>')) }, // prettier-ignore
  { id: 'R45', what: 'template 2000, tree of 1500', change: on((ds) => set(at(ds, 'ContentTemplateSequence'), 'TemplateIdentifier', '2000')) }, // prettier-ignore
  { id: 'R46', what: 'meaning "Measurement group"', change: on((ds) => set(at(first(ds, '125007'), 'ConceptNameCodeSequence'), 'CodeMeaning', 'Measurement group')) }, // prettier-ignore
  { id: 'R47', what: 'two groups with one Tracking UID', change: on((ds) => set(content(ds, '112040')[1]!, 'UID', text(first(ds, '112040'), 'UID'))) }, // prettier-ignore
];
