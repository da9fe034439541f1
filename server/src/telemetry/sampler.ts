/** Kinds to tell apart. What is new beyond them takes the place of all others. */
const MAX_KINDS = 256;

interface Kind {
  /** When its window began, in milliseconds of the monotonic clock. */
  since: number;
  lines: number;
  untold: number;
}

/** Lets through the first lines of each kind in a window of time, and counts the others. */
export class Sampler {
  readonly #linesPerWindow: number;
  readonly #windowMs: number;
  readonly #kinds = new Map<string, Kind>();

  constructor({ linesPerWindow, windowMs }: { linesPerWindow: number; windowMs: number }) {
    this.#linesPerWindow = linesPerWindow;
    this.#windowMs = windowMs;
  }

  /** @returns how many lines of this kind were left out since the last one, or `undefined` where this one is as well */
  admit(name: string): number | undefined {
    const now = performance.now();
    let kind = this.#kinds.get(name);
    if (!kind) {
      if (this.#kinds.size >= MAX_KINDS) this.#kinds.clear();
      kind = { since: now, lines: 0, untold: 0 };
      this.#kinds.set(name, kind);
    } else if (now - kind.since >= this.#windowMs) {
      kind.since = now;
      kind.lines = 0;
    }
    if (kind.lines >= this.#linesPerWindow) {
      kind.untold++;
      return undefined;
    }
    kind.lines++;
    const { untold } = kind;
    kind.untold = 0;
    return untold;
  }
}
