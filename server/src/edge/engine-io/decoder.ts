import { Decoder, PacketType, type Packet } from "socket.io-parser";

/** The one namespace that there is (PROTOCOL.md, section 2). */
const NAMESPACE = "/";

/**
 * Socket.IO's decoder throws where a client sends something that is not Socket.IO, and Socket.IO's server closes the
 * connection on that and on packets that are out of place. The contract ignores all of it instead.
 */
export class TolerantDecoder extends Decoder {
  /** Whether the client is in the namespace: before, it may only join, and afterwards, not again. */
  hasJoined = false;
  #isJoining = false;

  override add(data: unknown): void {
    const packet = this.#decode(data);
    if (packet && this.#isInPlace(packet)) this.emitReserved("decoded", packet);
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
      // Another namespace is refused by Socket.IO, in a way that the stock client understands.
      if (nsp !== NAMESPACE) return true;
      const isFirst = !this.#isJoining;
      this.#isJoining = true;
      return isFirst;
    }
    return this.hasJoined && nsp === NAMESPACE && type !== PacketType.CONNECT_ERROR;
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

/** To be called when a client has joined the namespace: its events count from now on. */
export function acceptEvents(socket: object): void {
  (socket as SocketSeam).client.decoder.hasJoined = true;
}
