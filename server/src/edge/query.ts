import type { IncomingMessage } from "node:http";

/** Where Engine.IO puts the query of a request, and Socket.IO and Engine.IO read it. Public, if untyped. */
interface EngineRequest {
  _query?: Readonly<Record<string, string>>;
}

/** The query of a request's URL, parsed once for all who read it. */
export function prepareQuery(request: IncomingMessage): Readonly<Record<string, string>> {
  const prepared = request as EngineRequest;
  if (prepared._query) return prepared._query;
  const url = request.url ?? "";
  const start = url.indexOf("?");
  const query = start < 0 ? {} : Object.fromEntries(new URLSearchParams(url.slice(start + 1)));
  prepared._query = query;
  return query;
}
