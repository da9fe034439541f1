import type { Http } from "../fastify.js";
import { NotReady } from "../../../cluster/not-ready.js";
import { HttpProblem } from "../problems.js";

/**
 * `GET /healthz`: the process lives. `GET /readyz`: it can serve and publish, which it cannot without a Redis that works.
 *
 * @param check - throws `NotReady` where it cannot
 */
export function healthRoutes(http: Http, nodeId: string, check: () => void): void {
  http.get("/healthz", () => ({ status: "ok", node: nodeId }));
  // It is asked all the time; what is wrong has been logged once, where it was found.
  http.get("/readyz", { logLevel: "silent" }, () => {
    try {
      check();
    } catch (cause) {
      if (!(cause instanceof NotReady)) throw cause;
      const headers = { "retry-after": "1" };
      throw new HttpProblem(503, cause.code, cause.message, { headers, cause });
    }
    return { status: "ready", node: nodeId };
  });
}
