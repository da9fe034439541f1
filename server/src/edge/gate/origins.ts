import type { IncomingMessage } from "node:http";

/** Whether the page that a request comes from may connect. */
export type OriginCheck = (request: IncomingMessage) => boolean;

/**
 * @param allowedOrigins - origins that may connect; `undefined` lets any
 * @returns a check that lets through what is no browser (no `Origin`), the server's own pages, and the allowed origins
 */
export function checkOrigin(allowedOrigins: readonly string[] | undefined): OriginCheck {
  if (!allowedOrigins) return () => true;
  const allowed = new Set(allowedOrigins);
  return ({ headers: { origin, host } }) => {
    if (origin === undefined || allowed.has(origin)) return true;
    return URL.canParse(origin) && new URL(origin).host === host;
  };
}
