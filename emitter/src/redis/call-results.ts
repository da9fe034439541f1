import { unsure, type EmitterError } from "../errors.js";
import type { Offset, Role } from "../protocol/index.js";
import type { Publication, PublishResult } from "../publisher.js";
import type { Replicas } from "./replicas.js";

interface MutableResult extends PublishResult {
  readonly offsets: Partial<Record<Role, Offset>>;
  duplicate: boolean;
}

const NOT_YET = "" as Offset;

/** Collects what becomes of the publications of one call in all their rooms. */
export class CallResults {
  readonly promise: Promise<PublishResult[]>;
  readonly #publications: readonly Publication[];
  readonly #tried: WeakSet<Publication>;
  readonly #results: MutableResult[];
  #resolve!: (results: PublishResult[]) => void;
  #reject!: (error: unknown) => void;
  #pending = 1;
  #error: EmitterError | undefined;
  /** The Redis whose replicas are waited for, and the incarnations of them that have answered; '' where not one alone. */
  #answered: Map<Replicas, string> | undefined;
  /** Whether one of them has been published, or nobody knows. */
  #mayBePublished = false;

  /**
   * @param tried - takes the publications where one of them fails: the others, and even that one, may be in Redis
   */
  constructor(publications: readonly Publication[], tried: WeakSet<Publication>) {
    this.#publications = publications;
    this.#tried = tried;
    this.#results = publications.map(() => ({ offsets: {}, duplicate: true }));
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** One more room will answer for one of the publications. */
  expect(index: number, role: Role): void {
    const result = this.#results[index];
    // Its place, so that offsets come in the order of the audience, whichever room answers first.
    if (result) result.offsets[role] = NOT_YET;
    this.#pending++;
  }

  /**
   * @param incarnation - of the Redis that answers
   * @param replicas - its own, if any are waited for
   */
  succeed(
    index: number,
    role: Role,
    offset: Offset,
    isDuplicate: boolean,
    incarnation: string,
    replicas: Replicas | undefined,
  ): void {
    if (replicas) {
      const answered = (this.#answered ??= new Map<Replicas, string>());
      const before = answered.get(replicas) ?? incarnation;
      answered.set(replicas, before === incarnation ? incarnation : "");
    }
    const result = this.#results[index];
    if (result) {
      result.offsets[role] = offset;
      if (!isDuplicate) result.duplicate = false;
    }
    this.#mayBePublished = true;
    this.done();
  }

  /** Resolves when enough replicas have what was answered, at every Redis that has answered: rejects as they do. */
  async acknowledged(): Promise<void> {
    const waits = [...(this.#answered ?? [])].map(([replicas, incarnation]) =>
      replicas.acknowledge(incarnation),
    );
    const failures = (await Promise.allSettled(waits)).flatMap((one) =>
      one.status === "rejected" ? [one.reason as EmitterError] : [],
    );
    // Where one of them may never have heard of it, waiting for the others is not enough.
    const failure = failures.find(({ code }) => code !== "redis_not_replicated") ?? failures[0];
    if (failure) throw failure;
  }

  fail(error: EmitterError): void {
    this.#error ??= error;
    if (error.code === "unavailable") this.#mayBePublished = true;
    this.done();
  }

  /** One less to wait for. The last one decides, so that a repetition cannot overtake what it repeats. */
  done(): void {
    if (--this.#pending > 0) return;
    if (this.#error === undefined) {
      this.#resolve(this.#results);
    } else {
      for (const publication of this.#publications) this.#tried.add(publication);
      const isFinal = !this.#error.retryable;
      this.#reject(isFinal && this.#mayBePublished ? unsure(this.#error) : this.#error);
    }
  }
}
