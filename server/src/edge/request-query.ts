import type { IncomingMessage } from "node:http";

/** Where Engine.IO puts the query of a request, and Socket.IO and Engine.IO read it. Public, if untyped. */
interface EngineRequest {
  _query?: Readonly<Record<string, string>>;
}

/** The last query that was parsed: those who come together, come by the same URL. */
let newest: { readonly text: string; readonly query: Readonly<Record<string, string>> } = {
  text: "",
  query: Object.freeze({}),
};

/** The query of a request's URL, parsed once for all who read it. */
export function prepareQuery(request: IncomingMessage): Readonly<Record<string, string>> {
  const prepared = request as EngineRequest;
  if (prepared._query) return prepared._query;
  const url = request.url ?? "";
  const start = url.indexOf("?");
  const text = start < 0 ? "" : url.slice(start + 1);
  if (text !== newest.text) {
    newest = { text, query: Object.freeze(Object.fromEntries(new URLSearchParams(text))) };
  }
  prepared._query = newest.query;
  return newest.query;
}
