import { EmitterError, parseRedisState, type Fault } from "../errors.js";
import type { Publication, Publisher, PublishResult } from "../publisher.js";

/** Publishes through a replica's HTTP API: for services without a way to Redis, and for a server without Redis. */
export class HttpPublisher implements Publisher {
  readonly #base: URL;
  readonly #key: string | undefined;

  /**
   * @param base - where the server is, for example `http://replica:3000`; a path in it is kept
   * @param key - publish key, or a token with the role `publisher`, sent as a bearer token
   */
  constructor(base: URL, key: string | undefined) {
    this.#base = new URL(base.href.endsWith("/") ? base.href : `${base.href}/`);
    this.#key = key;
  }

  async publish(
    publications: readonly Publication[],
    signal: AbortSignal,
  ): Promise<PublishResult[]> {
    const [first] = publications;
    if (!first) return [];
    // One request, so that the order of the events is the order of the array. The server makes the keys of the later
    // events out of the first one's, just as the emitter does.
    const isSingle = publications.length === 1;
    const body = isSingle ? first.event : publications.map(({ event }) => event);
    const answer = await this.#post(first, JSON.stringify(body), signal);
    return (isSingle ? [answer] : answer) as PublishResult[];
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #post(first: Publication, body: string, signal: AbortSignal): Promise<unknown> {
    let response: Response;
    let answer: unknown;
    try {
      response = await fetch(new URL(`sessions/${first.sessionId}/events`, this.#base), {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "idempotency-key": first.idempotencyKey,
          ...(first.traceparent !== undefined && { traceparent: first.traceparent }),
          ...(this.#key === undefined ? {} : { authorization: `Bearer ${this.#key}` }),
        },
        body,
        signal,
      });
      answer = await response.json();
    } catch (cause) {
      throw new EmitterError("unavailable", `${this.#base.origin} did not answer`, { cause });
    }
    if (response.status === 202) return answer;
    throw toError(response.status, answer);
  }
}

interface Problem {
  readonly code?: unknown;
  readonly detail?: unknown;
  readonly errors?: unknown;
}

function toError(status: number, body: unknown): EmitterError {
  const problem: Problem = typeof body === "object" && body !== null ? body : {};
  const detail =
    typeof problem.detail === "string" ? problem.detail : `HTTP status ${String(status)}`;
  if (status === 401 || status === 403) return new EmitterError("unauthorized", detail);
  if (status === 413) return new EmitterError("event_too_large", detail);
  if (status === 400 && problem.code === "invalid_event") {
    const faults = Array.isArray(problem.errors) ? (problem.errors as Fault[]) : [];
    return new EmitterError("invalid_event", detail, { faults });
  }
  const isPassing = problem.code !== "redis_denies_access" && (status === 429 || status >= 500);
  if (!isPassing) return new EmitterError("rejected", detail);
  return new EmitterError(parseRedisState(problem.code) ?? "unavailable", detail);
}
