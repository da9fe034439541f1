import type { Server } from "node:http";
import type { Http } from "./fastify.js";
import { HttpProblem } from "./problems.js";

/** What requests that are under way have to finish: more than a publisher waits for Redis. */
const FINISH_TIMEOUT_MS = 4_000;
/** How often connections are closed whose last request has been answered meanwhile. */
const SWEEP_MS = 50;
/** What the connections of this server have to be gone after all of them were cut. */
const CUT_TIMEOUT_MS = 500;

/** What a client is told that comes while this replica goes. */
export function goingAway(): HttpProblem {
  const detail = "this replica is closing: try again, and you will reach another one";
  const headers = { "retry-after": "1", connection: "close" };
  return new HttpProblem(503, "unavailable", detail, { headers });
}

/** Has requests refused that come once the signal is aborted. */
export function refuseWhenClosing(http: Http, closing: AbortSignal): void {
  http.addHook("onRequest", (_request, _reply, done) => {
    if (closing.aborted) done(goingAway());
    else done();
  });
}

/** Closes the server: requests that are under way are answered, but those that take too long are cut. */
export async function closeHttp(http: Http): Promise<void> {
  const { server }: { server: Server } = http;
  const sweep = setInterval(() => {
    server.closeIdleConnections();
  }, SWEEP_MS);
  const cut = setTimeout(() => {
    server.closeAllConnections();
  }, FINISH_TIMEOUT_MS);
  let giveUp: NodeJS.Timeout | undefined;
  // WebSockets whose clients do not answer are not this server's any more, and keep it from closing.
  const gaveUp = new Promise<void>((resolve) => {
    giveUp = setTimeout(resolve, FINISH_TIMEOUT_MS + CUT_TIMEOUT_MS);
  });
  try {
    await Promise.race([http.close(), gaveUp]);
  } finally {
    clearInterval(sweep);
    clearTimeout(cut);
    clearTimeout(giveUp);
  }
}
