import { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import dimse from 'dcmjs-dimse';
import { PlumblineError } from '../base/index.ts';
import { implementationClassUid, implementationVersionName } from '../dicom/index.ts';

// The library prints every association on standard output, and its parser (a copy of its own) what it cannot read.
dimse.log.disableAll();
const parser = createRequire(import.meta.resolve('dcmjs-dimse'))('dcmjs') as { readonly log: typeof dimse.log };
parser.log.disableAll();
dimse.Implementation.setImplementationClassUid(implementationClassUid);
dimse.Implementation.setImplementationVersion(implementationVersionName);
// An upper bound only: what is announced is set for each association.
dimse.Implementation.setMaxPduLength(1 << 24);

export { dimse };
export type Association = InstanceType<typeof dimse.association.Association>;
export type CStoreRequest = InstanceType<typeof dimse.requests.CStoreRequest>;

/**
 * What the library takes for a socket. It sees only whole PDUs that were looked at (pdu.ts), one after the other, and
 * none of the socket's own events: time limits, back-pressure and ends are kept by the caller, because the library
 * collects a PDU of any announced length and goes on reading while a store is slow.
 */
export class Plug extends EventEmitter {
  readonly #socket: Socket;
  constructor(socket: Socket) {
    super();
    this.#socket = socket;
  }
  setTimeout(): this {
    return this;
  }
  write(bytes: Uint8Array): boolean {
    return this.#socket.writable && this.#socket.write(bytes);
  }
  /** For the library; the caller ends the socket. */
  end(): this {
    return this;
  }
}

/**
 * The library's state machine of one association, for either end. It is called `Scp` there, but holds both roles.
 * What it reports by events is collected here; nothing may throw inside its callbacks, which would end the process.
 */
export class Machine extends dimse.Scp {
  /** Parts of the library's state that it does not put back itself after a command without a data set. */
  declare dimse: object | undefined;
  declare dimseStream: unknown;
  readonly plug: Plug;
  failure: PlumblineError | undefined;
  aborted = false;

  constructor(plug: Plug) {
    // Its own timers are of no use: `connectedTime` is never set at the accepting end, and a PDU counts only when whole.
    const never = 2 ** 31 - 1;
    super(plug as unknown as Socket, { connectTimeout: never, associationTimeout: never, pduTimeout: never });
    this.plug = plug;
    this.on('networkError', (e: Error) => this.fail(e));
  }

  /** Hand over one whole PDU; when it returns, everything that the PDU brings about has been reported. */
  receive(pdu: Buffer): void {
    this.plug.emit('data', pdu);
    // Else the next command would be appended to this one, and the first one's attributes would stay.
    if (this.dimse === undefined) this.dimseStream = undefined;
    // Else the library would wait for a data set of whatever command it was, and hold all of it.
    else if (!this.takesDataset(this.dimse))
      this.fail(
        new PlumblineError('association-invalid', 'the peer sent a command that there is no data set for here'),
      );
  }

  /** Whether a data set may follow the command. */
  protected takesDataset(_command: object): boolean {
    return false;
  }

  /** Stop its timer. */
  close(): void {
    this.plug.emit('close');
  }

  fail(e: unknown): void {
    this.failure ??=
      e instanceof PlumblineError
        ? e
        : new PlumblineError('association-invalid', e instanceof Error ? e.message : String(e), { cause: e });
  }

  override abort(): void {
    this.aborted = true;
  }
}
