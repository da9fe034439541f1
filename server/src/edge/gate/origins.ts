import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { HttpProblem } from "../http/problems.js";

/** Whether the page that a request comes from may connect. */
export type OriginCheck = (request: IncomingMessage) => boolean;

/** No scheme, host and port are longer; to read what is takes more than its length. */
const MAX_ORIGIN = 512;

/** In front of a pattern's suffix: labels of a host name, and nothing that would begin anything else. */
const LABELS = /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/;

/**
 * @param rules - origins, and patterns such as `https://*.example.com`, as the configuration has checked them
 * @returns whether an origin is one of them, letter for letter; a pattern's star is one label or more
 */
export function matchOrigins(rules: readonly string[]): (origin: string) => boolean {
  const exact = new Set(rules.filter((rule) => !rule.includes("*")));
  const patterns = rules
    .map((rule) => rule.split("*"))
    .flatMap(([prefix, suffix]) => (prefix && suffix ? [{ prefix, suffix }] : []));
  return (origin) =>
    exact.has(origin) ||
    patterns.some(
      ({ prefix, suffix }) =>
        origin.startsWith(prefix) &&
        origin.endsWith(suffix) &&
        LABELS.test(origin.slice(prefix.length, -suffix.length)),
    );
}

/**
 * @param rules - origins that may connect; `undefined` lets any
 * @returns a check that lets through what is no page (no `Origin`), the server's own pages, and the allowed origins
 */
export function checkOrigin(rules: readonly string[] | undefined): OriginCheck {
  if (!rules) return () => true;
  const isAllowed = matchOrigins(rules);
  return ({ headers: { origin, host } }) =>
    origin === undefined || isAllowed(origin) || isOwnPage(origin, host);
}

/**
 * Where anyone may publish, a check that lets through what is no page, the server's own pages, and the allowed origins: else
 * every site that somebody visits could publish to what he reaches, his own machine for one.
 */
export function checkPublishingPage(rules: readonly string[] | undefined): OriginCheck {
  const isAllowed = matchOrigins(rules ?? []);
  return ({ headers }) => {
    const { origin, host } = headers;
    if (origin !== undefined) return isAllowed(origin) || isOwnPage(origin, host);
    return !/^(cross|same)-site$/.test(headers["sec-fetch-site"] ?? "");
  };
}

/**
 * The same for what is only read: a page names itself by no `Origin` to the server that it was loaded from, so the name by
 * which it asks has to prove what that would.
 */
export function checkReadingPage(rules: readonly string[] | undefined): OriginCheck {
  const mayPublish = checkPublishingPage(rules);
  const isAllowed = matchOrigins(rules ?? []);
  return (request) => {
    const { origin, host = "" } = request.headers;
    if (origin !== undefined || !mayPublish(request)) return mayPublish(request);
    const own = `http://${host}`;
    return isOwnPage(own, host) || isAllowed(own) || isAllowed(`https://${host}`);
  };
}

/** The headers by which the page that a request comes from may read its answer. */
export type PageHeaders = (request: IncomingMessage) => Readonly<Record<string, string>>;

/** For what is answered before anything else has been decided; elsewhere `@fastify/cors` says the same. */
export function pageHeaders(rules: readonly string[] | undefined): PageHeaders {
  if (!rules) return () => ({ "access-control-allow-origin": "*" });
  const isAllowed = matchOrigins(rules);
  return ({ headers: { origin } }) => ({
    vary: "Origin",
    ...(origin !== undefined &&
      isAllowed(origin) && {
        "access-control-allow-origin": origin,
        "access-control-allow-credentials": "true",
      }),
  });
}

/** What a page is told that may not do what it asks for. */
export function originNotAllowed(): HttpProblem {
  return new HttpProblem(
    403,
    "origin_not_allowed",
    "pages of this origin may not do this: add it to the server's ALLOWED_ORIGINS",
  );
}

/**
 * Whether a page came from this server. A host name proves nothing: whoever owns it can have it lead here after the page has
 * been loaded ("DNS rebinding"). An address does, and so does `localhost`, which browsers do not look up.
 */
function isOwnPage(origin: string, host: string | undefined): boolean {
  if (origin.length > MAX_ORIGIN || !URL.canParse(origin)) return false;
  const { host: ownHost, hostname } = new URL(origin);
  if (ownHost !== host) return false;
  const isAddress = isIP(hostname.replace(/^\[|\]$/g, "")) !== 0;
  return isAddress || hostname === "localhost" || hostname.endsWith(".localhost");
}

/** A Fastify hook that refuses who comes from a page that may not do what it asks for. */
export function refusePages(mayDo: OriginCheck) {
  return ({ raw }: { readonly raw: IncomingMessage }): Promise<void> =>
    mayDo(raw) ? Promise.resolve() : Promise.reject(originNotAllowed());
}
