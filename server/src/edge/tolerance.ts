import { Server as EngineServer, type ServerOptions } from "engine.io";
import { Decoder } from "socket.io-parser";

/**
 * Socket.IO's decoder, which throws where a client sends something that is not Socket.IO, and the server then closes
 * the connection. The contract ignores it instead. Binary packets are ignored before their attachments are waited
 * for: the contract has none.
 */
export class TolerantDecoder extends Decoder {
  override add(data: unknown): void {
    if (typeof data !== "string" || data.startsWith("5") || data.startsWith("6")) return;
    try {
      super.add(data);
    } catch {
      // Junk, as the contract expects it from time to time.
    }
  }
}

interface Packet {
  readonly type: string;
  readonly data?: unknown;
}

/** A transport of engine.io, as far as it is changed here. */
interface TransportSeam {
  onPacket(packet: Packet): void;
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
    return ignoreBadPackets(super.createTransport(...args));
  }
}

// `onPacket` is protected in engine.io's types. Pinned by the tests of junk frames.
function ignoreBadPackets<Transport extends object>(transport: Transport): Transport {
  const seam = transport as unknown as TransportSeam;
  const onPacket = seam.onPacket.bind(transport);
  seam.onPacket = (packet) => {
    // Only the server may ping; a client does so once, to probe the transport that it upgrades to.
    const isStrayPing = packet.type === "ping" && packet.data !== "probe";
    if (packet.type !== "error" && !isStrayPing) onPacket(packet);
  };
  return transport;
}
