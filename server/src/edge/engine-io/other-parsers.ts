import msgpack from "notepack.io";
import { PacketType } from "socket.io-parser";

const MESSAGE =
  "this server speaks Socket.IO's own parser: leave out the client's option parser (socket.io-msgpack-parser and the like)";

/** Told to the client as a `connect_error`, and to the log. */
export const OTHER_PARSER = { code: "invalid_request", message: MESSAGE } as const;

const REFUSAL = {
  type: PacketType.CONNECT_ERROR,
  nsp: "/",
  data: { message: MESSAGE, data: { code: OTHER_PARSER.code } },
};

/** How CONNECT begins in MessagePack: a small map, of which the first entry is the type of the packet. */
const [SMALL_MAP, SMALL_MAP_END] = [0x81, 0x8f];
const TYPE_IS_CONNECT = Buffer.concat([msgpack.encode("type") as Buffer, Buffer.from([0])]);
/** The same as an object of JSON. */
const CONNECT_IN_JSON = /^\{\s*"type"\s*:\s*0\b/;

/**
 * What a client is answered that asks to come in by another parser: by MessagePack (`socket.io-msgpack-parser`), or by an
 * object of JSON (`socket.io-json-parser`). It understands that, and would wait in vain else.
 */
export function answerOtherParser(message: unknown): string | Buffer | undefined {
  if (typeof message === "string") {
    return CONNECT_IN_JSON.test(message) ? JSON.stringify(REFUSAL) : undefined;
  }
  return Buffer.isBuffer(message) && isConnect(message)
    ? (msgpack.encode(REFUSAL) as Buffer)
    : undefined;
}

function isConnect(message: Buffer): boolean {
  const [first = 0] = message;
  const type = message.subarray(1, 1 + TYPE_IS_CONNECT.length);
  return first >= SMALL_MAP && first <= SMALL_MAP_END && type.equals(TYPE_IS_CONNECT);
}
