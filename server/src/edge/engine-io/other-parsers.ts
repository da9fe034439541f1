import msgpack from "notepack.io";
import { PacketType } from "socket.io-parser";
import { decodeMessagePack } from "../../cluster/redis/incoming/message-pack.js";

/** What a client is sent back of the name of a namespace. */
const MAX_ECHO_BYTES = 64;
/** MessagePack's maps of fewer than sixteen. */
const [SMALL_MAP, SMALL_MAP_END] = [0x80, 0x8f];

const MESSAGE =
  "this server speaks Socket.IO's own parser: leave out the client's option parser (socket.io-msgpack-parser and the like)";

/** Told to the client as a `connect_error`, and to the log. */
export const OTHER_PARSER = { code: "invalid_request", message: MESSAGE } as const;

interface Connect {
  readonly type: PacketType.CONNECT;
  readonly nsp: string;
}

/** Whether something is the first packet of a client with another parser, as far as a look at its first byte tells. */
export function mayBeOtherParser(data: unknown): data is string | Buffer {
  if (typeof data === "string") return data.startsWith("{");
  const first = Buffer.isBuffer(data) ? data[0] : undefined;
  return first !== undefined && first >= SMALL_MAP && first <= SMALL_MAP_END;
}

/**
 * What a client is answered that asks to come in by another parser: by MessagePack (`socket.io-msgpack-parser`), or by an
 * object of JSON (`socket.io-json-parser`). It understands that, and would wait in vain else.
 */
export function answerOtherParser(data: string | Buffer): string | Buffer | undefined {
  try {
    const isText = typeof data === "string";
    const packet: unknown = isText ? JSON.parse(data) : decodeMessagePack(data);
    if (!isConnect(packet)) return undefined;
    const nsp = Buffer.byteLength(packet.nsp) <= MAX_ECHO_BYTES ? packet.nsp : "/";
    const { code, message } = OTHER_PARSER;
    const refusal = { type: PacketType.CONNECT_ERROR, nsp, data: { message, data: { code } } };
    return isText ? JSON.stringify(refusal) : (msgpack.encode(refusal) as Buffer);
  } catch {
    return undefined;
  }
}

function isConnect(packet: unknown): packet is Connect {
  if (typeof packet !== "object" || packet === null) return false;
  const { type, nsp } = packet as Partial<Connect>;
  return type === PacketType.CONNECT && typeof nsp === "string";
}
