import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { dimse, Machine, Plug, type Association, type CStoreRequest } from './library.ts';
import { abort, broken, createDataCheck, pduType, readPdus, requestInOrder } from './pdu.ts';
import type { ContextAnswer, Provider, Proposal, Reception, Rejection, StoreStatus } from './types.ts';

export interface ServeLimits {
  /** Maximum length that is announced, and held against the peer. */
  readonly maxPduBytes: number;
  /** A peer that has not asked for an association for so long is cut. */
  readonly associationMs: number;
  /** A peer from which no whole PDU came for so long is cut. */
  readonly idleMs: number;
}

/**
 * Serve one connection to its end: the association, C-ECHO, C-STORE. A request is dealt with before the next PDU is
 * read (asynchronous operations are not negotiated), so a status leaves when its reception has given it, and memory
 * holds one PDU a connection. Whatever else is asked is answered as not recognized by the library.
 * @throws PlumblineError what broke the connection: association-invalid, sender-slow, sender-gone; the socket is gone then
 */
export async function serveAssociation(socket: Socket, provider: Provider, limits: ServeLimits): Promise<void> {
  socket.setNoDelay(true);
  // Reading tells what is wrong with the socket; an error between two reads must not end the process.
  socket.on('error', () => undefined);
  const machine = new Acceptor(new Plug(socket), provider);
  const check = createDataCheck();
  let open = false;
  const patienceMs = (): number => (open ? limits.idleMs : limits.associationMs);
  try {
    for await (const pdu of readPdus(socket, { maxPduBytes: limits.maxPduBytes, patienceMs })) {
      const type = pdu[0];
      if (type === pduType.abort) return void socket.destroy();
      if ((type === pduType.request) === open) throw broken('a PDU that does not fit the state of the association');
      if (type === pduType.data) check(pdu);
      machine.receive(type === pduType.request ? requestInOrder(pdu) : pdu);
      if (machine.failure) throw machine.failure;
      if (machine.requested) {
        if (!(await negotiate(machine, provider, limits))) return await close(socket);
        open = true;
      }
      await machine.settle();
      if (machine.released) return await close(socket);
    }
    socket.destroy();
  } catch (thrown) {
    abort(socket, 2);
    throw thrown;
  } finally {
    await machine.reception?.discard();
    machine.close();
  }
}

/** Answer the request. @returns false where it was rejected */
async function negotiate(machine: Acceptor, provider: Provider, limits: ServeLimits): Promise<boolean> {
  const association = machine.requested!;
  machine.requested = undefined;
  const contexts = association.getPresentationContexts().map((c) => c.context);
  const proposal: Proposal = {
    callingAet: association.getCallingAeTitle(),
    calledAet: association.getCalledAeTitle(),
    contexts: contexts.map((c) => ({
      sopClass: c.getAbstractSyntaxUid(),
      transferSyntaxes: [...c.getTransferSyntaxUids()],
    })),
  };
  const verdict = await provider.associate(proposal);
  if ('rejected' in verdict) {
    machine.sendAssociationReject(...rejections[verdict.rejected]);
    return false;
  }
  for (const [i, context] of contexts.entries()) {
    const { result, transferSyntax } = resultOf(verdict.contexts[i]!);
    context.setResult(result, transferSyntax);
    // The library would echo whatever roles were proposed; this end is never the user of a service (PS3.7 D.3.3.4).
    if (context.getProviderRole()) context.setProviderRole(false);
  }
  // The library would grant whatever was proposed; requests are answered one by one.
  association.setNegotiateAsyncOps(false);
  association.setMaxPduLength(limits.maxPduBytes);
  machine.sendAssociationAccept();
  return true;
}

/** Result, source and reason (PS3.8 table 9-21). */
const rejections: Readonly<Record<Rejection, readonly [number, number, number]>> = {
  'calling-aet': [1, 1, 3],
  'called-aet': [1, 1, 7],
  congestion: [2, 3, 1],
  'local-limit': [2, 3, 2],
};

/** Result/Reason of a context (PS3.8 table 9-18). */
function resultOf(answer: ContextAnswer): { result: number; transferSyntax?: string } {
  const { Accept, RejectAbstractSyntaxNotSupported, RejectTransferSyntaxesNotSupported } =
    dimse.constants.PresentationContextResult;
  if ('accept' in answer) return { result: Accept, transferSyntax: answer.accept };
  return {
    result: answer.reject === 'abstract-syntax' ? RejectAbstractSyntaxNotSupported : RejectTransferSyntaxesNotSupported,
  };
}

/** The requester closes the connection after a release or rejection (PS3.8 9.2.3, ARTIM timer); not for ever. */
async function close(socket: Socket): Promise<void> {
  socket.end();
  if (socket.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, 2000);
  for (const event of ['end', 'close', 'error']) socket.once(event, () => resolve());
  socket.resume();
  await promise;
  clearTimeout(timer);
  socket.destroy();
}

/** The accepting end: the library's callbacks only note what they were told; `settle` does it. */
class Acceptor extends Machine {
  readonly #provider: Provider;
  requested: Association | undefined;
  released = false;
  reception: Reception | undefined;
  readonly #fragments: Uint8Array[] = [];
  #stored: { readonly request: CStoreRequest; readonly answer: (status: StoreStatus) => void } | undefined;

  constructor(plug: Plug, provider: Provider) {
    super(plug);
    this.#provider = provider;
  }

  /** Do what the last PDU asked for: write fragments, answer a C-STORE. */
  async settle(): Promise<void> {
    for (const fragment of this.#fragments.splice(0)) await this.reception?.write(fragment);
    const stored = this.#stored;
    if (!stored) return;
    const { reception } = this;
    this.#stored = this.reception = undefined;
    // A C-STORE without a data set is one that cannot be understood.
    stored.answer(reception ? await reception.end() : { status: 0xc000, comment: 'no data set' });
    if (this.failure) throw this.failure;
  }

  protected override takesDataset(command: object): boolean {
    return command instanceof dimse.requests.CStoreRequest;
  }

  override associationRequested(association: Association): void {
    this.requested = association;
  }

  override associationReleaseRequested(): void {
    this.sendAssociationReleaseResponse();
    this.released = true;
  }

  override cEchoRequest(
    request: InstanceType<typeof dimse.requests.CEchoRequest>,
    callback: (response: InstanceType<typeof dimse.responses.CEchoResponse>) => void,
  ): void {
    this.#guard(() => {
      const response = dimse.responses.CEchoResponse.fromRequest(request);
      response.setStatus(0);
      callback(response);
    });
  }

  override createStoreWritableStream(
    context: Parameters<Machine['createStoreWritableStream']>[0],
    request: CStoreRequest,
  ): Writable {
    this.reception = this.#provider.store({
      sopClass: text(request.getAffectedSopClassUid()),
      instanceUid: text(request.getAffectedSopInstanceUid()),
      transferSyntax: text(context.getAcceptedTransferSyntaxUid()),
    });
    // Takes everything at once and never asks to wait: where it does, the library lets the next PDU overtake.
    return new Writable({
      highWaterMark: 2 ** 30,
      write: (fragment: Uint8Array, _encoding, done) => {
        this.#fragments.push(fragment);
        done();
      },
    });
  }

  /** The library would decode the data set here, and lose what it does not know. */
  override createDatasetFromStoreWritableStream(
    _writable: Writable,
    _context: unknown,
    callback: (dataset: InstanceType<typeof dimse.Dataset>) => void,
  ): void {
    callback(new dimse.Dataset({}));
  }

  override cStoreRequest(
    request: CStoreRequest,
    callback: (response: InstanceType<typeof dimse.responses.CStoreResponse>) => void,
  ): void {
    const answer = ({ status, comment }: StoreStatus): void => {
      const response = dimse.responses.CStoreResponse.fromRequest(request);
      response.setStatus(status);
      // LO: at most 64 characters of the default repertoire, no backslash (PS3.5 6.2).
      if (comment !== undefined) response.setErrorComment(comment.replace(/[^ -[\]-~]/g, '?').slice(0, 64));
      callback(response);
    };
    this.#stored = { request, answer };
  }

  /** What is thrown inside a callback of the library would end the process. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (e) {
      this.fail(e);
    }
  }
}

/** The library gives an absent element as undefined, and a list where a value is multiple. */
function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
