import type { IncomingMessage } from "node:http";
import { parseAddress } from "../../classroom/address.js";
import { endsBecause } from "../../classroom/connection-log.js";
import { urlDetail, whom } from "../../classroom/whom.js";
import type { Refusals } from "../../telemetry/refusals.js";
import type { ClientAddresses } from "../gate/client-addresses.js";
import { prepareQuery } from "../request-query.js";
import type { DecoderListeners } from "./decoder.js";
import { OTHER_PARSER } from "./other-parsers.js";

/** What Engine.IO tells of a request that it refuses; its message is what the client is answered. */
interface ConnectionError {
  readonly req: IncomingMessage;
  readonly message: string;
}

/** Engine.IO's server, as far as requests that it refuses are concerned. */
interface RefusingEngine {
  on(event: "connection_error", listener: (error: ConnectionError) => void): unknown;
}

/** Engine.IO's words. */
const UNKNOWN_SID = "Session ID unknown";
const ELSEWHERE =
  "it is of another replica, or of one that has ended: where it has not, see that each one's NODE_ID is the name that the load balancer has for it";
/** What an id of ours ends with, behind the name of its replica. */
const SID = /~[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Has those told to the log whom Engine.IO answers with 400: their connection has ended, or is another replica's.
 *
 * @param nodeId - stands in front of the ids that this replica gives
 */
export function noteStrayRequests(
  engine: RefusingEngine,
  refusals: Refusals,
  { addresses, nodeId }: { addresses: Pick<ClientAddresses, "of">; nodeId: string },
): void {
  engine.on("connection_error", ({ req: request, message }) => {
    const { sid } = prepareQuery(request);
    const isElsewhere = SID.test(sid ?? "") && !sid?.startsWith(`${nodeId}~`);
    const why = isElsewhere && message === UNKNOWN_SID ? `${message}: ${ELSEWHERE}` : message;
    const protocol = request.headers.upgrade === undefined ? "polling" : "websocket";
    const address = addresses.of(request);
    refusals.note("invalid_request", { ...urlDetail(request.url), address, protocol, why });
  });
}

const PATH_AS_NAMESPACE =
  "there is no such namespace: a session's path goes into the client's option path, not behind the server's URL";

/** A connection of Engine.IO: what is written to it, it sends as a message. */
interface Writable {
  write(message: string | Buffer): void;
}

/**
 * Has those told to the log who ask for a namespace that there is not, of which Socket.IO does not tell them what to do; and
 * answers those who come by another parser.
 */
export function strangerNoter(refusals: Refusals): DecoderListeners {
  return {
    onStranger: (client, { namespace, isCut }) => {
      if (isCut) endsBecause(client, "unknown_namespace");
      const why = parseAddress(namespace) ? PATH_AS_NAMESPACE : undefined;
      refusals.note("unknown_namespace", { ...whom(client), why });
    },
    onOtherParser: (client, answer) => {
      const { code, message: why } = OTHER_PARSER;
      refusals.note(code, { ...whom(client), why });
      (client as unknown as Writable).write(answer);
    },
  };
}
