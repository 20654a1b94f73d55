import { PlumblineError } from '../base/index.ts';
import type { Draft } from '../findings/index.ts';
import type { DraftFiles, DraftRow, TimelineEntry } from '../web/index.ts';
import type { Workitem } from '../work/index.ts';
import type { Rooms } from './wire.ts';

/** What the pages show of drafts, from the rows and blobs of work. */
export function draftFiles({
  work,
  blobs,
  studies,
  delivery,
}: Pick<Rooms, 'work' | 'blobs' | 'studies' | 'delivery'>): DraftFiles {
  return {
    list: async (limit, studyUid) => {
      const items = await work.list({ limit, ...(studyUid === undefined ? {} : { studyUid }) });
      return Promise.all(items.map((item) => rowOf(item)));
    },
    file: async (key, name) => {
      const item = await work.get(key);
      if (!item?.outputs.encodings) return undefined;
      const file = (await work.encodings(key)).files.find((f) => f.name === name);
      return file && blobs.read(file.digest);
    },
    timeline: async (studyUid) => {
      const items = await work.list({ studyUid, limit: 100 });
      const entries: TimelineEntry[] = (await studies.events(studyUid)).map((e) => ({
        at: e.at,
        event: e.code,
        text: e.message,
      }));
      for (const item of items) {
        entries.push(...(await work.timeline(item.key)).map((e) => ({ at: e.at, event: e.event, text: e.detail })));
        for (const d of await delivery.rows({ workitem: item.key })) {
          const text = `${d.destination}: ${d.state}, ${d.attempts} tries${d.message ? `; ${d.message}` : ''}`;
          entries.push({ at: new Date(d.updatedAt).toISOString(), event: 'delivery', text });
        }
      }
      return entries.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
    },
  };

  async function rowOf(item: Workitem): Promise<DraftRow> {
    const files = item.outputs.encodings ? (await work.encodings(item.key)).files.map((f) => f.name) : [];
    const { code, message, remedy } = item;
    return {
      key: item.key,
      studyUid: item.studyUid,
      state: item.state,
      bundle: item.route.bundle,
      task: item.route.task,
      updatedAt: item.updatedAt,
      files,
      ...(item.outputs.draft ? { found: foundText(parseDraft(await blobs.read(item.outputs.draft), item.key)) } : {}),
      ...(code === undefined ? {} : { reason: { code, message: message ?? '', remedy: remedy ?? '' } }),
    };
  }
}

function parseDraft(bytes: Uint8Array, key: string): Draft {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as Draft;
  } catch (cause) {
    throw new PlumblineError('store-damaged', 'the stored draft is no JSON', { where: key, cause });
  }
}

/** `2 findings with masks, 1 ungrounded, 3 negative`. */
export function foundText(draft: Draft): string {
  const count = (kind: string): number => draft.sentences.filter((s) => s.kind === kind).length;
  const linked = draft.findings.filter((f) => f.presence === 'present').length;
  const parts = [
    linked === 1 ? '1 finding with its mask' : `${linked} findings with masks`,
    count('ungrounded') > 0 ? `${count('ungrounded')} ungrounded` : '',
    count('negative') > 0 ? `${count('negative')} negative` : '',
  ];
  return parts.filter((p) => p !== '').join(', ');
}
