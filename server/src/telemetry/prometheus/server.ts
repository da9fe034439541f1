import { once } from "node:events";
import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate } from "node:timers/promises";
import type { Registry } from "prom-client";

/** Scrapers, each with a connection or two. */
const MAX_CONNECTIONS = 16;
const ALLOWED = "GET, HEAD, OPTIONS";

/** `GET /metrics` on a port of its own, which no client needs to reach. */
export class MetricsServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /**
   * @param serverFor - an HTTP server that limits what a connection may ask for at once, and leave unread
   * @throws where the address or the port cannot be listened on
   */
  static async listen(
    registry: Registry,
    serverFor: (listener: RequestListener) => Server,
    host: string,
    port: number,
  ): Promise<MetricsServer> {
    const scrape = shared(() => registry.metrics());
    const server = serverFor((request, response) => {
      void answer(registry.contentType, scrape, request, response);
    });
    server.maxConnections = MAX_CONNECTIONS;
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

/** Whoever asks in one turn of the event loop, or while it is being made, gets the same. */
function shared<T>(make: () => Promise<T>): () => Promise<T> {
  let making: Promise<T> | undefined;
  return () =>
    (making ??= setImmediate()
      .then(make)
      .finally(() => {
        making = undefined;
      }));
}

async function answer(
  contentType: string,
  scrape: () => Promise<string>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  // Nothing here takes a body.
  request.resume();
  response.setHeader("cache-control", "no-store");
  const path = request.url?.split("?", 1)[0];
  const { method } = request;
  if (method === "OPTIONS" && (path === "/metrics" || path === "*")) {
    response.writeHead(204, { allow: ALLOWED }).end();
    return;
  }
  if (path !== "/metrics") {
    response.writeHead(404).end();
    return;
  }
  if (method !== "GET" && method !== "HEAD") {
    response.writeHead(405, { allow: ALLOWED }).end();
    return;
  }
  try {
    const text = await scrape();
    response.writeHead(200, { "content-type": contentType });
    response.end(method === "HEAD" ? undefined : text);
  } catch {
    response.writeHead(500).end();
  }
}
