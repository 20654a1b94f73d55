import { joined } from '../../../src/base/index.ts';
import { afterAll, describe, expect, it } from 'vitest';
import type { DicomJson } from '../../../src/base/index.ts';
import { codeOf, inspectPart10, items, number, numbers, text } from '../../../src/dicom/index.ts';
import { encodeSeg, encodeSr, type DicomObject, type EncodingInput } from '../../../src/outputs/index.ts';
import { sampleInput, type InputOptions } from '../../builders/encodings.ts';
import { scratch, writeObjects } from '../../builders/segmented.ts';
import { missing, python } from '../../peers/index.ts';

interface Item {
  readonly relationship: string;
  readonly type: string;
  readonly concept: string;
  readonly value: string;
  readonly dataset: DicomJson;
  readonly children: readonly Item[];
}

function itemOf(ds: DicomJson): Item {
  const concept = codeOf(items(ds, 'ConceptNameCodeSequence')[0]);
  const code = codeOf(items(ds, 'ConceptCodeSequence')[0]);
  return {
    relationship: text(ds, 'RelationshipType'),
    type: text(ds, 'ValueType'),
    concept: concept ? `${concept.value} ${concept.meaning}` : '',
    value: code?.value ?? (text(ds, 'TextValue') || text(ds, 'UID')),
    dataset: ds,
    children: items(ds, 'ContentSequence').map(itemOf),
  };
}
const child = (item: Item, concept: string) => item.children.find((c) => c.concept.startsWith(concept))!;
const all = (item: Item, concept: string) => item.children.filter((c) => c.concept.startsWith(concept));

function report(options: InputOptions = {}): {
  input: EncodingInput;
  segs: DicomObject[];
  sr: DicomObject;
  root: Item;
} {
  const input = sampleInput(options);
  const segs = encodeSeg(input);
  const sr = encodeSr(input, segs);
  return { input, segs, sr, root: itemOf(inspectPart10(joined(sr.parts)).attributes) };
}

describe('the tree of TID 1500', () => {
  const { root, input, segs } = report();
  const groups = child(root, '126010').children;

  it('has the rows of the template, in order, with their relationships and meanings', () => {
    const rows = root.children.map((c) => `${c.relationship} ${c.type} ${c.concept}`);
    expect(rows).toEqual([
      'HAS CONCEPT MOD CODE 121049 Language of Content Item and Descendants',
      'HAS OBS CONTEXT CODE 121005 Observer Type',
      'HAS OBS CONTEXT UIDREF 121012 Device Observer UID',
      'HAS OBS CONTEXT TEXT 121013 Device Observer Name',
      'HAS OBS CONTEXT TEXT 121014 Device Observer Manufacturer',
      'HAS OBS CONTEXT TEXT 121015 Device Observer Model Name',
      'HAS OBS CONTEXT TEXT 121016 Device Observer Serial Number',
      'HAS CONCEPT MOD CODE 121058 Procedure reported',
      'CONTAINS CONTAINER 111028 Image Library',
      'CONTAINS CONTAINER 126010 Imaging Measurements',
      'CONTAINS CONTAINER C0034375 Qualitative Evaluations',
    ]);
  });

  it('has a group per mask: volumes by template 1411, one plane by 1410', () => {
    const templates = groups.map((g) => text(items(g.dataset, 'ContentTemplateSequence')[0]!, 'TemplateIdentifier'));
    expect(templates).toEqual(['1411', '1411', '1411', '1410']);
    expect(groups.map((g) => g.concept)).toEqual(Array.from({ length: 4 }, () => '125007 Measurement Group'));
  });

  it('a volume names its segment and the source series', () => {
    const named = items(child(groups[2]!, '121191').dataset, 'ReferencedSOPSequence')[0]!;
    expect(text(named, 'ReferencedSOPInstanceUID')).toBe(segs[0]!.instanceUid);
    expect(number(named, 'ReferencedSegmentNumber')).toBe(3);
    expect(child(groups[2]!, '121232').value).toBe(input.draft.stacks[0]!.seriesUid);
  });

  it('a plane names the frame of its segment, without a segment number, and its one image', () => {
    const named = items(child(groups[3]!, '121214').dataset, 'ReferencedSOPSequence')[0]!;
    const [frame] = numbers(named, 'ReferencedFrameNumber');
    const seg = inspectPart10(joined(segs[0]!.parts)).attributes;
    const own = items(seg, 'PerFrameFunctionalGroupsSequence')[frame! - 1]!;
    expect(number(items(own, 'SegmentIdentificationSequence')[0]!, 'ReferencedSegmentNumber')).toBe(4);
    expect(number(named, 'ReferencedSegmentNumber')).toBeUndefined();
    const image = items(child(groups[3]!, '121233').dataset, 'ReferencedSOPSequence')[0]!;
    expect(text(image, 'ReferencedSOPInstanceUID')).toBe(input.draft.stacks[0]!.planes.at(-1)!.instanceUid);
  });

  it('numbers have no children; what qualifies them and warnings stand under the sentence', () => {
    const numeric = groups.flatMap((g) => g.children.filter((c) => c.type === 'NUM'));
    expect(numeric).toHaveLength(16);
    expect(numeric.every((n) => n.children.length === 0)).toBe(true);
    const [warning] = child(groups[0]!, '121106').children;
    expect([warning?.relationship, warning?.value]).toEqual([
      'HAS PROPERTIES',
      'Side: text says left, mask lies right',
    ]);
  });

  it('sentences without mask follow in reading order, the absent finding coded with its site', () => {
    const evaluations = child(root, 'C0034375');
    expect(all(evaluations, '121106').map((t) => t.value)).toEqual([
      'Abdominal CT slice.',
      'No lung nodule is seen.',
      'In the right lower part there is a small renal cyst.',
    ]);
    const [absent] = evaluations.children.filter((c) => c.type === 'CODE');
    // 272519000 Absent of CID 240; the concept is what is absent.
    expect([absent?.concept, absent?.value]).toEqual(['27925004 Nodule', '272519000']);
    expect(absent?.children.map((c) => [c.concept, c.value])).toEqual([['363698007 Finding Site', '39607008']]);
  });

  it('an ungrounded sentence says under it that no mask shows it', () => {
    const [under] = all(child(root, 'C0034375'), '121106').at(-1)!.children;
    expect(under?.value).toMatch(/^Not grounded, no mask shows it: renal cyst\./);
  });

  it('the library lists every image of the stack with its position', () => {
    const [group] = child(root, '111028').children;
    const images = group!.children.filter((c) => c.type === 'IMAGE');
    expect(images).toHaveLength(6);
    expect(images[0]!.children.map((c) => c.concept.slice(0, 6))).toEqual(['110901', '110902', '110903']);
  });
});

describe('the document', () => {
  it('is a preliminary, unverified Comprehensive 3D SR, or Comprehensive SR where a destination asks', () => {
    const { sr } = report();
    const ds = inspectPart10(joined(sr.parts)).attributes;
    expect([text(ds, 'CompletionFlag'), text(ds, 'PreliminaryFlag'), text(ds, 'VerificationFlag')]).toEqual([
      'COMPLETE',
      'PRELIMINARY',
      'UNVERIFIED',
    ]);
    expect(sr.sopClass).toBe('1.2.840.10008.5.1.4.1.1.88.34');
    expect(report({ profile: { srClass: 'comprehensive' } }).sr.sopClass).toBe('1.2.840.10008.5.1.4.1.1.88.33');
  });

  it('names images before the SEG in its evidence, each once', () => {
    const { sr, segs, input } = report();
    const [evidence] = items(inspectPart10(joined(sr.parts)).attributes, 'CurrentRequestedProcedureEvidenceSequence');
    const series = items(evidence!, 'ReferencedSeriesSequence');
    expect(series.map((s) => text(s, 'SeriesInstanceUID'))).toEqual([
      input.draft.stacks[0]!.seriesUid,
      segs[0]!.seriesUid,
    ]);
    expect(series.map((s) => items(s, 'ReferencedSOPSequence').length)).toEqual([6, 1]);
  });

  it('takes the procedure from the source, else from the modality', () => {
    expect(child(report().root, '121058').value).toBe('25045-6');
    const input = sampleInput();
    const procedure = {
      vr: 'SQ',
      Value: [
        {
          '00080100': { vr: 'SH', Value: ['CTABD'] },
          '00080102': { vr: 'SH', Value: ['99HOSP'] },
          '00080104': { vr: 'LO', Value: ['CT abdomen'] },
        },
      ],
    };
    const sources = new Map(
      [...input.sources].map(([uid, ds]): [string, DicomJson] => [uid, { ...ds, '00081032': procedure }]),
    );
    const given = { ...input, sources };
    const ds = inspectPart10(joined(encodeSr(given, encodeSeg(given)).parts)).attributes;
    expect(child(itemOf(ds), '121058').value).toBe('CTABD');
  });

  it('is the same, byte for byte, each time', () => {
    expect(Buffer.compare(joined(report().sr.parts), joined(report().sr.parts))).toBe(0);
  });

  it('is written without any mask, with all sentences', () => {
    const { segs, root } = report({ masks: 'none' });
    expect(segs).toEqual([]);
    expect(child(root, '126010').children).toEqual([]);
    expect(all(child(root, 'C0034375'), '121106')).toHaveLength(3);
  });

  it('without SEG for a stack that has masks is refused', () => {
    expect(() => encodeSr(sampleInput(), [])).toThrow(expect.objectContaining({ code: 'encoding-invalid' }));
  });
});

/** Measurement groups as highdicom reads them. */
const groupsScript = `
import json, sys
import highdicom as hd
out = []
for path in sys.argv[1:]:
    c = hd.sr.srread(path).content
    groups = []
    for kind, found in (('planar', c.get_planar_roi_measurement_groups()), ('volumetric', c.get_volumetric_roi_measurement_groups())):
        for g in found:
            ref = g.referenced_segmentation_frame if kind == 'planar' else g.referenced_segment
            groups.append(dict(kind=kind, id=g.tracking_identifier, uid=str(g.tracking_uid), finding=g.finding_type.value, category=g.finding_category.value,
                sites=[[s.value.value, s.laterality.value if s.laterality else None] for s in g.finding_sites],
                numbers=[[m.name.value, float(m.value), m.unit.value] for m in g.get_measurements()],
                seg=str(ref.referenced_sop_instance_uid)))
    out.append(sorted(groups, key=lambda g: g['id']))
print(json.dumps(out))
`;

describe.skipIf(missing('python'))('highdicom', () => {
  const { folder, remove } = scratch();
  afterAll(remove);

  it('reads every measurement group: tracking, finding, site and side, numbers and units, the SEG', async () => {
    const made = [
      report(),
      report({ kind: 'picture' }),
      report({ multiFrame: true, profile: { srClass: 'comprehensive' } }),
    ];
    const files = made.map(({ sr }, i) => writeObjects(folder, `read-${i}`, [sr])[0]!);
    const ran = await python(groupsScript, files);
    expect(ran.stderr).not.toContain('Error');
    expect(JSON.parse(ran.stdout)).toEqual(made.map(({ input, segs }) => expectedGroups(input, segs[0]!.instanceUid)));
  });
});

function expectedGroups({ draft }: EncodingInput, seg: string) {
  const groups = draft.masks.map((mask) => {
    const finding = draft.findings.find((f) => f.id === mask.finding)!;
    const { concept } = finding;
    return {
      kind: mask.planes.length === 1 ? 'planar' : 'volumetric',
      id: finding.trackingId,
      uid: finding.trackingUid,
      finding: concept.type.value,
      category: concept.category.value,
      sites: concept.region ? [[concept.region.value, concept.laterality?.value ?? null]] : [],
      numbers: finding.measurements.map((m) => [m.code.value, m.value, m.unit.value]),
      seg,
    };
  });
  return groups.sort((a, b) => (a.id < b.id ? -1 : 1));
}
