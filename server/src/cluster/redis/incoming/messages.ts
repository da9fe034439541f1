import { isEvent, MAX_EVENT_BYTES, parseTraceparent, type TraceParent } from "@inthon/emitter";
import { formatOffset, isEventName, parseOffset } from "@inthon/emitter/protocol";
import type { RoomEvent } from "../../ports.js";
import { decodeMessagePack } from "./message-pack.js";

/** An event, and what is around it: in a message, and in an entry of a history. */
export const MAX_MESSAGE_BYTES = MAX_EVENT_BYTES + 4_096;

/** Socket.IO's type of a packet that is an event. Others would disconnect clients, or answer in their name. */
const EVENT_PACKET = 2;

/** Names that Socket.IO keeps for what it tells its own listeners. */
const RESERVED = new Set([
  "connect",
  "connect_error",
  "disconnect",
  "disconnecting",
  "newListener",
  "removeListener",
]);

/** Something on the bus that neither our publisher nor a stock emitter writes. */
export class BadBusMessage extends Error {
  override readonly name = "BadBusMessage";
}

/** What a message of a room's channel carries. */
export interface Arrival {
  readonly event: RoomEvent;
  /** When it was published, in milliseconds since 1970 of Redis's clock, where its publisher said so. */
  readonly publishedAt: number | undefined;
  readonly trace: TraceParent | undefined;
}

/**
 * The event with its place that a message of a room's channel carries, or `undefined` where it has no place: then it
 * comes from a stock emitter (see {@link decodeForeign}).
 *
 * @throws BadBusMessage where it has a place, and is no event of the contract
 */
export function decodeEvent(message: Buffer): Arrival | undefined {
  const [, packet, options, date] = decode(message);
  const { data } = packet;
  if (!Array.isArray(data) || data.length !== 3) return undefined;
  const [name, event, offset] = data as [unknown, unknown, unknown];
  const position = parseOffset(offset);
  if (!position || !isEventName(name)) return undefined;
  if (!isEvent(event) || event.event !== name) throw new BadBusMessage(`not a whole ${name}`);
  if (position.n === 0) throw new BadBusMessage("an event in the place before the first one");
  return {
    event: {
      position,
      offset: formatOffset(position),
      event,
      // Our publisher marks announcements so.
      isAnnouncement: asObject(options["flags"])["compress"] === true,
      bytes: message.length,
    },
    trace:
      packet["traceparent"] === undefined ? undefined : parseTraceparent(packet["traceparent"]),
    publishedAt: typeof date === "number" && Number.isFinite(date) ? date : undefined,
  };
}

/**
 * What Socket.IO's adapter is given of a stock emitter's message: an event and whom it is for, and nothing else that a
 * packet could say.
 *
 * @throws BadBusMessage
 */
export function decodeForeign(message: Buffer): [uid: string, packet: object, options: object] {
  const [uid, { type, nsp, data }, { rooms, except, flags }] = decode(message);
  if (typeof uid !== "string") throw new BadBusMessage("of nobody");
  if (type !== EVENT_PACKET) throw new BadBusMessage("a packet that is not an event");
  if (nsp !== undefined && nsp !== "/") throw new BadBusMessage("for another namespace");
  if (!Array.isArray(data)) throw new BadBusMessage("an event without a name");
  const args = data as readonly unknown[];
  if (typeof args[0] !== "string" || RESERVED.has(args[0])) {
    throw new BadBusMessage("an event whose name is none");
  }
  // Clients would take it for their place in the room.
  if (parseOffset(args.at(-1))) throw new BadBusMessage("a place that its room has not given");
  const { volatile, compress } = asObject(flags);
  return [
    uid,
    { type: EVENT_PACKET, nsp: "/", data: args },
    {
      rooms: names(rooms),
      except: names(except),
      flags: {
        ...(typeof volatile === "boolean" && { volatile }),
        ...(typeof compress === "boolean" && { compress }),
      },
    },
  ];
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * What every message on Socket.IO's channels is: who sent it, a packet, and whom it is for. Behind that comes the
 * date that our publishers add.
 */
function decode(message: Buffer): [uid: unknown, packet: Fields, options: Fields, date: unknown] {
  if (message.length > MAX_MESSAGE_BYTES) throw new BadBusMessage("longer than any event");
  const decoded = valueOf(message);
  if (!Array.isArray(decoded)) throw new BadBusMessage("not a packet");
  const [uid, packet, options, date] = decoded as readonly unknown[];
  return [uid, asObject(packet), asObject(options), date];
}

function valueOf(message: Buffer): unknown {
  try {
    return decodeMessagePack(message);
  } catch (cause) {
    throw new BadBusMessage("not MessagePack", { cause });
  }
}

function asObject(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function names(value: unknown): readonly string[] {
  if (value === undefined) return [];
  if (Array.isArray(value) && value.every((name) => typeof name === "string")) return value;
  throw new BadBusMessage("for rooms that have no names");
}
