/** What of a replica an operator should see, though it is in the log as well. */
export interface Happening {
  /** When, in milliseconds since 1970, by the replica's clock. */
  readonly at: number;
  readonly kind: "drains" | "died" | "error" | "warning" | "over";
  /** What the log says; of one that died, its name. */
  readonly text: string;
}

/** Newer ones take the place of older ones. */
const MAX = 12;
const MAX_TEXT = 200;
/** Of pino's levels. */
const ERROR = 50;
const WARNING = 40;

/** The newest things that happened in a replica. */
export class Happenings {
  #all: readonly Happening[] = [];

  /** Newest last. */
  get all(): readonly Happening[] {
    return this.#all;
  }

  note(kind: Happening["kind"], text: string): void {
    const happening = { at: Date.now(), kind, text: text.slice(0, MAX_TEXT) };
    this.#all = [...this.#all.slice(1 - MAX), happening];
  }

  /** Told of each line of the log that is a warning or worse, and of those that tell that it is over. */
  readonly onTrouble = (level: number, message: string): void => {
    this.note(level >= ERROR ? "error" : level >= WARNING ? "warning" : "over", message);
  };
}
