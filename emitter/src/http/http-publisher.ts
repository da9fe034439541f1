import { readAnswer, resultsIn, type Answer } from "./answer.js";
import { attemptWithin } from "./attempt.js";
import { currentKey, type Key } from "./key.js";
import { noAnswer } from "./no-answer.js";
import { refusalOf } from "./refusal.js";
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
    const timeoutMs = ATTEMPT_MS + text.length / BYTES_PER_MS;
    const { answer, asked } = await attemptWithin(timeoutMs, signal, post);
    const results = resultsIn(answer, isSingle ? undefined : publications.length);
    if (!results) throw refusalOf(answer, this.#base, asked);
    return results;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #post(
    first: Publication,
    body: string,
    key: string | undefined,
    signal: AbortSignal,
  ): Promise<{ answer: Answer; asked: URL }> {
    const asked = new URL(`sessions/${first.sessionId}/events`, this.#base);
    let response: Response | undefined;
    try {
      response = await fetch(asked, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "idempotency-key": first.idempotencyKey,
          ...(first.traceparent !== undefined && { traceparent: first.traceparent }),
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        },
        body,
        signal,
        // Followed, it would be a GET of a page, or lead the events to where nobody meant them to go.
        redirect: "manual",
      });
      return { answer: await readAnswer(response), asked };
    } catch (cause) {
      throw noAnswer(cause, this.#base, response !== undefined);
    }
  }
}
