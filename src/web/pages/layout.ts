import type { StudyRow } from '../../studies/index.ts';
import { html, type Html } from './html.ts';

/** A whole page. */
export function page(title: string, main: Html): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} · Plumbline</title>
        <link rel="icon" href="data:," />
        <link rel="stylesheet" href="/assets/plumbline.css" />
      </head>
      <body>
        <header>
          <a class="brand" href="/">Plumbline</a><span class="soft">grounded drafts for imaging studies</span>
        </header>
        <main>${main}</main>
        <footer>AI drafts are not verified by a physician. Not a medical device.</footer>
      </body>
    </html>`.markup.replaceAll(/\n\s+/g, '\n');
}

/** A state as a word with a sign before it, so that it can be told without colour. */
export function badge(state: string): Html {
  const [kind, sign] = kinds[state] ?? ['plain', '·'];
  return html`<span class="badge ${kind}"><span aria-hidden="true">${sign}</span> ${state}</span>`;
}

/** A study that the gate has let through is `complete`; `ready` is a word for work. */
export function studyState({ state }: Pick<StudyRow, 'state'>): string {
  return state === 'ready' ? 'complete' : state;
}

const kinds: Readonly<Record<string, readonly [string, string]>> = {
  arriving: ['busy', '…'],
  ready: ['busy', '›'],
  complete: ['plain', '✓'],
  waiting: ['busy', '…'],
  claimed: ['busy', '›'],
  drafted: ['ok', '✓'],
  delivered: ['ok', '✓'],
  held: ['warn', '!'],
  failed: ['bad', '×'],
  cancelled: ['plain', '–'],
};

/** `25 Nov 2026, 13:40:05 UTC`: the month in letters, so that no reader takes it for a day. */
export function time(iso: string): Html {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return html`${iso}`;
  const text = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium', timeZone: 'UTC' }).format(
    date,
  );
  return html`<time datetime="${iso}">${text} UTC</time>`;
}

/** A DICOM date (DA) for people; as it stands where it is none. */
export function dicomDate(da: string): string {
  const [, y, m, d] = /^(\d{4})(\d{2})(\d{2})$/.exec(da) ?? [];
  if (y === undefined) return da;
  const date = new Date(Date.UTC(Number(y), Number(m) - 1, Number(d)));
  return new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeZone: 'UTC' }).format(date);
}

export const styleSheet = `
:root {
  color-scheme: light dark;
  --bg: #f4f6f8; --panel: #fff; --text: #161b20; --soft: #4d5863; --line: #d5dbe1; --link: #0b5cad;
  --ok: #17663f; --warn: #7a5200; --bad: #a31515; --busy: #1d4f8c; --focus: #0b5cad;
}
@media (prefers-color-scheme: dark) {
  :root {
    --bg: #0c0f12; --panel: #14191e; --text: #e4e9ee; --soft: #aab5c0; --line: #33404c; --link: #8ecbff;
    --ok: #5fd0a0; --warn: #ffc24d; --bad: #ff8f80; --busy: #8ecbff; --focus: #8ecbff;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--text); font: 15px/22px Inter, system-ui, "Noto Sans", "Noto Sans CJK JP", sans-serif;
  font-variant-numeric: tabular-nums; }
header, main, footer { max-width: 1180px; margin: 0 auto; padding: 12px 20px; }
header { display: flex; gap: 12px; align-items: baseline; }
.brand { font-weight: 650; font-size: 18px; text-decoration: none; color: var(--text); }
.soft, footer { color: var(--soft); font-size: 13px; line-height: 18px; }
h1 { font-size: 22px; line-height: 28px; margin: 8px 0 4px; }
h2 { font-size: 17px; line-height: 24px; margin: 24px 0 8px; }
a { color: var(--link); }
a:focus-visible, summary:focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; }
.panel { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 14px 16px; margin: 12px 0; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th { text-align: start; font-weight: 600; color: var(--soft); font-size: 13px; }
th, td { padding: 7px 14px 7px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
td.n { text-align: end; }
td.name { max-width: 24em; overflow-wrap: anywhere; }
.badge { display: inline-block; white-space: nowrap; border: 1px solid currentColor; border-radius: 4px; padding: 0 7px; font-size: 13px; line-height: 20px; }
.ok { color: var(--ok); } .warn { color: var(--warn); } .bad { color: var(--bad); } .busy { color: var(--busy); } .plain { color: var(--soft); }
.reason { border-inline-start: 4px solid var(--warn); padding-inline-start: 12px; margin: 10px 0; }
.uid, code { font: 13px/18px ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
iframe { width: 100%; height: 78vh; min-height: 520px; border: 1px solid var(--line); border-radius: 6px; background: #fff; }
ul.files { display: flex; flex-wrap: wrap; gap: 6px 16px; list-style: none; padding: 0; margin: 8px 0; }
nav.pages { display: flex; gap: 16px; }
`;
