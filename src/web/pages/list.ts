import { text } from '../../dicom/index.ts';
import type { StoredInstance, StudyRow } from '../../studies/index.ts';
import type { DraftRow } from '../drafts.ts';
import { html, type Html } from './html.ts';
import { badge, dicomDate, page, time, studyState } from './layout.ts';

/** A study as the list shows it. */
export interface ListedStudy {
  readonly row: StudyRow;
  /** Any of its instances. */
  readonly sample: StoredInstance | undefined;
  /** Newest first. */
  readonly drafts: readonly DraftRow[];
}

/** The first page: newest studies and what became of them. */
export function listPage(studies: readonly ListedStudy[], offset: number, limit: number): string {
  const head = ['Study', 'Patient', 'Study date', 'Images', 'State', 'Drafts', 'Last arrival'];
  const table = html`<div class="panel">
    <table>
      <thead>
        <tr>
          ${head.map((h) => html`<th scope="col">${h}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${studies.map(listedStudy)}
      </tbody>
    </table>
  </div>`;
  const none = html`<div class="panel">
    <p>No study ${offset > 0 ? 'further back' : 'has arrived yet'}.</p>
    ${offset === 0 && html`<p class="soft">Send one by STOW-RS to <code>/dicom-web/studies</code>, or try <code>npm run demo</code>.</p>`}
  </div>`;
  return page(
    'Studies',
    html`<h1>Studies</h1>
      ${studies.length > 0 ? table : none}${pager(offset, limit, studies.length)}`,
  );
}

function listedStudy({ row, sample, drafts }: ListedStudy): Html {
  const summary = sample?.summary ?? {};
  const title = text(summary, 'StudyDescription') || text(summary, 'Modality') || 'Study';
  return html`<tr>
    <td class="name">
      <a href="/studies/${row.studyUid}">${title}</a>
      <div class="soft">${text(summary, 'Modality')}</div>
    </td>
    <td class="name">
      ${text(summary, 'PatientName')}
      <div class="soft">${text(summary, 'PatientID')}</div>
    </td>
    <td>${dicomDate(text(summary, 'StudyDate'))}</td>
    <td class="n">${row.received}</td>
    <td>${badge(studyState(row))}${row.holdCode !== undefined && html`<div class="soft">${row.holdCode}</div>`}</td>
    <td>${drafts.map(listedDraft)}</td>
    <td>${time(row.lastAt)}</td>
  </tr>`;
}

function listedDraft(draft: DraftRow): Html {
  const report = draft.files.includes('report.html');
  return html`<div>
    ${badge(draft.state)} ${report && html`<a href="/drafts/${draft.key}/report.html">report</a>`}
    <div class="soft">${draft.found ?? draft.reason?.code ?? draft.bundle}</div>
  </div>`;
}

function pager(offset: number, limit: number, shown: number): Html {
  return html`<nav class="pages">
    ${offset > 0 && html`<a href="/?offset=${Math.max(0, offset - limit)}">newer</a>`}
    ${shown === limit && html`<a href="/?offset=${offset + limit}">older</a>`}
  </nav>`;
}
