import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { parseAddress } from "../classroom/address.js";
import type { OriginCheck } from "./gate/origins.js";
import { gatherWrites } from "./wire/gather-writes.js";
import { goingAway } from "./http/closing.js";
import { refuse } from "./http/last-words.js";
import { HttpProblem, NOTHING_HERE } from "./http/problems.js";
import { prepareQuery } from "./request-query.js";

/** Takes over a connection that asked to become a WebSocket. */
export interface UpgradeHandler {
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/**
 * Listens to the one `upgrade` event of the process, and hands each connection to the engine that speaks its protocol:
 * with `EIO` in its query it is a Socket.IO client, else a plain WebSocket.
 *
 * @param closing - aborts when nobody is let in any more
 */
export function routeUpgrades(
  server: Server,
  engines: { engineIo: UpgradeHandler; plain: UpgradeHandler },
  isOriginAllowed: OriginCheck,
  closing: AbortSignal,
): void {
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // A connection that breaks before it is handed over has nobody else to listen.
    socket.on("error", destroy);
    const url = request.url ?? "/";
    const address = parseAddress(url);
    const query = prepareQuery(request);
    const isEngineIo = query["EIO"] !== undefined;
    if (closing.aborted) {
      refuse(socket, goingAway());
    } else if (!address || (address.kind === "default" && !isEngineIo)) {
      refuse(socket, new HttpProblem(404, "not_found", NOTHING_HERE));
    } else if (!isOriginAllowed(request)) {
      refuse(socket, new HttpProblem(403, "origin_not_allowed", "this origin may not connect"));
    } else {
      // The answer to the handshake and the first packet go out together.
      gatherWrites(socket);
      const engine = isEngineIo ? engines.engineIo : engines.plain;
      engine.handleUpgrade(request, socket, head);
    }
  });
}

function destroy(this: Duplex): void {
  this.destroy();
}
