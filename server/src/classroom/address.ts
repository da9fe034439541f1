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

/** The last address that was parsed: each connection's is asked for twice, and a whole class comes by the same. */
let newest: { readonly path: string; readonly address: Address | undefined } = {
  path: "",
  address: undefined,
};

/** The address in a request's URL, or `undefined` where nothing can be connected to. */
export function parseAddress(url: string): Address | undefined {
  const end = url.indexOf("?");
  const path = end < 0 ? url : url.slice(0, end);
  if (path !== newest.path) newest = { path, address: parsePath(path) };
  return newest.address;
}

function parsePath(path: string): Address | undefined {
  if (path === DEFAULT_PATH || `${path}/` === DEFAULT_PATH) return { kind: "default" };
  const match = SESSION_PATH.exec(path);
  const sessionId = parseSessionId(match?.[1]);
  const role = parseRole(match?.[2]);
  return sessionId && role ? { kind: "session", identity: { sessionId, role } } : undefined;
}
