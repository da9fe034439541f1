import { parseRole, parseSessionId, type Role, type SessionId } from "@inthon/emitter/protocol";

/** Who a connection wants to be. */
export interface Identity {
  readonly sessionId: SessionId;
  readonly role: Role;
}

/** What a URL that clients connect to says (PROTOCOL.md, section 2). */
export type Address =
  | { readonly kind: "session"; readonly identity: Identity }
  /** `/socket.io/`: the client says who it is when it joins the namespace. */
  | { readonly kind: "default" };

/** Socket.IO's own path, for clients that cannot choose one. */
export const DEFAULT_PATH = "/socket.io/";

const SESSION_PATH = /^\/ws\/session\/([^/]+)\/([^/]+)\/?$/;

/** The address in a request's URL, or `undefined` where nothing can be connected to. */
export function parseAddress(url: string): Address | undefined {
  const [path = ""] = url.split("?", 1);
  if (path === DEFAULT_PATH || `${path}/` === DEFAULT_PATH) return { kind: "default" };
  const match = SESSION_PATH.exec(path);
  const sessionId = parseSessionId(match?.[1]);
  const role = parseRole(match?.[2]);
  return sessionId && role ? { kind: "session", identity: { sessionId, role } } : undefined;
}
