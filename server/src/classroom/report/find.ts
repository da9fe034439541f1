import { Check } from "typebox/value";
import { knownOf, userOf } from "../connection-log.js";
import type { ClassroomServer, ClassroomSocket } from "../connection.js";
import { Wanted, type Found, type FoundConnection } from "./report.js";

/** Of one replica. Whoever is looked for has one, or a few. */
const MAX_FOUND = 20;

/** Finds the connections of this replica that an operator looks for: by its id, or by who its token was issued to. */
export function findConnections(io: ClassroomServer, node: string, question: string): Found {
  const wanted = parse(question);
  if (!wanted) return { has_more: false, connections: [] };
  const found: FoundConnection[] = [];
  for (const socket of candidates(io, wanted)) {
    if (found.length === MAX_FOUND) return { has_more: true, connections: found };
    const connection = describe(socket, node);
    if (connection) found.push(connection);
  }
  return { has_more: false, connections: found };
}

function* candidates(io: ClassroomServer, wanted: Wanted): Iterable<ClassroomSocket> {
  const { sockets } = io.of("/");
  if ("id" in wanted) {
    const socket = sockets.get(wanted.id);
    if (socket) yield socket;
    return;
  }
  for (const socket of sockets.values()) if (userOf(socket.conn) === wanted.user) yield socket;
}

function describe({ conn }: ClassroomSocket, replica: string): FoundConnection | undefined {
  const known = knownOf(conn);
  if (!known) return undefined;
  const { id, who, user, protocol, sinceMs, from, to, isBehind } = known;
  const { remoteAddress } = conn as { readonly remoteAddress?: string };
  return {
    connection: id,
    session: who.sessionId,
    role: who.role,
    user: user ?? null,
    address: remoteAddress ?? null,
    protocol,
    replica,
    connected_s: Math.max(0, Math.round(sinceMs / 1_000)),
    from,
    to,
    is_behind: isBehind,
  };
}

function parse(question: string): Wanted | undefined {
  try {
    const wanted: unknown = JSON.parse(question);
    return Check(Wanted, wanted) ? wanted : undefined;
  } catch {
    return undefined;
  }
}
