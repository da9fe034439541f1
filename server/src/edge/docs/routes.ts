import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { FastifyReply, RouteOptions } from "fastify";
import type { Http } from "../http/fastify.js";
import { asyncApi } from "./asyncapi.js";
import { openApi, type DocumentedRoute, type Server } from "./openapi.js";
import { NO_OPERATION } from "./operation.js";

const HOME = new URL("../../../", import.meta.url);
const PAGES = fileURLToPath(new URL("docs", HOME));
/** No other file of these folders is served. */
const OUR_FILES: ReadonlySet<string> = new Set(["docs.css", "http.js", "events.js"]);
const SWAGGER_FILES = ["swagger-ui-bundle.js", "swagger-ui.css"];
/** All that is below `/docs`, as the route is written. */
const NAMES = ["openapi.json", "asyncapi.json", "events", ...OUR_FILES, ...SWAGGER_FILES]
  .map((name) => name.replace(".", "\\."))
  .join("|");

/** Scripts and styles are files of this server, and nothing is loaded from elsewhere. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  // Browsers differ in whether 'self' covers WebSockets.
  "connect-src 'self' ws: wss:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Where a document has the host by which its reader has reached this server. */
const SOME_HOST = "host.invalid";
const HOST = /^[\w.:[\]-]{1,255}$/;

const HIDDEN = { config: { operation: NO_OPERATION } } as const;

/**
 * `/docs`: the documents of the interfaces, and pages to read and to try them. To be called before the routes are made that
 * the documents tell of. Nothing is read and no document made until somebody asks for it.
 *
 * @throws Error where a route says nothing of itself
 */
export function serveDocuments(http: Http, access: Omit<Server, "version">): void {
  const routes: DocumentedRoute[] = [];
  http.addHook("onRoute", (route) => {
    const documented = documentedBy(route);
    if (documented) routes.push(documented);
  });
  const server = once(() => ({ ...access, version: version() }));
  const overHttp = once(() => JSON.stringify(openApi(routes, server())));
  const events = once(() => JSON.stringify(asyncApi(server(), SOME_HOST)));
  const swagger = once(() => {
    const { resolve } = createRequire(import.meta.url);
    return join(dirname(resolve("@fastify/swagger-ui/package.json")), "static");
  });

  http.get("/docs", HIDDEN, (request, reply) => {
    if (isBelow(request)) return reply.redirect("../docs");
    return withPolicy(reply).sendFile("http.html", PAGES);
  });
  // One route for all: each costs a replica some of its start.
  http.get<{ Params: { name: string } }>(`/docs/:name(^${NAMES}$)`, HIDDEN, (request, reply) => {
    const { host } = request;
    const { name } = request.params;
    if (isBelow(request)) return reply.redirect(`../${name}`);
    if (name === "openapi.json") return asJson(reply).send(overHttp());
    if (name === "asyncapi.json") {
      return asJson(reply).send(
        events().replaceAll(SOME_HOST, HOST.test(host) ? host : "localhost"),
      );
    }
    if (name === "events") return withPolicy(reply).sendFile("events.html", PAGES);
    if (OUR_FILES.has(name)) return reply.sendFile(name, PAGES);
    return reply.sendFile(name, swagger());
  });
}

/**
 * Whether a path ends with a slash. What a page names by where it is itself, and so behind any path of a proxy, it would
 * look for one step too deep.
 */
function isBelow({ url }: { readonly url: string }): boolean {
  return /^[^?]*\/(\?|$)/.test(url);
}

function documentedBy({ url, method, config, schema }: RouteOptions): DocumentedRoute | undefined {
  const operation = config?.operation;
  // Files say so by themselves (`@fastify/static`).
  const isFile = (schema as { readonly hide?: boolean } | undefined)?.hide === true;
  if (operation === NO_OPERATION || isFile) return undefined;
  if (!operation) {
    throw new Error(
      `${String(method)} ${url} says nothing of itself for /docs: give the route { config: { operation } }, see edge/docs/operation.ts`,
    );
  }
  const methods = [method].flat().map((name) => name.toLowerCase());
  return methods.includes(operation.method) ? { url, operation } : undefined;
}

function asJson(reply: FastifyReply): FastifyReply {
  return reply.type("application/json; charset=utf-8");
}

function withPolicy(reply: FastifyReply): FastifyReply {
  return reply.header("content-security-policy", POLICY);
}

function version(): string {
  const text = readFileSync(new URL("package.json", HOME), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}

/** Makes it when it is asked for, and keeps it. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
