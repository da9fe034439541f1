/** What a Socket.IO packet means to a plain connection. */
export type PlainFrame =
  | { readonly kind: "event"; readonly text: string; readonly textWithOffset: string }
  /** The server ends the conversation for good. */
  | { readonly kind: "goodbye" }
  /** The client is not admitted. */
  | { readonly kind: "refused"; readonly code: string | undefined }
  | { readonly kind: "nothing" };

// A broadcast hands every connection the same options object, so its frame is made once.
const frames = new WeakMap<object, PlainFrame>();

/**
 * The plain frame of an encoded Socket.IO packet.
 *
 * @param packet - as Socket.IO's encoder writes it, for example `2["feedback",{...},"1700000000000-1"]`
 * @param options - the options object that came with it
 */
export function plainFrame(packet: unknown, options: object | undefined): PlainFrame {
  if (typeof packet !== "string") return { kind: "nothing" };
  const known = options && frames.get(options);
  if (known) return known;
  const frame = makeFrame(packet);
  if (options) frames.set(options, frame);
  return frame;
}

function makeFrame(packet: string): PlainFrame {
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

function eventFrame(packet: string): PlainFrame {
  const data: unknown = JSON.parse(packet.slice(packet.indexOf("[")));
  const [, payload, offset] = data as [unknown, unknown, unknown];
  // Only a stock emitter can send something else than the contract's objects. A plain client could not tell its name.
  if (typeof payload !== "object" || payload === null) return { kind: "nothing" };
  const text = JSON.stringify(payload);
  const textWithOffset = typeof offset === "string" ? JSON.stringify({ ...payload, offset }) : text;
  return { kind: "event", text, textWithOffset };
}
