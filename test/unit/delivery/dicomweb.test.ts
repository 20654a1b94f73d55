import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeDestination, type DeliverContent } from '../../../src/delivery/index.ts';
import { elementOfVr, inspectPart10, writePart10 } from '../../../src/dicom/index.ts';
import { startArchive, storeAnswer, type Answer, type Archive } from '../../builders/archive.ts';
import { deliverContent } from '../../builders/delivery.ts';
import { missing, runPeer } from '../../peers/index.ts';

let archive: Archive;
beforeEach(async () => void (archive = await startArchive()));
afterEach(() => archive.stop());

const both = deliverContent();
/** The SEG alone. */
const seg: DeliverContent = { ...both, objects: both.objects.slice(0, 1) };
const bytes = await seg.objects[0]!.bytes();
const uid = seg.objects[0]!.instanceUid;

function deliver(content: DeliverContent = seg, timeoutSeconds = 10): Promise<unknown> {
  const destination = makeDestination({
    name: 'pacs',
    kind: 'dicomweb',
    url: `${archive.url}/`,
    fhirVersion: 'R4',
    timeoutSeconds,
  });
  return destination.deliver(content, AbortSignal.timeout(30_000));
}

/** The SEG with other attributes, or with the last byte of its pixels turned over. */
function changed(change: { readonly attributes?: object; readonly pixels?: true }): Uint8Array {
  const { attributes, pixel } = inspectPart10(bytes);
  const pixels = bytes.slice(pixel!.offset, pixel!.offset + pixel!.length);
  if (change.pixels) pixels[pixels.length - 1]! ^= 0xff;
  const dataset = { ...attributes, ...change.attributes };
  return writePart10(dataset, { pixelData: { vr: pixel!.vr as 'OB', bytes: pixels } });
}
const deidentified = { '00120062': elementOfVr('CS', 'YES') };
const otherLabel = { '00700080': elementOfVr('CS', 'OTHER') };

describe('a delivery to a DICOMweb archive', () => {
  it('asks, stores, and reads back, each SEG before the SR', async () => {
    await deliver(both);
    expect([...archive.stored.keys()]).toEqual(both.objects.map((o) => o.instanceUid));
    expect(both.objects.map((o) => o.role)).toEqual(['seg', 'sr']);
    expect(archive.requests).toEqual(['qido', 'stow', 'wado', 'qido', 'stow', 'wado']);
    expect(Buffer.compare(archive.stored.get(uid)!, bytes)).toBe(0);
  });

  it('sends nothing of what is there and equal', async () => {
    archive.put(bytes);
    await deliver();
    expect(archive.requests).toEqual(['qido', 'wado']);
  });

  it('never writes over another object of the same UID', async () => {
    archive.put(changed({ attributes: otherLabel }));
    await expect(deliver()).rejects.toMatchObject({
      code: 'uid-conflict',
      class: 'hold',
      message: expect.stringContaining('differing: 00700080') as string,
    });
    expect(archive.requests).toEqual(['qido', 'wado']);
  });

  it.each<[string, Answer]>([
    ['before the archive had it', { cut: true, stores: false }],
    ['after the archive had it', { cut: true, stores: true }],
  ])('that is cut in the middle of the answer, %s, is tried again and stores once', async (_, answer) => {
    archive.next('stow', answer);
    await expect(deliver()).rejects.toMatchObject({ code: 'peer-unreachable', class: 'retry' });
    await deliver();
    expect(archive.requests.filter((r) => r === 'stow')).toHaveLength(answer.stores ? 1 : 2);
    expect(archive.stored.size).toBe(1);
  });

  it.each(['qido', 'wado'] as const)('that is cut in the middle of an answer of %s is tried again', async (service) => {
    archive.next(service, { body: '[]', cut: true });
    await expect(deliver()).rejects.toMatchObject({ code: 'peer-unreachable', class: 'retry' });
    await deliver();
    expect(archive.requests.filter((r) => r === 'stow')).toHaveLength(1);
  });

  it('waits for an answer no longer than configured', async () => {
    archive.next('stow', { silent: true, stores: true });
    await expect(deliver(seg, 0.2)).rejects.toMatchObject({
      code: 'peer-unreachable',
      message: 'pacs does not answer: nothing in 0.2 s',
    });
    await deliver();
    expect(archive.requests.filter((r) => r === 'stow')).toHaveLength(1);
  });

  it('goes to no other address than the configured one', async () => {
    archive.next('stow', { status: 307, headers: { Location: `${archive.url}/studies` }, stores: false });
    await expect(deliver()).rejects.toMatchObject({ code: 'peer-answer-invalid', status: 307 });
    expect(archive.requests).toEqual(['qido', 'stow']);
  });
});

describe('an answer of STOW-RS', () => {
  // PS3.18 table I.2-2.
  it.each([
    [409, 0xa700, 'peer-busy', 'retry'],
    [409, 0x0110, 'peer-busy', 'retry'],
    [409, 0xa900, 'peer-refused', 'reject'],
    [409, 0xc000, 'peer-refused', 'reject'],
    [409, 0xc122, 'peer-refused', 'reject'],
    [409, 0x0122, 'peer-refused', 'reject'],
    [202, 0xa700, 'peer-busy', 'retry'],
    [202, 0xc122, 'peer-refused', 'reject'],
    [200, 0xa900, 'peer-refused', 'reject'],
  ] as const)('%i with Failure Reason %i is %s', async (status, reason, code, kind) => {
    archive.next('stow', { status, body: storeAnswer(reason) });
    const hex = reason.toString(16).toUpperCase().padStart(4, '0');
    await expect(deliver()).rejects.toMatchObject({
      code,
      class: kind,
      message: `pacs did not store SEG ${uid}: Failure Reason 0x${hex}`,
    });
  });

  it('202 with a warning alone is a success, if the object comes back as it was', async () => {
    archive.next('stow', { status: 202, body: storeAnswer(), stores: true });
    await deliver();
  });

  it.each([
    [400, 'peer-refused'],
    [401, 'peer-unauthorized'],
    [403, 'peer-unauthorized'],
    [409, 'peer-refused'],
    [411, 'peer-refused'],
    [413, 'peer-refused'],
    [415, 'peer-refused'],
    [429, 'peer-busy'],
    [500, 'peer-busy'],
    [503, 'peer-busy'],
  ] as const)('%i without reasons is %s', async (status, code) => {
    archive.next('stow', { status, body: 'no', stores: false });
    await expect(deliver()).rejects.toMatchObject({ code, message: `pacs answered ${status}: no` });
  });

  it('503 says when to come again, in seconds or as a date', async () => {
    const soon = new Date(Date.now() + 60_000).toUTCString();
    archive.next('stow', { status: 503, body: 'full', headers: { 'Retry-After': '120' } });
    await expect(deliver()).rejects.toMatchObject({ code: 'peer-busy', retryAfterMs: 120_000 });
    archive.next('stow', { status: 503, body: 'full', headers: { 'Retry-After': soon } });
    const error = (await deliver().catch((e: unknown) => e)) as { readonly retryAfterMs: number };
    expect(error.retryAfterMs).toBeGreaterThan(50_000);
    expect(error.retryAfterMs).toBeLessThanOrEqual(60_000);
    archive.next('stow', { status: 409, body: storeAnswer(0xa700), headers: { 'Retry-After': '30' } });
    await expect(deliver()).rejects.toMatchObject({ code: 'peer-busy', retryAfterMs: 30_000 });
  });

  it.each(['qido', 'stow', 'wado'] as const)('that is a login page with 200 is no success: %s', async (service) => {
    const body = '<html><body>Please sign in</body></html>';
    archive.next(service, { body, headers: { 'Content-Type': 'text/html' }, stores: false });
    await expect(deliver()).rejects.toMatchObject({ code: 'peer-answer-invalid', class: 'retry' });
  });

  it('200 of an archive that does not have the object yet is asked for again later', async () => {
    archive.next('stow', { stores: false });
    await expect(deliver()).rejects.toMatchObject({ code: 'peer-busy', class: 'retry' });
    await deliver();
    expect(archive.stored.size).toBe(1);
  });

  it('is quoted without the patient', async () => {
    archive.next('stow', { status: 400, body: 'patient PID-77 is locked', stores: false });
    await expect(deliver()).rejects.toMatchObject({ message: 'pacs answered 400: patient … is locked' });
  });
});

describe('reading back', () => {
  it('takes an object to which the archive has added attributes', async () => {
    const more = changed({ attributes: deidentified });
    archive.retrieve = () => more;
    await deliver();
  });

  it.each([
    ['an attribute', { attributes: otherLabel }, '00700080'],
    ['the pixels', { pixels: true }, '7FE00010'],
    ['the pixels, attributes added', { attributes: deidentified, pixels: true }, '7FE00010'],
  ] as const)('holds where %s came back otherwise', async (_, change, tag) => {
    const other = changed(change);
    archive.retrieve = () => other;
    await expect(deliver()).rejects.toMatchObject({
      code: 'read-back-differs',
      class: 'hold',
      message: `pacs holds another SEG under ${uid}; differing: ${tag}`,
    });
  });

  it.each([
    ['no DICOM', new Uint8Array(200)],
    ['half of it', bytes.slice(0, bytes.length / 2)],
  ])('of %s is an answer that is none', async (_, file) => {
    archive.retrieve = () => file;
    await expect(deliver()).rejects.toMatchObject({ code: 'peer-answer-invalid', class: 'retry' });
  });

  describe.skipIf(missing('storescu'))('of what dcmtk has written anew', () => {
    const folder = mkdtempSync(join(tmpdir(), 'plumbline-dcmtk-'));
    const [from, to] = [join(folder, 'sent.dcm'), join(folder, 'kept.dcm')];
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    async function converted(option: string): Promise<Uint8Array> {
      writeFileSync(from, bytes);
      expect(await runPeer('dcmconv', [option, from, to])).toMatchObject({ code: 0 });
      return readFileSync(to);
    }

    it('takes implicit little endian', async () => {
      const implicit = await converted('+ti');
      expect(inspectPart10(implicit).transferSyntax).toBe('1.2.840.10008.1.2');
      archive.retrieve = () => implicit;
      await deliver();
      expect(archive.requests.filter((r) => r === 'wado')).toHaveLength(1);
    });

    it('takes the same text in another character set', async () => {
      const latin1 = await converted('+L1');
      expect(inspectPart10(latin1).attributes['00080005']).toMatchObject({ Value: ['ISO_IR 100'] });
      archive.retrieve = () => latin1;
      await deliver();
    });

    it('asks for the transfer syntax that was sent, where it comes compressed, and compares that', async () => {
      const deflated = await converted('+td');
      expect(inspectPart10(deflated).transferSyntax).toBe('1.2.840.10008.1.2.1.99');
      archive.retrieve = (file, accept) => (accept.includes('1.2.840.10008.1.2.1') ? file : deflated);
      await deliver();
      expect(archive.requests.filter((r) => r === 'wado')).toHaveLength(2);
      const damaged = changed({ pixels: true });
      archive.retrieve = (_, accept) => (accept.includes('1.2.840.10008.1.2.1') ? damaged : deflated);
      await expect(deliver()).rejects.toMatchObject({ code: 'uid-conflict' });
    });

    it('takes an archive at its word that cannot give it in the transfer syntax that was sent', async () => {
      const deflated = await converted('+td');
      archive.retrieve = (_, accept) => (accept.includes('=*') ? deflated : { status: 406 });
      await deliver();
    });
  });
});
