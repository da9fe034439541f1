/** What a connection is used for just now. */
export type Moment =
  "SUBSCRIBE" | "UNSUBSCRIBE" | "publish" | "read" | "presence" | "renewal" | "proof" | "other";

/** Of scripts, by the beginning of their first key. */
const BY_KEY: readonly (readonly [begin: string, moment: Moment])[] = [
  ["history:", "publish"],
  ["session:", "presence"],
  ["inthon:nodes", "renewal"],
  ["inthon:proof", "proof"],
];

function momentOf(words: readonly string[]): Moment {
  const [name = "", first = "", , key = "", second = ""] = words;
  switch (name.toUpperCase()) {
    case "SUBSCRIBE":
    case "SSUBSCRIBE":
      return first.includes("session_") ? "SUBSCRIBE" : "other";
    case "UNSUBSCRIBE":
    case "SUNSUBSCRIBE":
      return first.includes("session_") ? "UNSUBSCRIBE" : "other";
    case "EVAL":
    case "EVALSHA":
      // What reads a history asks for its epochs first.
      if (second.startsWith("inthon:epochs:")) return "read";
      return BY_KEY.find(([begin]) => key.startsWith(begin))?.[1] ?? "other";
    default:
      return "other";
  }
}

/** What becomes of a command. */
export type Verdict = "serve" | "refuse" | "lose";

/** Waits for the next connection that comes to a moment, or for one after it. */
export interface Snare<C> {
  readonly on: Moment;
  skip: number;
  /** Whether it is sprung when Redis has done what it was asked. */
  readonly isAfter: boolean;
  readonly spring: (connection: C) => Verdict;
}

/** Looks at what connections `C` send to any Redis, for those who wait for it. */
export class Moments<C> {
  readonly #snares = new Set<Snare<C>>();
  #watchers: { readonly on: Moment; readonly run: () => void }[] = [];

  /** @returns what takes it away again */
  set(snare: Snare<C>): () => void {
    this.#snares.add(snare);
    return () => {
      this.#snares.delete(snare);
    };
  }

  /** Tells once that a connection has come to a moment: it is told before Redis does anything. */
  await(on: Moment, run: () => void): void {
    this.#watchers.push({ on, run });
  }

  pass(connection: C, words: readonly string[], isAfter: boolean): Verdict {
    if (this.#snares.size === 0 && this.#watchers.length === 0) return "serve";
    const moment = momentOf(words);
    if (!isAfter && this.#watchers.some(({ on }) => on === moment)) {
      const told = this.#watchers.filter(({ on }) => on === moment);
      this.#watchers = this.#watchers.filter(({ on }) => on !== moment);
      for (const { run } of told) run();
    }
    for (const snare of this.#snares) {
      if (snare.on !== moment || snare.isAfter !== isAfter || snare.skip-- > 0) continue;
      this.#snares.delete(snare);
      return snare.spring(connection);
    }
    return "serve";
  }
}
