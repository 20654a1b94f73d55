import { afterEach, describe, expect, it } from 'vitest';
import { PlumblineError } from '../../../src/base/index.ts';
import { makeDestination, type DeliverContent, type Destination } from '../../../src/delivery/index.ts';
import { encodeOru } from '../../../src/outputs/index.ts';
import { sampleInput } from '../../builders/encodings.ts';
import { accepts, startReceiver, type Behaviour, type Receiver } from '../../builders/hl7-receiver.ts';

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

function content(patientName = 'Müller^Jérôme'): DeliverContent {
  const input = sampleInput({ patientName });
  const never = async (): Promise<never> => {
    throw new Error('not asked for');
  };
  return {
    workitem: 'w',
    studyUid: '1.2',
    patientId: 'P',
    issuer: '',
    objects: [],
    fhirR4: never,
    fhirR5: never,
    oru: async (version) => encodeOru(input, version),
  };
}

async function receiver(...behaviours: Behaviour[]): Promise<Receiver> {
  const started = await startReceiver((n) => behaviours[n - 1] ?? accepts);
  stops.push(() => started.stop());
  return started;
}

function to(url: string, change: Partial<Parameters<typeof makeDestination>[0]> = {}): Destination {
  return makeDestination({ name: 'ris', kind: 'hl7', url, fhirVersion: 'R4', timeoutSeconds: 0.5, ...change });
}

const deliver = (destination: Destination, what = content()): ReturnType<Destination['deliver']> =>
  destination.deliver(what, AbortSignal.timeout(10_000));

async function failure(destination: Destination, what = content()): Promise<PlumblineError> {
  const thrown = await deliver(destination, what).then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(thrown).toBeInstanceOf(PlumblineError);
  return thrown as PlumblineError;
}

describe('a report over MLLP', () => {
  it('is delivered when the receiver says AA to our control id', async () => {
    const ris = await receiver();
    await deliver(to(ris.url, { receivingApplication: 'RIS', receivingFacility: 'A|B' }));
    const msh = ris.messages[0]!.split('\r')[0]!.split('|');
    expect(msh.slice(2, 6)).toEqual(['PLUMBLINE', 'Example Hospital', 'RIS', 'A\\F\\B']);
    expect(msh[17]).toBe('UNICODE UTF-8');
    expect(ris.messages[0]).toContain('Müller^Jérôme');
  });

  it.each([['AA'], ['CA']])('%s is a success', async (code) => {
    await deliver(to((await receiver({ kind: 'ack', code })).url));
  });

  it.each<[string, Behaviour, string, string]>([
    ['AE without a condition', { kind: 'ack', code: 'AE' }, 'peer-busy', 'retry'],
    ['AE 207', { kind: 'ack', code: 'AE', condition: '207' }, 'peer-busy', 'retry'],
    ['AE 206', { kind: 'ack', code: 'AE', condition: '206' }, 'peer-busy', 'retry'],
    ['AE 101', { kind: 'ack', code: 'AE', condition: '101' }, 'peer-refused', 'reject'],
    ['AE 204', { kind: 'ack', code: 'AE', condition: '204' }, 'peer-refused', 'reject'],
    ['AR', { kind: 'ack', code: 'AR' }, 'peer-refused', 'reject'],
    ['CR', { kind: 'ack', code: 'CR', condition: '207' }, 'peer-refused', 'reject'],
    ['an answer to another message', { kind: 'ack', code: 'AA', controlId: 'X9' }, 'peer-answer-invalid', 'retry'],
    ['an HTTP page', { kind: 'bytes', bytes: 'HTTP/1.1 400 Bad\r\n\r\n' }, 'peer-answer-invalid', 'retry'],
    ['a frame that is no answer', { kind: 'bytes', bytes: '\x0bhello\x1c\r' }, 'peer-answer-invalid', 'retry'],
    ['silence', { kind: 'silent' }, 'peer-unreachable', 'retry'],
    ['a connection that is cut', { kind: 'cut' }, 'peer-unreachable', 'retry'],
  ])('%s', async (_what, behaviour, code, errorClass) => {
    expect(await failure(to((await receiver(behaviour)).url))).toMatchObject({ code, class: errorClass });
  });

  it('waits past answers to other messages for its own', async () => {
    const foreign: Behaviour = { kind: 'ack', code: 'AR', controlId: 'X9' };
    await deliver(to((await receiver({ kind: 'all', of: [foreign, accepts] })).url));
  });

  it('takes an answer without its last carriage return, and one in pieces', async () => {
    const ris = await startReceiver((_n, message) => {
      const id = message.split('|')[9]!;
      return { kind: 'bytes', bytes: `\x0bMSH|^~\\&|||||||ACK|1|P|2.3.1\rMSA|AA|${id}\r\x1c` };
    });
    stops.push(() => ris.stop());
    await deliver(to(ris.url));
  });

  it('comes again as the same message after a lost answer', async () => {
    const ris = await receiver({ kind: 'silent' }, { kind: 'cut' });
    const destination = to(ris.url);
    await failure(destination);
    await failure(destination);
    await deliver(destination);
    expect(ris.messages).toHaveLength(3);
    expect(new Set(ris.messages).size).toBe(1);
  });

  it('is held where the character set of the receiver cannot carry it', async () => {
    const ris = await receiver();
    await deliver(to(ris.url, { hl7Charset: '8859/1' }));
    const error = await failure(to(ris.url, { hl7Charset: '8859/1' }), content('Łukasz^A'));
    expect(error).toMatchObject({ code: 'text-unencodable', class: 'hold' });
    expect(ris.messages).toHaveLength(1);
  });

  it('asks for the version of the receiver', async () => {
    const ris = await receiver();
    await deliver(to(ris.url, { hl7Version: '2.3.1' }));
    expect(ris.messages[0]!.split('\r')[0]!.split('|').slice(8, 12)[3]).toBe('2.3.1');
  });

  it('says that nobody is there, to a check and to a delivery', async () => {
    const ris = await receiver();
    const destination = to(ris.url);
    expect(await destination.check(AbortSignal.timeout(1000))).toContain('connections');
    await ris.stop();
    await expect(destination.check(AbortSignal.timeout(1000))).rejects.toMatchObject({ code: 'peer-unreachable' });
    expect((await failure(destination)).message).toContain('ECONNREFUSED');
    stops.length = 0;
  });
});
