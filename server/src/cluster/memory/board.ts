import type { Answers, Board, Notice, Teller } from "../ports.js";

/** {@link Board} of a single process. */
export class MemoryBoard implements Board {
  readonly #node: string;
  #teller: Teller | undefined;

  constructor(node: string) {
    this.#node = node;
  }

  start(teller: Teller): void {
    this.#teller = teller;
  }

  tellNow(): void {
    // Whoever looks reads what is so by then.
  }

  look(): Promise<readonly Notice[]> {
    return Promise.resolve([{ node: this.#node, report: this.#teller?.report() }]);
  }

  ask(question: string): Promise<Answers> {
    const answer = this.#teller?.answer(question);
    return Promise.resolve({ texts: answer === undefined ? [] : [answer], silent: 0 });
  }
}
