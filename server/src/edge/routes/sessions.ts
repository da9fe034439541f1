import { createHash, timingSafeEqual } from "node:crypto";
import { EmitterError, parseEvent, type Emitter } from "@inthon/emitter";
import {
  parseSessionId,
  type ClassroomEventInput,
  type Role,
  type SessionId,
} from "@inthon/emitter/protocol";
import type { FastifyRequest } from "fastify";
import type { Http } from "../http.js";
import { HttpProblem } from "../problem.js";

/** Events in one request at most. */
const MAX_EVENTS = 1_000;
/** Below what load balancers wait for a response (30 s and more). */
const PUBLISH_TIMEOUT_MS = 3_000;
const RETRY_AFTER = { "retry-after": "1" };

export interface SessionRoutesOptions {
  readonly emitter: Emitter;
  readonly publishKeys: readonly string[] | undefined;
  /** What is known of a session over the whole cluster; rejects where Redis does not say. */
  readonly describe: (
    sessionId: SessionId,
  ) => Promise<{ teacherOnline: boolean; connections: Record<Role, number> }>;
}

interface SessionParams {
  session_id: string;
}

/** `POST /sessions/:session_id/events` and `GET /sessions/:session_id`. */
export function sessionRoutes(http: Http, options: SessionRoutesOptions): void {
  const authorize = requireKey(options.publishKeys);

  http.post<{ Params: SessionParams }>(
    "/sessions/:session_id/events",
    // Before the body is read: a stranger costs nothing.
    { onRequest: authorize },
    async (request, reply) => {
      const sessionId = sessionIdOf(request);
      const { isSingle, events } = eventsOf(request.body);
      const results = await publish(options.emitter, sessionId, events, request);
      return reply.code(202).send(isSingle ? results[0] : results);
    },
  );

  http.get<{ Params: SessionParams }>("/sessions/:session_id", async (request) => {
    const sessionId = sessionIdOf(request);
    try {
      const { teacherOnline, connections } = await options.describe(sessionId);
      return { session_id: sessionId, teacher_online: teacherOnline, connections };
    } catch (cause) {
      throw new HttpProblem(503, "unavailable", "Redis cannot be reached: try again", {
        headers: RETRY_AFTER,
        cause,
      });
    }
  });
}

function sessionIdOf(request: FastifyRequest<{ Params: SessionParams }>): SessionId {
  const sessionId = parseSessionId(request.params.session_id);
  if (sessionId) return sessionId;
  const detail = "a session id is 1 to 64 characters of A-Z a-z 0-9 _ -";
  throw new HttpProblem(404, "invalid_session_id", detail);
}

function eventsOf(body: unknown): { isSingle: boolean; events: ClassroomEventInput[] } {
  if (!Array.isArray(body)) return { isSingle: true, events: [checked(body, "")] };
  if (body.length === 0 || body.length > MAX_EVENTS) {
    const message = `must hold 1 to ${String(MAX_EVENTS)} events`;
    throw new HttpProblem(400, "invalid_event", `the array ${message}`, {
      errors: [{ path: "", message }],
    });
  }
  return {
    isSingle: false,
    events: body.map((event: unknown, index) => checked(event, `/${String(index)}`)),
  };
}

function checked(value: unknown, path: string): ClassroomEventInput {
  try {
    return parseEvent(value, path);
  } catch (error) {
    throw toProblem(error);
  }
}

async function publish(
  emitter: Emitter,
  sessionId: SessionId,
  events: readonly ClassroomEventInput[],
  request: FastifyRequest,
) {
  const key = request.headers["idempotency-key"];
  try {
    return await emitter.emitAll(sessionId, events, {
      timeoutMs: PUBLISH_TIMEOUT_MS,
      ...(typeof key === "string" ? { idempotencyKey: key } : {}),
    });
  } catch (error) {
    throw toProblem(error);
  }
}

function toProblem(error: unknown): unknown {
  if (!(error instanceof EmitterError)) return error;
  const { code, message, faults: errors, cause } = error;
  switch (code) {
    case "invalid_event":
      return new HttpProblem(400, "invalid_event", message, { errors });
    case "event_too_large":
      return new HttpProblem(413, "payload_too_large", message, { errors });
    case "invalid_option":
      return new HttpProblem(400, "invalid_idempotency_key", message);
    case "invalid_session_id":
      return new HttpProblem(404, "invalid_session_id", message);
    case "unavailable":
    case "closed":
      return new HttpProblem(
        503,
        "unavailable",
        "the event was not confirmed in time: repeat the request with the same Idempotency-Key",
        { headers: RETRY_AFTER, cause },
      );
    case "unauthorized":
    case "rejected":
      return error;
  }
}

function requireKey(publishKeys: readonly string[] | undefined) {
  const digests = publishKeys?.map(digest);
  // Fastify awaits hooks that are async functions.
  return async (request: FastifyRequest): Promise<void> => {
    if (!digests) return;
    const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
    const given = token === undefined ? undefined : digest(token);
    // Digests have one length, and comparing them takes one time: neither says anything of a key.
    const matches = digests.filter((known) => given && timingSafeEqual(known, given));
    if (matches.length > 0) return;
    throw new HttpProblem(
      401,
      "unauthorized",
      "send one of the server's publish keys: Authorization: Bearer <key>",
      { headers: { "www-authenticate": "Bearer" } },
    );
  };
}

function digest(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}
