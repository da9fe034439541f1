import type { Static } from "typebox";
import { IS_READY, LIVES } from "../../docs/operations.js";
import type { Alive, Ready } from "../../docs/schemas.js";
import type { Http } from "../fastify.js";
import { NotReady } from "../../../cluster/not-ready.js";
import { HttpProblem } from "../problems.js";

/** What probes are told. */
export interface Health {
  readonly nodeId: string;
  /** Says what is refused, though this replica is of use. Throws `NotReady` where it cannot serve. */
  readonly check: () => readonly NotReady[];
  /** Whether this replica goes. */
  readonly isDraining: () => boolean;
}

/**
 * `GET /healthz`: the process lives. `GET /readyz`: it can serve and publish, which it cannot without a Redis that works,
 * and takes new clients, which it does no longer for long when it goes. Where a part of Redis refuses, that is named, and no
 * reason to send clients elsewhere: it is the same for all replicas.
 */
export function healthRoutes(http: Http, { nodeId, check, isDraining }: Health): void {
  http.get("/healthz", { config: { operation: LIVES } }, (): Static<typeof Alive> => ({
    status: "ok",
    node: nodeId,
  }));
  // It is asked all the time; what is wrong has been logged once, where it was found.
  http.get(
    "/readyz",
    { logLevel: "silent", config: { operation: IS_READY } },
    (): Static<typeof Ready> => {
      if (isDraining()) throw draining();
      try {
        const problems = check().map(({ code, message }) => ({ code, detail: message }));
        if (problems.length > 0) return { status: "degraded", node: nodeId, problems };
      } catch (cause) {
        if (!(cause instanceof NotReady)) throw cause;
        const headers = { "retry-after": "1" };
        throw new HttpProblem(503, cause.code, cause.message, { headers, cause });
      }
      return { status: "ready", node: nodeId };
    },
  );
}

function draining(): HttpProblem {
  const detail = "this replica is about to end: send new clients to another one";
  return new HttpProblem(503, "draining", detail, { headers: { "retry-after": "1" } });
}
