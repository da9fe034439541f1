import type { Offset, Role } from "./protocol/index.js";
import type { Publication, PublishResult } from "./publisher.js";

/** Collects what becomes of the publications of one call in all their rooms. */
export class Answer {
  readonly publications: readonly Publication[];
  readonly promise: Promise<PublishResult[]>;
  readonly #offsets: Partial<Record<Role, Offset>>[];
  readonly #isNew: boolean[];
  #pending = 1;
  #error: unknown;
  #resolve: ((results: PublishResult[]) => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;

  constructor(publications: readonly Publication[]) {
    this.publications = publications;
    this.#offsets = publications.map(() => ({}));
    this.#isNew = publications.map(() => false);
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** One more room has to answer for one of the publications. */
  expect(): void {
    this.#pending++;
  }

  succeed(index: number, role: Role, offset: Offset, isDuplicate: boolean): void {
    const offsets = this.#offsets[index];
    if (offsets) offsets[role] = offset;
    if (!isDuplicate) this.#isNew[index] = true;
    this.done();
  }

  fail(error: unknown): void {
    this.#error ??= error;
    this.done();
  }

  /** One answer less to wait for. Only the last one decides, so that a repetition cannot overtake what it repeats. */
  done(): void {
    if (--this.#pending > 0) return;
    if (this.#error === undefined) {
      this.#resolve?.(
        this.#offsets.map((offsets, i) => ({ offsets, duplicate: this.#isNew[i] !== true })),
      );
    } else {
      this.#reject?.(this.#error);
    }
  }
}
