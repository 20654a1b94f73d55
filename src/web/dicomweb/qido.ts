import type { Request, Response } from 'express';
import { PlumblineError, type DicomElement, type DicomJson } from '../../base/index.ts';
import { isKeyword, tagOf, vrOfTag } from '../../dicom/index.ts';
import type { Found, StoredInstance, Studies } from '../../studies/index.ts';

export type Level = 'study' | 'series' | 'instance';

/**
 * QIDO-RS (PS3.18 10.6) at one level, within the study and series that the path names.
 * 200 with a JSON array, 204 where nothing matches (Table 10.6.3-1).
 * @param root base of Retrieve URLs
 * @throws PlumblineError query-invalid
 */
export async function searchAnswer(
  studies: Studies,
  level: Level,
  req: Request,
  res: Response,
  root: string,
): Promise<void> {
  const query = readQuery(req);
  const scope = {
    studyUid: req.params['study'] as string | undefined,
    seriesUid: req.params['series'] as string | undefined,
  };
  const { match, limit, offset } = query;
  // One more than asked for tells whether there is more.
  const found = await studies.search(level, {
    ...(scope.studyUid !== undefined && { studyUid: scope.studyUid }),
    ...(scope.seriesUid !== undefined && { seriesUid: scope.seriesUid }),
    match,
    limit: limit + 1,
    offset,
  });
  for (const warning of query.warnings) res.append('Warning', `299 ${root}: ${warning}`);
  if (found.length > limit && query.capped) {
    res.append(
      'Warning',
      `299 ${root}: "The number of results exceeded the maximum supported by the server. Additional results can be requested."`,
    );
  }
  const levels = levelsOf(level, scope);
  const rows = found.slice(0, limit).map((one) => row(one, level, levels, query, root));
  if (rows.length === 0) return void res.status(204).end();
  res.type('application/dicom+json').send(Buffer.from(JSON.stringify(rows)));
}

interface Query {
  readonly match: readonly { readonly tag: string; readonly value: string }[];
  readonly include: ReadonlySet<string>;
  readonly includeAll: boolean;
  readonly limit: number;
  readonly offset: number;
  /** The limit is ours, not the client's. */
  readonly capped: boolean;
  readonly warnings: readonly string[];
}

const most = 1000;

/** Query parameters of PS3.18 8.3.4; attributes by keyword or by tag; a repeated includefield adds up. */
function readQuery(req: Request): Query {
  const params = new URL(req.originalUrl, 'http://localhost').searchParams;
  const match: { tag: string; value: string }[] = [];
  const include = new Set<string>();
  const warnings: string[] = [];
  let includeAll = false;
  for (const [name, value] of params) {
    if (name === 'includefield') {
      for (const field of value.split(','))
        if (field === 'all') includeAll = true;
        else include.add(attribute(field));
    } else if (name === 'fuzzymatching' || name === 'multiplevaluematching' || name === 'emptyvaluematching') {
      if (value === 'true') warnings.push(unsupported[name]!);
    } else if (!['limit', 'offset', 'accept', 'charset'].includes(name)) {
      const tag = attribute(name);
      if (match.some((m) => m.tag === tag)) throw invalid(`${name} is asked for twice`);
      // Universal matching (PS3.4 C.2.2.2.3) is a wish to see the attribute.
      if (value === '' || value === '*') include.add(tag);
      else match.push({ tag, value });
    }
  }
  const asked = count(params, 'limit');
  const capped = asked === undefined || asked > most;
  return {
    match,
    include,
    includeAll,
    limit: Math.min(asked ?? most, most),
    offset: count(params, 'offset') ?? 0,
    capped,
    warnings,
  };
}

const unsupported: Readonly<Record<string, string>> = {
  fuzzymatching: '"The fuzzymatching parameter is not supported. Only literal matching has been performed."',
  multiplevaluematching:
    '"The multiplevaluematching parameter is not supported. Multiple Value Matching has not been performed."',
  emptyvaluematching:
    '"The emptyvaluematching parameter is not supported. Empty Value Matching has not been performed."',
};

/** @returns 8 hex digits @throws PlumblineError query-invalid */
function attribute(name: string): string {
  if (/^[0-9A-Fa-f]{8}$/.test(name)) return name.toUpperCase();
  if (isKeyword(name)) return tagOf(name);
  if (name.includes('.')) throw invalid(`matching inside sequences (${name}) is not supported`);
  throw invalid(`${name} is no attribute and no query parameter`);
}

function count(params: URLSearchParams, name: string): number | undefined {
  const values = params.getAll(name);
  if (values.length === 0) return undefined;
  if (values.length === 1 && /^\d{1,9}$/.test(values[0]!)) return Number(values[0]);
  throw invalid(`${name} is no number`);
}

function invalid(message: string): PlumblineError {
  return new PlumblineError('query-invalid', message);
}

/** Attributes of each level that are always given (PS3.18 Tables 10.6.3-3 to 10.6.3-5), beside the counted ones. */
const attributes: Readonly<Record<Level, readonly string[]>> = {
  study: [
    'StudyDate', 'StudyTime', 'AccessionNumber', 'ReferringPhysicianName', 'TimezoneOffsetFromUTC', 'StudyDescription',
    'PatientName', 'PatientID', 'IssuerOfPatientID', 'PatientBirthDate', 'PatientSex', 'StudyInstanceUID', 'StudyID',
  ],
  series: [
    'Modality', 'TimezoneOffsetFromUTC', 'SeriesDescription', 'SeriesInstanceUID', 'SeriesNumber', 'BodyPartExamined',
    'PerformedProcedureStepStartDate', 'PerformedProcedureStepStartTime', 'RequestAttributesSequence',
  ],
  instance: [
    'SOPClassUID', 'SOPInstanceUID', 'TimezoneOffsetFromUTC', 'InstanceNumber', 'Rows', 'Columns', 'BitsAllocated', 'NumberOfFrames',
  ],
}; // prettier-ignore

/** A search that is not within a study also says of which study each result is (PS3.18 10.6.3.3), and so for series. */
function levelsOf(
  level: Level,
  scope: { readonly studyUid?: string | undefined; readonly seriesUid?: string | undefined },
): Level[] {
  const above: Level[] = [];
  if (level !== 'study' && scope.studyUid === undefined) above.push('study');
  if (level === 'instance' && scope.seriesUid === undefined) above.push('series');
  return [...above, level];
}

/** One result: always the UIDs of the levels above, so that a Retrieve URL can be made of it. */
function row(found: Found, level: Level, levels: readonly Level[], query: Query, root: string): DicomJson {
  const { first } = found;
  const wanted = new Set(levels.flatMap((l) => attributes[l]).map(tagOf));
  const given = new Map<string, DicomElement>();
  for (const tag of wanted) given.set(tag, { vr: vrOfTag(tag) ?? 'UN' });
  for (const [tag, element] of Object.entries(first.summary)) {
    if (wanted.has(tag) || query.includeAll || query.include.has(tag)) given.set(tag, element);
  }
  const { studyUid, seriesUid, instanceUid } = first.ref;
  const own: DicomJson = {
    ...element('StudyInstanceUID', studyUid),
    ...(level !== 'study' && element('SeriesInstanceUID', seriesUid)),
    ...(level === 'instance' && element('SOPInstanceUID', instanceUid)),
    ...element('RetrieveURL', retrieveUrl(first, level, root)),
    ...element('InstanceAvailability', 'ONLINE'),
    ...element('SpecificCharacterSet', 'ISO_IR 192'), // JSON is UTF-8 (PS3.18 F.2)
    ...(level === 'study' && studyCounts(found)),
    ...(level === 'series' && element('NumberOfSeriesRelatedInstances', found.instances)),
  };
  const all = { ...Object.fromEntries(given), ...own };
  return Object.fromEntries(
    Object.keys(all)
      .sort()
      .map((tag) => [tag, all[tag]!]),
  );
}

function studyCounts({ modalities, series, instances }: Found): DicomJson {
  return {
    ...element('ModalitiesInStudy', ...modalities),
    ...element('NumberOfStudyRelatedSeries', series),
    ...element('NumberOfStudyRelatedInstances', instances),
  };
}

function retrieveUrl({ ref }: StoredInstance, level: Level, root: string): string {
  const series = level === 'study' ? '' : `/series/${ref.seriesUid}`;
  return `${root}/studies/${ref.studyUid}${series}${level === 'instance' ? `/instances/${ref.instanceUid}` : ''}`;
}

function element(keyword: string, ...values: readonly (string | number)[]): DicomJson {
  const tag = tagOf(keyword);
  return { [tag]: { vr: vrOfTag(tag) ?? 'UN', ...(values.length > 0 && { Value: values }) } };
}
