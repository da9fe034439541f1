import { Server as EngineServer, type ServerOptions } from "engine.io";
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

// Private in socket.io-parser's types. Pinned by the tests of junk frames, as are the seams below.
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

/** A transport of engine.io. */
interface TransportSeam {
  onPacket(packet: { readonly type: string; readonly data?: unknown }): void;
}

/** Engine.IO closes a connection on a frame that is not Engine.IO. The contract ignores such a frame. */
export class TolerantEngine extends EngineServer {
  readonly #nodeId: string;

  /** @param nodeId - put in front of each connection's Engine.IO id, so that a client can tell which replica it is on */
  constructor(options: ServerOptions, nodeId: string) {
    super(options);
    this.#nodeId = nodeId;
  }

  override generateId(request: Parameters<EngineServer["generateId"]>[0]): string {
    return `${this.#nodeId}~${super.generateId(request) as string}`;
  }

  protected override createTransport(
    ...args: Parameters<EngineServer["createTransport"]>
  ): ReturnType<EngineServer["createTransport"]> {
    const [, request] = args;
    const isUpgrade = new URL(request.url ?? "/", "http://localhost").searchParams.has("sid");
    return ignoreBadPackets(super.createTransport(...args), isUpgrade);
  }
}

// `onPacket` is protected in engine.io's types.
function ignoreBadPackets<Transport extends object>(transport: Transport, isUpgrade: boolean) {
  const seam = transport as unknown as TransportSeam;
  const onPacket = seam.onPacket.bind(transport);
  // Only the server pings. A client does so once: to probe the transport that it upgrades to.
  let mayProbe = isUpgrade;
  seam.onPacket = (packet) => {
    if (packet.type === "error") return;
    if (packet.type === "ping") {
      if (!mayProbe || packet.data !== "probe") return;
      mayProbe = false;
    }
    onPacket(packet);
  };
  return transport;
}
