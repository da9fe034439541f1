import type { IncomingMessage } from "node:http";
import { PROTOCOLS, type Protocol } from "../telemetry/labels.js";
import type { RefusalDetail, Refusals } from "../telemetry/refusals.js";
import { parseAddress } from "./address.js";
import { memberDetail } from "./connection-log.js";
import type { ClassroomSocket } from "./connection.js";
import { askedFor, type AdmissionError } from "./identify.js";
import { claimDetail } from "./tokens/claims.js";

/** A connection, or what is known of one that there is not yet. */
export interface Client {
  readonly remoteAddress?: string | undefined;
  readonly transport?: { readonly name: string };
  /** What it came by, until it has been admitted. */
  readonly request?: IncomingMessage | undefined;
}

/** What a line of the log says of whoever is refused or cut. */
export function whom(client: Client): RefusalDetail {
  const { remoteAddress: address, transport } = client;
  const known = memberDetail(client) ?? urlDetail(client.request?.url);
  return { ...known, address, protocol: toProtocol(transport?.name) };
}

/** The same of a socket that asks to be let in. */
export function whomOf({ conn, handshake, id }: ClassroomSocket): RefusalDetail {
  return { ...whom(conn), ...askedFor(handshake), connection: id };
}

/** What the URL that clients connect to says of who they want to be. */
export function urlDetail(url = ""): RefusalDetail {
  const address = parseAddress(url);
  if (address?.kind !== "session") return {};
  return { session: address.identity.sessionId, role: address.identity.role };
}

function toProtocol(name: string | undefined): Protocol | undefined {
  return PROTOCOLS.find((protocol) => protocol === name);
}

/** To be called once for each who is answered with a `connect_error`. */
export function noteNotAdmitted(
  refusals: Pick<Refusals, "note">,
  socket: ClassroomSocket,
  { data, message, claims }: AdmissionError,
): void {
  refusals.note(data.code, { ...whomOf(socket), ...claimDetail(claims), why: message });
}
