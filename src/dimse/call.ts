import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { outbound, outboundRefusal } from '../access/index.ts';
import { asPlumblineError, PlumblineError } from '../base/index.ts';
import { dimse, Machine, Plug, type Association } from './library.ts';
import { abort, broken, createDataCheck, pduType, readPdus } from './pdu.ts';
import { fileTls, type TlsFiles } from './tls.ts';
import type { StoreStatus } from './types.ts';

/** An application entity that we call. */
export interface DimsePeer {
  /** As messages name it. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly calledAet: string;
  readonly callingAet: string;
  readonly tls?: TlsFiles & { readonly serverName?: string };
  /** For the connection, and for each answer. */
  readonly timeoutMs: number;
}

/** One object to be stored, with the data set as it is sent. */
export interface ToStore {
  readonly sopClass: string;
  readonly instanceUid: string;
  readonly transferSyntax: string;
  /** The bytes after group 2, in the transfer syntax. */
  readonly dataset: Uint8Array;
}

export interface OutgoingAssociation {
  /** Whether the peer takes the class in the transfer syntax that was proposed. */
  accepts(sopClass: string, transferSyntax: string): boolean;
  /** @throws PlumblineError peer-unreachable, peer-answer-invalid, internal where the context was not accepted */
  store(object: ToStore): Promise<StoreStatus>;
  /** C-ECHO. @returns its status */
  echo(): Promise<number>;
  /** End it in good order; never throws, since everything was answered before. */
  release(): Promise<void>;
  /** Cut it. */
  abort(): void;
}

const verification = '1.2.840.10008.1.1';
const announcedPduBytes = 128 * 1024;
/** Enough for any command that we send in one piece (PS3.8 D.1 gives no least one). */
const leastPduBytes = 1024;

/**
 * Ask a peer for an association. Each pair of class and transfer syntax is a context of its own with that one syntax, so
 * the peer can only take what is sent or refuse it; nothing is ever re-encoded. With no pair: Verification.
 * @throws PlumblineError peer-unreachable; peer-busy (rejected for a time), peer-refused (rejected for good, in words);
 * peer-answer-invalid
 */
export async function openAssociation(
  peer: DimsePeer,
  contexts: readonly { readonly sopClass: string; readonly transferSyntax: string }[],
  signal: AbortSignal,
): Promise<OutgoingAssociation> {
  const socket = await connect(peer, signal);
  const caller = createCaller(peer, socket, signal);
  try {
    const association = new dimse.association.Association(peer.callingAet, peer.calledAet);
    association.setMaxPduLength(announcedPduBytes);
    for (const { sopClass, transferSyntax } of proposed(contexts)) {
      const id = association.addPresentationContext(sopClass);
      association.addTransferSyntaxToPresentationContext(id, transferSyntax);
    }
    await caller.associate(association);
    return callerOf(caller, association);
  } catch (e) {
    caller.abort();
    throw e;
  }
}

function proposed(
  contexts: readonly { readonly sopClass: string; readonly transferSyntax: string }[],
): { sopClass: string; transferSyntax: string }[] {
  if (contexts.length === 0) return [{ sopClass: verification, transferSyntax: '1.2.840.10008.1.2' }];
  return [...new Map(contexts.map((c) => [`${c.sopClass} ${c.transferSyntax}`, c])).values()];
}

function connect(peer: DimsePeer, signal: AbortSignal): Promise<Socket> {
  const { host, port, tls } = peer;
  const options = { ...outbound(host), port, noDelay: true };
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = tls
    ? connectTls({ ...options, ...fileTls(tls), servername: tls.serverName ?? (/^[\d.]+$|:/.test(host) ? '' : host) })
    : connectTcp(options);
  const stop = (reason: string) => (): void => void socket.destroy(new Error(reason));
  const timer = setTimeout(stop(`no connection within ${peer.timeoutMs / 1000} s`), peer.timeoutMs);
  const stopped = stop('stopped');
  signal.addEventListener('abort', stopped, { once: true });
  if (signal.aborted) stopped();
  socket.once(tls ? 'secureConnect' : 'connect', () => resolve(socket));
  socket.on('error', (e) => reject(outboundRefusal(e) ?? unreachable(peer, e)));
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener('abort', stopped);
  });
}

interface Caller {
  associate(association: Association): Promise<void>;
  store(object: ToStore): Promise<StoreStatus>;
  echo(): Promise<number>;
  release(): Promise<void>;
  abort(): void;
}

/** One connection: the library's machine, fed with whole PDUs, and one question at a time. */
function createCaller(peer: DimsePeer, socket: Socket, signal: AbortSignal): Caller {
  const machine = new Machine(new Plug(socket));
  let question: { readonly fail: (e: PlumblineError) => void } | undefined;
  let ended: PlumblineError | undefined;
  const end = (e: PlumblineError): void => {
    ended ??= e;
    question?.fail(ended);
    socket.destroySoon();
    machine.close();
  };
  const stopped = (): void =>
    end(new PlumblineError('peer-unreachable', `${peer.name}: stopped`, { where: peer.name }));
  signal.addEventListener('abort', stopped, { once: true });
  socket.once('close', () => signal.removeEventListener('abort', stopped));
  void feed(machine, socket, peer).then(end, (e: unknown) => end(asPlumblineError(e)));

  /** Ask, and wait for the answer no longer than the peer is given. */
  const ask = async <T>(
    what: string,
    send: (answer: (value: T) => void, fail: (e: PlumblineError) => void) => void,
  ): Promise<T> => {
    if (ended) throw ended;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const silent = new PlumblineError(
      'peer-unreachable',
      `${peer.name} does not answer ${what} within ${peer.timeoutMs / 1000} s`,
      { where: peer.name },
    );
    const timer = setTimeout(() => end(silent), peer.timeoutMs);
    question = { fail: reject };
    try {
      send(resolve, reject);
      return await promise;
    } finally {
      clearTimeout(timer);
      question = undefined;
    }
  };

  return {
    associate: (association) =>
      ask('the request for an association', (answer, fail) => {
        machine.on('associationAccepted', () => {
          const room = association.getMaxPduLength();
          // The library would cut a data set into pieces of nothing, for ever.
          if (room !== 0 && room < leastPduBytes)
            fail(answerInvalid(peer, broken(`a maximum length of ${room} bytes, in which nothing can be sent`)));
          else answer();
        });
        machine.on('associationRejected', (r: Rejected) => fail(rejection(peer, r)));
        machine.sendAssociationRequest(association);
      }),
    store: (object) =>
      ask('a C-STORE', (answer) => {
        const request = new dimse.requests.CStoreRequest(new RawDataset(object));
        request.on('response', (r: Responded) => answer(statusOf(r)));
        machine.sendRequests(request);
      }),
    echo: () =>
      ask('a C-ECHO', (answer) => {
        const request = new dimse.requests.CEchoRequest();
        request.on('response', (r: Responded) => answer(r.getStatus()));
        machine.sendRequests(request);
      }),
    release: async () => {
      try {
        await ask<void>('a release', (answer) => {
          machine.on('associationReleaseResponse', () => answer());
          machine.sendAssociationReleaseRequest();
        });
      } catch {
        // Every request was answered before: how the peer ends the association changes nothing.
      }
      socket.end();
      end(new PlumblineError('peer-unreachable', `the association with ${peer.name} is over`, { where: peer.name }));
    },
    abort: () => {
      abort(socket, 0);
      end(new PlumblineError('peer-unreachable', `the association with ${peer.name} was cut`, { where: peer.name }));
    },
  };
}

/** Hand what the peer sends to the machine until it ends. @returns why it ended @throws PlumblineError peer-answer-invalid */
async function feed(machine: Machine, socket: Socket, peer: DimsePeer): Promise<PlumblineError> {
  const check = createDataCheck();
  const { where, gone } = { where: peer.name, gone: 'closed the connection' };
  try {
    // How long an answer may take is known to who asks; this only bounds a PDU that never ends.
    for await (const pdu of readPdus(socket, { maxPduBytes: announcedPduBytes, patienceMs: () => 2 ** 31 - 1 })) {
      if (pdu[0] === pduType.request || pdu[0] === pduType.releaseRequest) throw broken('a PDU that only we may send');
      if (pdu[0] === pduType.data) check(pdu);
      machine.receive(pdu);
      if (machine.failure) throw machine.failure;
      if (machine.aborted)
        return new PlumblineError('peer-unreachable', `${peer.name} aborted the association`, { where });
    }
    return new PlumblineError('peer-unreachable', `${peer.name} ${gone}`, { where });
  } catch (thrown) {
    const cause = asPlumblineError(thrown);
    if (cause.code === 'sender-gone')
      return new PlumblineError('peer-unreachable', `${peer.name} ${gone}`, { where, cause });
    throw answerInvalid(peer, cause);
  }
}

function answerInvalid(peer: DimsePeer, cause: PlumblineError): PlumblineError {
  return new PlumblineError('peer-answer-invalid', `${peer.name} speaks no DICOM here: ${cause.message}`, {
    where: peer.name,
    cause,
  });
}

function callerOf(caller: Caller, association: Association): OutgoingAssociation {
  const { Accept } = dimse.constants.PresentationContextResult;
  const accepts = (sopClass: string, transferSyntax: string): boolean =>
    association
      .getPresentationContexts()
      .some(
        ({ context: c }) =>
          c.getAbstractSyntaxUid() === sopClass &&
          c.getResult() === Accept &&
          c.getAcceptedTransferSyntaxUid() === transferSyntax,
      );
  return {
    ...caller,
    accepts,
    store: async (object) => {
      // Without this the library would send nothing and say that it is done, or re-encode.
      if (!accepts(object.sopClass, object.transferSyntax))
        throw new PlumblineError('internal', 'an object is sent without its presentation context', {
          where: object.instanceUid,
        });
      return caller.store(object);
    },
  };
}

/** A data set that the library sends as it is. */
class RawDataset extends dimse.Dataset {
  readonly #bytes: Buffer;
  constructor({ sopClass, instanceUid, transferSyntax, dataset }: ToStore) {
    super({ SOPClassUID: sopClass, SOPInstanceUID: instanceUid }, transferSyntax);
    this.#bytes = Buffer.from(dataset.buffer, dataset.byteOffset, dataset.byteLength);
  }
  override getDenaturalizedDataset(): Buffer {
    return this.#bytes;
  }
}

interface Responded {
  getStatus(): number;
  getErrorComment(): string | undefined;
}

function statusOf(response: Responded): StoreStatus {
  const comment = response.getErrorComment();
  return { status: response.getStatus(), ...(comment ? { comment: String(comment) } : {}) };
}

interface Rejected {
  readonly result: number;
  readonly source: number;
  readonly reason: number;
}

/** PS3.8 table 9-21. */
function rejection(peer: DimsePeer, { result, source, reason }: Rejected): PlumblineError {
  const reasons: Readonly<Record<string, string>> = {
    '1 2': 'it does not support the application context',
    '1 3': `it does not know our AE title ${peer.callingAet}`,
    '1 7': `it does not answer to the AE title ${peer.calledAet}`,
    '2 2': 'it does not support the protocol version',
    '3 1': 'it is congested for the moment',
    '3 2': 'it has as many associations as it takes',
  };
  const why = reasons[`${source} ${reason}`] ?? `it gives no reason (source ${source}, reason ${reason})`;
  const passing = result === 2;
  return new PlumblineError(
    passing ? 'peer-busy' : 'peer-refused',
    `${peer.name} rejects the association ${passing ? 'for now' : 'for good'}: ${why}`,
    {
      where: peer.name,
      ...(passing ? {} : { remedy: 'Make the AE titles of both sides agree, then try the delivery again.' }),
    },
  );
}

function unreachable(peer: DimsePeer, cause: Error & { readonly code?: string }): PlumblineError {
  return new PlumblineError('peer-unreachable', `${peer.name} does not answer: ${cause.code ?? cause.message}`, {
    where: peer.name,
    cause,
  });
}
