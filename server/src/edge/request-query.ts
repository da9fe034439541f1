import type { IncomingMessage } from "node:http";

/** Where Engine.IO puts the query of a request, and Socket.IO and Engine.IO read it. Public, if untyped. */
interface EngineRequest {
  _query?: Readonly<Record<string, string>> | undefined;
}

/** The last query that was parsed: those who come together, come by the same URL. */
let newest: { readonly text: string; readonly query: Readonly<Record<string, string>> } = {
  text: "",
  query: Object.freeze({}),
};

/**
 * The query of a request's URL, parsed once for all who read it: of what is given twice the last one counts. An empty `sid`
 * is none, as Engine.IO has it, and whoever comes with one is new.
 */
export function prepareQuery(request: IncomingMessage): Readonly<Record<string, string>> {
  const prepared = request as EngineRequest;
  if (prepared._query) return prepared._query;
  const url = request.url ?? "";
  const start = url.indexOf("?");
  const text = start < 0 ? "" : url.slice(start + 1);
  if (text !== newest.text) {
    const query = Object.fromEntries(new URLSearchParams(text));
    if (query["sid"] === "") delete query["sid"];
    newest = { text, query: Object.freeze(query) };
  }
  prepared._query = newest.query;
  return newest.query;
}

/** Has a request say something in its query that it said elsewhere. */
export function setInQuery(request: IncomingMessage, name: string, value: string): void {
  const query = { ...prepareQuery(request), [name]: value };
  (request as EngineRequest)._query = Object.freeze(query);
}

/** Lets go of all that a request says, of which something may be a secret: Node.js keeps it as long as its answer goes on. */
export function forgetRequest(request: IncomingMessage): void {
  (request as EngineRequest)._query = undefined;
  request.url = "";
  request.headers = {};
  request.rawHeaders = [];
}
