import { parseOffset } from "@inthon/emitter/protocol";
import { streamedEvent } from "./event-encodings.js";

/** What a Socket.IO packet means to a connection that does not speak Socket.IO. */
export type Frame =
  | {
      readonly kind: "event";
      readonly text: string;
      readonly textWithOffset: string;
      /** As an event stream has it. */
      readonly streamed: string;
    }
  /** The server ends the conversation for good. */
  | { readonly kind: "goodbye" }
  /** The client is not admitted. */
  | { readonly kind: "refused"; readonly code: string | undefined }
  | { readonly kind: "nothing" };

/** A name with another character could be more than a name in a stream. */
const PLAIN_NAME = /^[\w.:-]+$/;

// A broadcast hands every connection the same options object, so its frame is made once.
const frames = new WeakMap<object, Frame>();

/**
 * The frame of an encoded Socket.IO packet.
 *
 * @param packet - as Socket.IO's encoder writes it, for example `2["feedback",{...},"1700000000000-1"]`
 * @param options - the options object that came with it
 */
export function frameOf(packet: unknown, options: object | undefined): Frame {
  if (typeof packet !== "string") return { kind: "nothing" };
  const known = options && frames.get(options);
  if (known) return known;
  const frame = makeFrame(packet);
  if (options) frames.set(options, frame);
  return frame;
}

function makeFrame(packet: string): Frame {
  switch (packet.charAt(0)) {
    case "1":
      return { kind: "goodbye" };
    case "2":
      return eventFrame(packet);
    case "4":
      return { kind: "refused", code: codeOf(packet) };
    default:
      return { kind: "nothing" };
  }
}

/** Of a CONNECT_ERROR: `data.code` of the error that admission has thrown. */
function codeOf(packet: string): string | undefined {
  const { data } = JSON.parse(packet.slice(1)) as { data?: { code?: string } };
  return data?.code;
}

function eventFrame(packet: string): Frame {
  const data: unknown = JSON.parse(packet.slice(packet.indexOf("[")));
  const [name, payload, offset] = data as [unknown, unknown, unknown];
  // Only a stock emitter can send something else than the contract's objects. A plain client could not tell its name.
  if (typeof payload !== "object" || payload === null) return { kind: "nothing" };
  const text = JSON.stringify(payload);
  const textWithOffset = typeof offset === "string" ? JSON.stringify({ ...payload, offset }) : text;
  return { kind: "event", text, textWithOffset, streamed: streamed(name, text, offset) };
}

function streamed(name: unknown, text: string, offset: unknown): string {
  const known = typeof name === "string" && PLAIN_NAME.test(name) ? name : "message";
  return streamedEvent(known, text, parseOffset(offset) && String(offset));
}
