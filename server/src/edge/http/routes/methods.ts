import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { METHODS, type IncomingMessage } from "node:http";
import { parseRole, parseSessionId } from "@inthon/emitter/protocol";
import { NO_OPERATION } from "../../docs/operation.js";
import type { PageHeaders } from "../../gate/origins.js";
import { HttpProblem, nothingThere } from "../problems.js";

/** All that is done anywhere here. */
const DONE = ["GET", "HEAD", "POST"];

const WITHOUT_BODY = { hasBody: false, overrideExisting: true };

interface Routed {
  /** The methods of each URL of a route. */
  readonly methodsOf: Map<string, Set<string>>;
  /** Whether those come that refuse the others. */
  isComplete: boolean;
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** What a URL may be asked for by, where more than its route decides that. */
    allow?: (request: IncomingMessage) => string;
  }
}

const routedOf = new WeakMap<FastifyInstance, Routed>();

/**
 * Answers OPTIONS by the methods that a URL has, where no page asks whether it may (RFC 9110, section 9.3.7). To be called
 * before there are routes, and before it is said what pages may do.
 *
 * @param forPages - the headers by which a page may read it
 */
export function answerOptions(http: FastifyInstance, forPages: PageHeaders): void {
  // Done nowhere. Where it has a body, as it has for Fastify, it is refused for what that is before it is for itself.
  if (METHODS.includes("QUERY")) http.addHttpMethod("QUERY", WITHOUT_BODY);
  const routed: Routed = { methodsOf: new Map(), isComplete: false };
  routedOf.set(http, routed);
  http.addHook("onRoute", ({ url, method }) => {
    // A wildcard is for whatever has no route.
    if (routed.isComplete || url.includes("*")) return;
    const methods = routed.methodsOf.get(url) ?? new Set();
    for (const one of [method].flat()) methods.add(one);
    routed.methodsOf.set(url, methods);
  });
  http.addHook("onRequest", (request, reply, done) => {
    if (request.method !== "OPTIONS" || isPreflight(request)) {
      done();
      return;
    }
    void reply.headers(forPages(request.raw));
    const { url = "", config } = request.routeOptions;
    const methods = request.url === "*" ? DONE : routed.methodsOf.get(url);
    if (methods && isPossible(request)) {
      options(reply, config.allow?.(request.raw) ?? allowing(methods));
    } else done(nothingThere(hasDocs(http)));
  });
}

/** Refuses whatever else the URLs of routes are asked for by: 405, with what they have. To be called behind all routes. */
export function refuseOtherMethods(http: FastifyInstance): void {
  // Some routes are made by plugins, which come in their order.
  void http.register((scope, _options, done) => {
    const routed = routedOf.get(http);
    if (routed) routed.isComplete = true;
    for (const [url, methods] of routed?.methodsOf ?? []) {
      const allow = allowing(methods);
      const others = http.supportedMethods.filter((method) => !methods.has(method));
      if (others.length === 0) continue;
      // Before a body is looked at: whatever it is, nothing would be done with it.
      scope.route({
        method: others,
        url,
        config: { operation: NO_OPERATION },
        onRequest: (request, _reply, done) => {
          done(isPossible(request) ? notDone(request, allow) : nothingThere(hasDocs(http)));
        },
        handler: unreachable,
      });
    }
    done();
  });
}

/** Whether `/docs` is on. */
export function hasDocs(http: Pick<FastifyInstance, "hasRoute">): boolean {
  return http.hasRoute({ method: "GET", url: "/docs" });
}

/** Of a method that is used nowhere here, and of which Fastify knows no route. */
export function notImplemented({ method }: Pick<FastifyRequest, "method">): HttpProblem {
  const detail = `there is no ${method} here: see the README for what is asked how`;
  return new HttpProblem(501, "not_implemented", detail);
}

function allowing(methods: Iterable<string>): string {
  const some = new Set(methods);
  return [...DONE.filter((method) => some.has(method)), "OPTIONS"].join(", ");
}

/** Whether a path names a session and a role that there may be: it has nothing otherwise, whatever it is asked for by. */
function isPossible({ params }: FastifyRequest): boolean {
  const { session_id: session, role } = (params ?? {}) as Readonly<Record<string, unknown>>;
  if (session !== undefined && !parseSessionId(session)) return false;
  return role === undefined || parseRole(role) !== undefined;
}

function isPreflight({ headers }: FastifyRequest): boolean {
  return headers.origin !== undefined && headers["access-control-request-method"] !== undefined;
}

function options(reply: FastifyReply, allow: string): void {
  void reply.code(204).header("allow", allow).send();
}

/** Of a method by which nothing is done at a URL. */
export function notDone({ method }: Pick<FastifyRequest, "method">, allow: string): HttpProblem {
  const detail = `nothing is done here by ${method}: by ${allow}`;
  return new HttpProblem(405, "method_not_allowed", detail, { headers: { allow } });
}

function unreachable(): never {
  throw new Error("this request was to be refused before");
}
