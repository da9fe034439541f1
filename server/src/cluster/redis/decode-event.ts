import msgpack from "notepack.io";
import {
  formatOffset,
  isEventName,
  parseOffset,
  type ClassroomEvent,
} from "@inthon/emitter/protocol";
import type { RoomEvent } from "../ports.js";

/** The options that the official emitter sends with a packet; our publisher marks announcements by `compress`. */
interface AdapterOptions {
  readonly flags?: { readonly compress?: boolean };
}

/**
 * The event with its offset that a message of a room's channel carries, or `undefined` where the message is not one that
 * our publisher wrote.
 */
export function decodeEvent(message: Buffer): RoomEvent | undefined {
  try {
    const decoded: unknown = msgpack.decode(message);
    if (!Array.isArray(decoded)) return undefined;
    const [, packet, options] = decoded as [unknown, { data?: unknown }, AdapterOptions];
    const { data } = packet;
    if (!Array.isArray(data) || data.length !== 3) return undefined;
    const [name, payload, offset] = data as [unknown, unknown, unknown];
    const position = parseOffset(offset);
    if (!position || !isEventName(name)) return undefined;
    return {
      position,
      offset: formatOffset(position),
      event: payload as ClassroomEvent,
      isAnnouncement: options.flags?.compress === true,
    };
  } catch {
    return undefined;
  }
}
