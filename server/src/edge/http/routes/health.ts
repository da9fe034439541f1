import type { Http } from "../fastify.js";
import { HttpProblem } from "../problems.js";

/**
 * `GET /healthz`: the process lives. `GET /readyz`: it can serve, which it cannot without Redis.
 *
 * @param ping - rejects where the cluster cannot be reached
 */
export function healthRoutes(http: Http, nodeId: string, ping: () => Promise<void>): void {
  http.get("/healthz", () => ({ status: "ok", node: nodeId }));
  http.get("/readyz", async () => {
    try {
      await ping();
    } catch (cause) {
      throw new HttpProblem(503, "unavailable", "Redis cannot be reached", {
        headers: { "retry-after": "1" },
        cause,
      });
    }
    return { status: "ready", node: nodeId };
  });
}
