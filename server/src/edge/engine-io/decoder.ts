import { Decoder, PacketType, type Packet } from "socket.io-parser";
import type { Client } from "../../classroom/whom.js";
import { isPingEvent } from "../../classroom/pings.js";
import { answerOtherParser } from "./other-parsers.js";

/** The one namespace that there is (PROTOCOL.md, section 2). */
const NAMESPACE = "/";
/** A client that has asked for as many others is sent away. */
const MAX_STRANGERS = 5;
/** What a client is sent back of the name of another one. Longer ones are not answered: no name of ours is cut. */
const MAX_ECHO_BYTES = 64;

/** The connection that begins in this turn: Socket.IO makes its decoder, and does not say whose it is. */
let beginning: Client | undefined;

/** To be called for a connection before Socket.IO is told of it. */
export function beginsAs(connection: object): void {
  beginning = connection as Client;
}

/** A namespace that there is not, and whether its client is sent away for asking. */
export interface Asked {
  readonly namespace: string;
  readonly isCut: boolean;
}

/**
 * Socket.IO's decoder throws where a client sends something that is not Socket.IO, and Socket.IO's server closes the
 * connection on that and on packets that are out of place. The contract ignores all of it instead.
 */
export class TolerantDecoder extends Decoder {
  /** Whether the client is in the namespace: before, it may only join, and afterwards, not again. */
  #hasJoined = false;
  #isJoining = false;
  /** A ping that came before the client was in, to be answered then. One, and no more of it than that takes. */
  #earlyPing: Packet | undefined;
  /** How often the client has asked for a namespace that there is not. */
  #strangers = 0;
  /** Whether it has come by another parser, and been told so: once. */
  #isToldOfParser = false;
  /** Its client's. In the table of an event emitter it would take ten times as much. */
  #listener: ((packet: Packet) => void) | undefined;
  /** Whose packets it decodes; a plain connection's client asks for no namespace. */
  readonly #connection = beginning;

  constructor() {
    super();
    beginning = undefined;
  }

  /** Told of a client that asks for a namespace that there is not: of its first one, and when it is sent away for them. */
  protected onStranger(_connection: Client | undefined, _asked: Asked): void {
    // Whoever makes decoders says what is to be done.
  }

  /** Told of a client that speaks by another parser, with what it is to be told. */
  protected onOtherParser(_connection: Client | undefined, _answer: string | Buffer): void {
    // As above.
  }

  override on(_event: "decoded", listener: (packet: Packet) => void): this {
    this.#listener = listener;
    return this;
  }

  override off(_event?: "decoded", _listener?: (packet: Packet) => void): this {
    this.#listener = undefined;
    return this;
  }

  override add(data: unknown): void {
    const packet = this.#decode(data);
    if (!packet) {
      this.#lookForParser(data);
      return;
    }
    if (this.#isInPlace(packet)) this.#listener?.(packet);
    else if (!this.#hasJoined) this.#keepPing(packet);
  }

  /** The client is in the namespace, and has been told so: its events count from now on. */
  acceptEvents(): void {
    this.#hasJoined = true;
    const ping = this.#earlyPing;
    this.#earlyPing = undefined;
    if (ping) this.#listener?.(ping);
  }

  override destroy(): void {
    this.#earlyPing = undefined;
    super.destroy();
  }

  #keepPing({ type, nsp, data, id }: Packet): void {
    if (type !== PacketType.EVENT || nsp !== NAMESPACE || !isPingEvent(data)) return;
    this.#earlyPing ??= { type, nsp, data: ["ping"], ...(id !== undefined && { id }) };
  }

  #lookForParser(data: unknown): void {
    if (this.#isJoining || this.#isToldOfParser) return;
    const answer = answerOtherParser(data);
    if (answer === undefined) return;
    this.#isToldOfParser = true;
    this.onOtherParser(this.#connection, answer);
  }

  #decode(data: unknown): Packet | undefined {
    // Binary packets are ignored before their attachments are waited for: the contract has none.
    if (typeof data !== "string" || data.startsWith("5") || data.startsWith("6")) return undefined;
    try {
      return (this as unknown as DecoderSeam).decodeString(data);
    } catch {
      return undefined;
    }
  }

  #isInPlace({ type, nsp }: Packet): boolean {
    if (type === PacketType.CONNECT) {
      if (nsp !== NAMESPACE) return this.#mayBeTold(nsp);
      const isFirst = !this.#isJoining;
      this.#isJoining = true;
      return isFirst;
    }
    // Who leaves while it is being admitted has ended: Socket.IO closes its connection.
    if (type === PacketType.DISCONNECT && nsp === NAMESPACE) return this.#isJoining;
    return this.#hasJoined && nsp === NAMESPACE && type !== PacketType.CONNECT_ERROR;
  }

  /**
   * Another namespace is refused by Socket.IO, in a way that the stock client understands: its answer has the name.
   *
   * @throws where the client asks again and again: Socket.IO then closes its connection
   */
  #mayBeTold(namespace: string): boolean {
    const isCut = ++this.#strangers >= MAX_STRANGERS;
    if (isCut || this.#strangers === 1) this.onStranger(this.#connection, { namespace, isCut });
    if (!isCut) return Buffer.byteLength(namespace) <= MAX_ECHO_BYTES;
    throw new Error("the client asks for too many namespaces");
  }
}

// Private in socket.io-parser's types. Pinned by the tests of junk frames, as are the seams of the engine.
interface DecoderSeam {
  decodeString(data: string): Packet;
}

/** A socket of Socket.IO, as far as its decoder is concerned. */
interface SocketSeam {
  readonly client: { readonly decoder: TolerantDecoder };
}

/** To be called when a client has joined the namespace, after it has been told so. */
export function acceptEvents(socket: object): void {
  (socket as SocketSeam).client.decoder.acceptEvents();
}

/** Who is told of clients that ask for what there is not. */
export interface DecoderListeners {
  readonly onStranger: (client: Client, asked: Asked) => void;
  readonly onOtherParser: (client: Client, answer: string | Buffer) => void;
}

/** A class of decoders for a Socket.IO server, which makes one for each client. */
export function decoderFor(listeners: DecoderListeners): new () => TolerantDecoder {
  return class extends TolerantDecoder {
    protected override onStranger(connection: Client | undefined, asked: Asked): void {
      listeners.onStranger(connection ?? {}, asked);
    }

    protected override onOtherParser(
      connection: Client | undefined,
      answer: string | Buffer,
    ): void {
      if (connection) listeners.onOtherParser(connection, answer);
    }
  };
}
