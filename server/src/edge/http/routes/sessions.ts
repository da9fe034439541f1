import {
  EmitterError,
  MAX_BATCH_EVENTS,
  parseEvent,
  parseEvents,
  parseTraceparent,
  type Emitter,
} from "@inthon/emitter";
import { EVENTS, type ClassroomEvent, type Role, type SessionId } from "@inthon/emitter/protocol";
import { countPublished, outcomeOf } from "../../../cluster/count-published.js";
import type { Counts } from "../../../telemetry/counts.js";
import type { PublishOutcome } from "../../../telemetry/labels.js";
import type { Logger } from "../../../telemetry/log.js";
import type { FastifyRequest } from "fastify";
import type { Static } from "typebox";
import type { ClientAddresses } from "../../gate/client-addresses.js";
import type { HttpAccess } from "../../gate/http-access.js";
import { refusePages, type OriginCheck } from "../../gate/origins.js";
import { PUBLISH, READ_SESSION } from "../../docs/operations.js";
import type { Published, SessionState } from "../../docs/schemas.js";
import type { Bodies } from "../../intake/bodies.js";
import type { Http } from "../fastify.js";
import { readJsonBodies } from "../json-bodies.js";
import { HttpProblem } from "../problems.js";
import { sessionIdOf, type SessionParams } from "./session-id.js";
import { unavailable, unconfirmed } from "./unavailable.js";

/** Below what load balancers wait for a response (30 s and more). */
const PUBLISH_TIMEOUT_MS = 3_000;

export interface SessionRoutesOptions {
  readonly emitter: Emitter;
  readonly counts: Pick<Counts, "published" | "publishSeconds">;
  /** At `debug` it tells of each request that publishes: never what. */
  readonly log: Logger;
  readonly bodies: Bodies;
  readonly access: Pick<HttpAccess, "toPublish" | "toReadSession" | "userOf">;
  readonly addresses: Pick<ClientAddresses, "of">;
  /** Whether the page that a request comes from may publish. */
  readonly mayPublish: OriginCheck;
  /** What is known of a session over the whole cluster; rejects where Redis does not say. */
  readonly describe: (
    sessionId: SessionId,
  ) => Promise<{ teacherOnline: boolean; connections: Record<Role, number> }>;
}

/** `POST /sessions/:session_id/events` and `GET /sessions/:session_id`. */
export function sessionRoutes(http: Http, options: SessionRoutesOptions): void {
  void http.register((scope, _options, done) => {
    readJsonBodies(scope, options.bodies);
    scope.post<{ Params: SessionParams }>(
      "/sessions/:session_id/events",
      // Before the body is read: a stranger costs nothing.
      {
        onRequest: [options.access.toPublish, refusePages(options.mayPublish), refuseNoSession],
        config: { operation: PUBLISH },
      },
      async (request, reply) => {
        const sessionId = sessionIdOf(request);
        const { isSingle, events } = readEvents(sessionId, request, options);
        const results = await publish(options, sessionId, events, request);
        return reply.code(202).send(isSingle ? results[0] : results);
      },
    );
    done();
  });

  http.get<{ Params: SessionParams }>(
    "/sessions/:session_id",
    { onRequest: options.access.toReadSession, config: { operation: READ_SESSION } },
    async (request): Promise<Static<typeof SessionState>> => {
      const sessionId = sessionIdOf(request);
      try {
        const { teacherOnline, connections } = await options.describe(sessionId);
        return { session_id: sessionId, teacher_online: teacherOnline, connections };
      } catch (cause) {
        throw unavailable(cause);
      }
    },
  );
}

/** Of one that there cannot be, no body is read either. */
function refuseNoSession(
  request: FastifyRequest<{ Params: SessionParams }>,
  _reply: unknown,
  done: (error?: Error) => void,
): void {
  sessionIdOf(request);
  done();
}

function readEvents(session: SessionId, request: FastifyRequest, options: SessionRoutesOptions) {
  const { body } = request;
  try {
    return eventsOf(body);
  } catch (error) {
    // Once for each request: how many of its events were none is not known.
    const outcome = "invalid";
    options.counts.published.add({ event: "unknown", via: "http", outcome });
    const events = Array.isArray(body) ? body.length : 1;
    logPublished(options, request, { session, events, outcome });
    throw error;
  }
}

function eventsOf(body: unknown): { isSingle: boolean; events: ClassroomEvent[] } {
  if (!Array.isArray(body)) return { isSingle: true, events: checked(() => [parseEvent(body)]) };
  if (body.length === 0 || body.length > MAX_BATCH_EVENTS) {
    const message = `must hold 1 to ${String(MAX_BATCH_EVENTS)} events`;
    throw new HttpProblem(400, "invalid_event", `the array ${message}`, {
      errors: [{ path: "", message }],
    });
  }
  return { isSingle: false, events: checked(() => parseEvents(body)) };
}

function checked(parse: () => ClassroomEvent[]): ClassroomEvent[] {
  try {
    return parse();
  } catch (error) {
    throw toProblem(error);
  }
}

async function publish(
  options: SessionRoutesOptions,
  sessionId: SessionId,
  events: readonly ClassroomEvent[],
  request: FastifyRequest,
): Promise<Static<typeof Published>[]> {
  const { emitter, counts } = options;
  const { "idempotency-key": key, traceparent } = request.headers;
  const tell = (outcome: PublishOutcome) => {
    const roles = new Set(events.flatMap(({ event }) => EVENTS[event].audience));
    const what = { session: sessionId, events: events.length, roles: [...roles], outcome };
    logPublished(options, request, what);
  };
  try {
    const publishing = emitter.emitParsed(sessionId, events, {
      timeoutMs: PUBLISH_TIMEOUT_MS,
      ...(typeof key === "string" ? { idempotencyKey: key } : {}),
      ...(typeof traceparent === "string" ? { traceparent } : {}),
    });
    const counted = countPublished(counts, "http", events, publishing);
    const results = await counts.publishSeconds.time(counted);
    tell(results.every(({ duplicate }) => duplicate) ? "duplicate" : "published");
    return results;
  } catch (error) {
    tell(outcomeOf(error));
    throw toProblem(error);
  }
}

/** Who published to which audiences of which session, for whoever looks for what nobody heard. */
function logPublished(
  { log, access, addresses }: Pick<SessionRoutesOptions, "log" | "access" | "addresses">,
  request: FastifyRequest,
  what: { readonly session: SessionId; readonly outcome: PublishOutcome; readonly events: number },
): void {
  if (!log.isLevelEnabled("debug")) return;
  const trace = parseTraceparent(request.headers["traceparent"]);
  const from = { address: addresses.of(request.raw), user: access.userOf(request) };
  const traced = trace && { trace_id: trace.traceId, parent_id: trace.spanId };
  log.debug({ ...what, ...from, ...traced }, "published");
}

function toProblem(error: unknown): unknown {
  if (!(error instanceof EmitterError)) return error;
  const { code, message, faults: errors } = error;
  switch (code) {
    case "invalid_event":
      return new HttpProblem(400, "invalid_event", message, { errors });
    case "event_too_large":
      return new HttpProblem(413, "payload_too_large", message, { errors });
    case "invalid_option":
      return new HttpProblem(400, "invalid_idempotency_key", message);
    case "invalid_session_id":
      return new HttpProblem(404, "invalid_session_id", message);
    case "redis_full":
    case "redis_read_only":
    case "redis_loading":
    case "redis_lacks_replicas":
    case "redis_not_replicated":
    case "unavailable":
    case "closed":
    case "rejected":
      return unconfirmed(error);
    case "unauthorized":
      return error;
  }
}
