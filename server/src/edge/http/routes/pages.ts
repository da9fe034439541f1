import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import fastifyStatic from "@fastify/static";
import { NO_OPERATION } from "../../docs/operation.js";
import type { Http } from "../fastify.js";

const PUBLIC = fileURLToPath(new URL("../../../../public", import.meta.url));
const SOCKET_IO = dirname(createRequire(import.meta.url).resolve("socket.io/package.json"));

/**
 * The stock Socket.IO client below `/socket.io/`, where its documents say it is, and the classroom's page at `/`.
 *
 * @param pages - `hasDemo`: whether the page is there
 */
export function pageRoutes(http: Http, pages: { readonly hasDemo: boolean }): void {
  void http.register(fastifyStatic, {
    root: join(SOCKET_IO, "client-dist"),
    prefix: "/socket.io/",
    wildcard: false,
    maxAge: "1h",
  });
  // Asked for by browsers that show a file alone, which names no icon: a picture of a capture, an answer of the API.
  http.get("/favicon.ico", { config: { operation: NO_OPERATION } }, (_request, reply) =>
    reply.sendFile("favicon.svg", PUBLIC),
  );
  if (!pages.hasDemo) return;
  void http.register(fastifyStatic, {
    root: PUBLIC,
    wildcard: false,
    decorateReply: false,
    // Served by itself: it is there where this page is not.
    globIgnore: ["operator/**"],
  });
}
