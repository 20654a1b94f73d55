import { canonicalJson, checkpoint, chunksOf, lengthOf, PlumblineError } from '../base/index.ts';
import type { StagedBlob } from '../store/index.ts';
import { recordEncoded, recordStage, type Claim } from './claims.ts';
import { inputOf, workitemOf, type WorkitemColumns } from './rows.ts';
import type { EncodedFile, EncodingManifest, StageInput, Stages } from './types.ts';
import type { WorkOptions } from './options.ts';

/**
 * Take a claimed workitem from where it stands to its encodings. Each stage writes its output to the blobs first and
 * then its row, in a transaction that checks the fence: a process that dies loses one stage of work at most, and one
 * whose lease ran out changes nothing any more.
 */
export async function runStages(
  options: WorkOptions,
  leaseMs: number,
  row: WorkitemColumns,
  stages: Stages,
  signal: AbortSignal,
): Promise<void> {
  const { db, blobs, clock, studies } = options;
  const claim: Claim = row;
  const item = workitemOf(row);
  const snapshot = inputOf(await studies.snapshotOf(item.studyUid, item.snapshotDigest), item.route);
  if (snapshot.inputDigest !== item.inputDigest) {
    throw new PlumblineError('internal', 'the frozen list of the study has changed', { where: item.studyUid });
  }
  const input: StageInput = { item, snapshot, signal };
  const kept = async (digest: string | undefined): Promise<Uint8Array | undefined> =>
    (digest && (await blobs.read(digest))) || undefined;

  let answered = await kept(item.outputs.answered);
  if (!answered) {
    answered = await orAborted(stages.answer(input), signal);
    const digest = await blobs.put(answered);
    await recordStage(db, claim, clock.now(), leaseMs, 'answered', { answered: digest });
    checkpoint('work.answered');
  }

  let draft = await kept(item.outputs.draft);
  let masks = await kept(item.outputs.masks);
  if (!draft || !masks) {
    ({ draft, masks } = await orAborted(stages.draft(input, answered), signal));
    const outputs = { draft: await blobs.put(draft), masks: await blobs.put(masks) };
    await recordStage(db, claim, clock.now(), leaseMs, 'drafted', outputs);
    checkpoint('work.drafted');
  }

  const files = await orAborted(stages.encode(input, { draft, masks }, answered), signal);
  const manifest = await keepFiles(options, item.key, files);
  await recordEncoded(db, claim, clock.now(), await blobs.put(manifest));
  checkpoint('work.encoded');
}

/** What a stage makes, or the reason to stop as soon as there is one: a model that hangs holds up nobody. */
function orAborted<T>(made: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    made.then(resolve, reject);
  });
}

/** Files to blobs, DICOM objects to the instance table too. @returns the manifest's bytes, a function of the files alone */
async function keepFiles(
  { blobs, studies }: WorkOptions,
  key: string,
  files: readonly EncodedFile[],
): Promise<Uint8Array> {
  const staged: { file: EncodedFile; blob: StagedBlob; digest: string }[] = [];
  try {
    for (const file of files) {
      const blob = await blobs.stage({ drain: true });
      staged.push({ file, blob, digest: '' });
      for (const chunk of chunksOf(file.parts)) await blob.write(chunk);
      staged.at(-1)!.digest = (await blob.finish()).digest;
    }
    await blobs.commit(staged.filter((s) => !s.file.dicom).map((s) => s.blob));
    const own = staged.flatMap(({ file, blob }) => (file.dicom ? [{ ...file.dicom, blob }] : []));
    const kept = own.length > 0 ? await studies.keepOwn(own) : [];
    const clash = kept.find((k) => k.outcome === 'conflict');
    if (clash) {
      throw new PlumblineError('internal', 'one draft was encoded twice with different content', {
        where: clash.ref.instanceUid,
      });
    }
  } finally {
    await Promise.all(staged.map((s) => s.blob.discard()));
  }
  const manifest: EncodingManifest = {
    schema: 'plumbline.encodings/1',
    key,
    files: staged.map(({ file, digest }) => ({
      name: file.name,
      mediaType: file.mediaType,
      digest,
      bytes: lengthOf(file.parts),
      ...(file.dicom ? { dicom: file.dicom.ref } : {}),
    })),
  };
  return new TextEncoder().encode(canonicalJson(manifest));
}
