import type { FastifyReply, FastifyRequest } from "fastify";
import type { SessionId } from "@inthon/emitter/protocol";
import type { Board } from "../../cluster/ports.js";
import { answerBy } from "../event-stream/answer.js";
import { goingAway } from "../http/closing.js";
import { HttpProblem } from "../http/problems.js";
import { RETRY_AFTER } from "../http/routes/unavailable.js";
import { Lookout } from "./lookout.js";
import { Tail, type TailSources } from "./tail.js";
import { View } from "./view.js";

/** More than a team has operators and walls. */
const MAX_VIEWS = 32;
/** Sessions whose histories are read on at the same time. */
const MAX_TAILS = 8;

/** All who look at the cluster by way of this replica. */
export class Views {
  readonly #lookout: Lookout;
  readonly #tails = new Map<SessionId, Tail>();
  readonly #views = new Set<View>();
  readonly #sources: TailSources;
  readonly #closing = new AbortController();
  readonly #leaving: AbortSignal;

  /** @param leaving - aborts when nobody is let in any more */
  constructor(board: Board, sources: TailSources, leaving: AbortSignal) {
    this.#lookout = new Lookout(board, this.#closing.signal);
    this.#sources = sources;
    this.#leaving = leaving;
  }

  /** Those that are open. */
  get connections(): Iterable<View> {
    return this.#views;
  }

  /**
   * Answers by a stream.
   *
   * @param session - whose events are told besides
   * @throws HttpProblem 503 where as many look as may
   */
  open(
    { raw }: FastifyRequest,
    reply: FastifyReply,
    { session, lifeMs }: { session: SessionId | undefined; lifeMs: number },
  ): void {
    if (this.#leaving.aborted) throw goingAway();
    const isNewTail = session !== undefined && !this.#tails.has(session);
    if (this.#views.size >= MAX_VIEWS || (isNewTail && this.#tails.size >= MAX_TAILS)) {
      const detail = "as many operators look by way of this replica as may: close a page";
      throw new HttpProblem(503, "overloaded", detail, { headers: RETRY_AFTER });
    }
    const tail = session && this.#tailOf(session);
    const view: View = new View(raw.socket, answerBy(reply), lifeMs, () => {
      this.#views.delete(view);
      this.#lookout.delete(view);
      tail?.delete(view);
    });
    this.#views.add(view);
    this.#lookout.add(view);
    tail?.add(view);
  }

  close(): void {
    this.#closing.abort();
    for (const view of this.#views) view.close();
  }

  #tailOf(session: SessionId): Tail {
    const known = this.#tails.get(session);
    if (known) return known;
    const tail = new Tail(session, this.#sources, {
      closing: this.#closing.signal,
      onEnd: () => {
        if (this.#tails.get(session) === tail) this.#tails.delete(session);
      },
    });
    this.#tails.set(session, tail);
    return tail;
  }
}
