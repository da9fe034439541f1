import { EmitterError, parseRedisState, type Fault } from "../errors.js";
import { attemptWithin } from "./attempt.js";
import { currentKey, type Key } from "./key.js";
import type { Publication, Publisher, PublishResult } from "../publisher.js";

/** What an attempt may take: longer than a server takes to say that it cannot reach Redis (3 s). */
const ATTEMPT_MS = 4_000;
/** And what it may take besides for its body: a link that is slower than this cannot be told from one that hangs. */
const BYTES_PER_MS = 50;

/** Publishes through a replica's HTTP API: for services without a way to Redis, and for a server without Redis. */
export class HttpPublisher implements Publisher {
  readonly #base: URL;
  readonly #key: Key | undefined;

  /**
   * @param base - where the server is, for example `http://replica:3000`; a path in it is kept
   * @param key - publish key, or a token with the role `publisher`, sent as a bearer token; a function is asked at each attempt
   */
  constructor(base: URL, key: Key | undefined) {
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
    const text = JSON.stringify(body);
    // Whoever gives the key has the time of the whole call for it.
    const key = await currentKey(this.#key, signal);
    const post = (attempt: AbortSignal) => this.#post(first, text, key, attempt);
    const answer = await attemptWithin(ATTEMPT_MS + text.length / BYTES_PER_MS, signal, post);
    return (isSingle ? [answer] : answer) as PublishResult[];
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #post(
    first: Publication,
    body: string,
    key: string | undefined,
    signal: AbortSignal,
  ): Promise<unknown> {
    let response: Response;
    let answer: unknown;
    try {
      response = await fetch(new URL(`sessions/${first.sessionId}/events`, this.#base), {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "idempotency-key": first.idempotencyKey,
          ...(first.traceparent !== undefined && { traceparent: first.traceparent }),
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        },
        body,
        signal,
      });
      answer = await readJson(response);
    } catch (cause) {
      const message = `${this.#base.origin} did not answer${reasonOf(cause)}`;
      throw new EmitterError("unavailable", message, { cause });
    }
    if (response.status === 202 && answer !== undefined) return answer;
    throw toError(response.status, answer, this.#base);
  }
}

/** `undefined` for what is none, such as the page of a proxy. */
async function readJson(response: Response): Promise<unknown> {
  const text = await response.text();
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Why `fetch` failed, as its cause has it. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  if (!(cause instanceof Error)) return "";
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code?.startsWith("ERR_SSL")) return ` by TLS (${code}): is it http:// there?`;
  if (code?.startsWith("HPE_")) return ` by HTTP (${code}): is it https:// there?`;
  return ` (${[code, message].filter((part) => part !== undefined && part !== "").join(": ")})`;
}

interface Problem {
  readonly code?: unknown;
  readonly detail?: unknown;
  readonly errors?: unknown;
}

function toError(status: number, body: unknown, { origin, pathname }: URL): EmitterError {
  const problem: Problem = typeof body === "object" && body !== null ? body : {};
  const detail =
    typeof problem.detail === "string" ? problem.detail : `HTTP status ${String(status)}`;
  if (status === 401 || status === 403) return new EmitterError("unauthorized", detail);
  if (status === 413) return new EmitterError("event_too_large", detail);
  if (status === 400 && problem.code === "invalid_event") {
    const faults = Array.isArray(problem.errors) ? (problem.errors as Fault[]) : [];
    return new EmitterError("invalid_event", detail, { faults });
  }
  if (status === 404 && problem.code !== "invalid_session_id") {
    const message = `${origin}${pathname} is not where a server is (404): the target is its URL without the paths below it`;
    return new EmitterError("rejected", message);
  }
  // What is no answer of a server's, though it is no failure: nobody knows what became of the events.
  if (status < 300) return new EmitterError("unavailable", `${origin} did not answer with JSON`);
  if (problem.code === "redis_refuses_part") {
    const cause = new EmitterError("rejected", detail);
    return new EmitterError("unavailable", detail, { cause });
  }
  const isFinal = problem.code === "redis_denies_access" || problem.code === "redis_refuses";
  const isPassing = !isFinal && (status === 429 || status >= 500);
  if (!isPassing) return new EmitterError("rejected", detail);
  return new EmitterError(parseRedisState(problem.code) ?? "unavailable", detail);
}
