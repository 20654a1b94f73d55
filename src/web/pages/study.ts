import { catalogue, type CatalogueEntry } from '../../base/index.ts';
import { text } from '../../dicom/index.ts';
import type { StoredInstance, StudyRow } from '../../studies/index.ts';
import type { DraftRow, TimelineEntry } from '../drafts.ts';
import { html, type Html } from './html.ts';
import { badge, dicomDate, page, time, studyState } from './layout.ts';

export interface ShownStudy {
  readonly row: StudyRow;
  readonly instances: readonly StoredInstance[];
  readonly drafts: readonly DraftRow[];
  readonly timeline: readonly TimelineEntry[];
  /** Path of the DICOMweb service, e.g. `/dicom-web`. */
  readonly dicomweb: string;
}

/** One study: its state and what to do, its drafts with their reports, what is stored of it, its story. */
export function studyPage(study: ShownStudy): string {
  const summary = study.instances[0]?.summary ?? {};
  const title = text(summary, 'StudyDescription') || text(summary, 'Modality') || 'Study';
  const { row } = study;
  return page(
    title,
    html`<h1>${title} ${badge(studyState(row))}</h1>
      <p>
        ${text(summary, 'PatientName')} · ${text(summary, 'PatientID')} · ${dicomDate(text(summary, 'StudyDate'))}
        ${text(summary, 'AccessionNumber') !== '' && html`· accession ${text(summary, 'AccessionNumber')}`}
      </p>
      <p class="uid">${row.studyUid}</p>
      ${row.holdCode !== undefined && reason(row.holdCode, row.holdMessage ?? '', remedyOf(row.holdCode))}
      ${study.drafts.map(draftPart)} ${study.drafts.length === 0 && html`<div class="panel"><p>No draft yet.</p></div>`}
      ${storedPart(study)} ${timelinePart(study.timeline)}`,
  );
}

function reason(code: string, message: string, remedy: string): Html {
  return html`<div class="reason">
    <strong>${code}</strong>: ${message}
    <div class="soft">${remedy}</div>
  </div>`;
}

function remedyOf(code: string): string {
  const entries: Readonly<Record<string, CatalogueEntry>> = catalogue;
  return entries[code]?.remedy ?? '';
}

function draftPart(draft: DraftRow): Html {
  const address = (file: string): string => `/drafts/${draft.key}/${file}`;
  return html`<section class="panel">
    <h2>Draft by ${draft.bundle} ${badge(draft.state)}</h2>
    <p class="soft">
      Task ${draft.task} · ${time(draft.updatedAt)}${draft.found !== undefined && html` · ${draft.found}`}
    </p>
    ${draft.reason && reason(draft.reason.code, draft.reason.message, draft.reason.remedy)}
    ${
      draft.files.length > 0 &&
      html`<ul class="files">
        ${draft.files.map((f) => html`<li><a href="${address(f)}">${f}</a></li>`)}
      </ul>`
    }
    ${draft.files.includes('report.html') && html`<iframe sandbox src="${address('report.html')}" title="Report of this draft"></iframe>`}
  </section>`;
}

function storedPart({ row, instances, dicomweb }: ShownStudy): Html {
  const series = Map.groupBy(instances, (i) => i.ref.seriesUid);
  const rows = [...series].map(([uid, list]) =>
    seriesRow(uid, list, `${dicomweb}/studies/${row.studyUid}/series/${uid}`),
  );
  const head = ['Series', 'Modality', 'Instances', 'From', 'DICOMweb'];
  return html`<h2>Stored</h2>
    <div class="panel">
      <table>
        <thead>
          <tr>
            ${head.map((h) => html`<th scope="col">${h}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>
      </table>
    </div>`;
}

function seriesRow(uid: string, list: readonly StoredInstance[], address: string): Html {
  const [first] = list;
  const summary = first?.summary ?? {};
  const from = first?.origin === 'own' ? 'written here' : 'received';
  return html`<tr>
    <td class="name">
      ${text(summary, 'SeriesDescription') || '(no description)'}
      <div class="uid">${uid}</div>
    </td>
    <td>${text(summary, 'Modality')}</td>
    <td class="n">${list.length}</td>
    <td>${from}</td>
    <td><a href="${address}/metadata">metadata</a></td>
  </tr>`;
}

function timelinePart(timeline: readonly TimelineEntry[]): Html {
  if (timeline.length === 0) return html``;
  const rows = timeline.map(
    (e) =>
      html`<tr>
        <td>${time(e.at)}</td>
        <td>${e.event}</td>
        <td class="name">${e.text}</td>
      </tr>`,
  );
  return html`<h2>Timeline</h2>
    <div class="panel">
      <table>
        <thead>
          <tr>
            <th scope="col">Time</th>
            <th scope="col">Event</th>
            <th scope="col">What</th>
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>
      </table>
    </div>`;
}
