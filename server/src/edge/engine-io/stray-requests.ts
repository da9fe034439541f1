import type { IncomingMessage } from "node:http";
import { urlDetail } from "../../classroom/whom.js";
import type { Refusals } from "../../telemetry/refusals.js";
import type { ClientAddresses } from "../gate/client-addresses.js";

/** What Engine.IO tells of a request that it refuses; its message is what the client is answered. */
interface ConnectionError {
  readonly req: IncomingMessage;
  readonly message: string;
}

/** Engine.IO's server, as far as requests that it refuses are concerned. */
interface RefusingEngine {
  on(event: "connection_error", listener: (error: ConnectionError) => void): unknown;
}

/** Has those told to the log whom Engine.IO answers with 400: their connection has ended, or is another replica's. */
export function noteStrayRequests(
  engine: RefusingEngine,
  refusals: Refusals,
  addresses: Pick<ClientAddresses, "of">,
): void {
  engine.on("connection_error", ({ req: request, message: why }) => {
    const protocol = request.headers.upgrade === undefined ? "polling" : "websocket";
    const address = addresses.of(request);
    refusals.note("invalid_request", { ...urlDetail(request.url), address, protocol, why });
  });
}
