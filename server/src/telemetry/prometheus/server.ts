import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Registry } from "prom-client";

/** Scrapers, each with a connection or two. */
const MAX_CONNECTIONS = 16;
/** For a request to come whole, and what a scrape may take. */
const TIMEOUT_MS = 10_000;

/** `GET /metrics` on a port of its own, which no client needs to reach. */
export class MetricsServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @throws where the address or the port cannot be listened on */
  static async listen(registry: Registry, host: string, port: number): Promise<MetricsServer> {
    const server = createServer(
      { headersTimeout: TIMEOUT_MS, requestTimeout: TIMEOUT_MS, keepAliveTimeout: 2 * TIMEOUT_MS },
      (request, response) => {
        void answer(registry, request, response);
      },
    );
    server.maxConnections = MAX_CONNECTIONS;
    server.setTimeout(6 * TIMEOUT_MS);
    server.listen(port, host);
    await once(server, "listening");
    return new MetricsServer(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

async function answer(
  registry: Registry,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  // Nothing here takes a body.
  request.resume();
  const path = request.url?.split("?", 1)[0];
  const isRead = request.method === "GET" || request.method === "HEAD";
  if (!isRead || path !== "/metrics") {
    response.writeHead(isRead ? 404 : 405, isRead ? {} : { allow: "GET, HEAD" }).end();
    return;
  }
  try {
    const text = await registry.metrics();
    response.writeHead(200, { "content-type": registry.contentType });
    response.end(request.method === "HEAD" ? undefined : text);
  } catch {
    response.writeHead(500).end();
  }
}
