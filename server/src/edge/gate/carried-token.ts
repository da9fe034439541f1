import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { prepareQuery } from "../request-query.js";

/** The subprotocol in front of a token, where a browser can set no header; the one that is answered. */
const BEARER = "bearer";

/** What stands behind `Bearer` in an `Authorization` header: a token, as far as its sender knows. */
export function bearerToken({ authorization }: IncomingHttpHeaders): string | undefined {
  return /^Bearer +(\S.*)$/i.exec(authorization ?? "")?.[1];
}

/**
 * The token that a request carries: in its `Authorization`, else as the subprotocol behind `bearer`, else in its query.
 */
export function carriedToken(request: IncomingMessage): string | undefined {
  const { headers } = request;
  return bearerToken(headers) ?? subprotocolToken(headers) ?? prepareQuery(request)["token"];
}

/** The subprotocol that a plain WebSocket is answered with: the one there is. Whatever else is offered may be a token. */
export function chooseProtocol(offered: ReadonlySet<string>): string | false {
  return offered.has(BEARER) && BEARER;
}

function subprotocolToken(headers: IncomingHttpHeaders): string | undefined {
  const offered = headers["sec-websocket-protocol"]?.split(",").map((name) => name.trim()) ?? [];
  const place = offered.indexOf(BEARER);
  return place < 0 ? undefined : offered[place + 1];
}
