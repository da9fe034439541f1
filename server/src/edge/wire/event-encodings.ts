import type { Encoding } from "../../classroom/batch.js";
import { textFrames } from "./websocket-frames.js";

/** Each event as the arguments of Socket.IO's `emit`. */
export const emittedArguments: Encoding<readonly (readonly unknown[])[]> = (events) =>
  events.map(({ event, offset }) => [event.event, event, offset]);

/** Each event as Socket.IO's encoder writes it. */
export const socketIoPackets: Encoding<readonly string[]> = (events) =>
  events.map(({ event, offset }) => `2["${event.event}",${JSON.stringify(event)},"${offset}"]`);

/** What those packets take, without what their transport puts around them. */
export const socketIoBytes: Encoding<number> = (events) =>
  socketIoPackets(events).reduce((bytes, packet) => bytes + Buffer.byteLength(packet), 0);

/** WebSocket frames with an Engine.IO message each. */
export const socketIoFrames: Encoding<Buffer> = (events) =>
  textFrames(socketIoPackets(events).map((packet) => `4${packet}`));

/** An event stream's text, whose `data` is the plain protocol's. JSON has no end of a line in it. */
export const eventStreamText: Encoding<Buffer> = (events) =>
  Buffer.from(
    events
      .map(({ event, offset }) => streamedEvent(event.event, JSON.stringify(event), offset))
      .join(""),
  );

/** One event of a stream, by what EventSource (HTML, section 9.2) reads it. */
export function streamedEvent(name: string, json: string, offset: string | undefined): string {
  const id = offset === undefined ? "" : `id: ${offset}\n`;
  return `event: ${name}\n${id}data: ${json}\n\n`;
}

/** WebSocket frames of the plain protocol. */
export const plainFrames: Encoding<Buffer> = (events) =>
  textFrames(events.map(({ event }) => JSON.stringify(event)));

/** The same for clients that asked for offsets. */
export const plainFramesWithOffsets: Encoding<Buffer> = (events) =>
  textFrames(events.map(({ event, offset }) => JSON.stringify({ ...event, offset })));
