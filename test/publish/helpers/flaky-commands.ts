import type { RedisCommands } from "@inthon/emitter";

/** What becomes of one call of the script. */
export type Fate = "answered" | "never sent" | "answer lost" | "script unknown";

/** A Redis client that loses calls and answers the way that a plan says, and tells of each. */
export class FlakyCommands implements RedisCommands {
  /** What happens to the next calls; those after them are answered. */
  readonly plan: Fate[] = [];
  /** Each call and each answer, in the order in which they happened. */
  readonly log: { readonly what: "call" | "answer"; readonly room: string; readonly args: Args }[] =
    [];
  readonly #redis: RedisCommands;

  constructor(redis: RedisCommands) {
    this.#redis = redis;
  }

  get calls() {
    return this.log.filter(({ what }) => what === "call");
  }

  eval(script: string, options: Options): Promise<unknown> {
    // The text is sent where the script is unknown: it cannot be unknown again.
    const fate = this.plan[0] === "script unknown" ? "answered" : this.plan.shift();
    return this.#run(fate, options, () => this.#redis.eval(script, options));
  }

  evalSha(sha1: string, options: Options): Promise<unknown> {
    return this.#run(this.plan.shift(), options, () => this.#redis.evalSha(sha1, options));
  }

  async #run(fate: Fate | undefined, options: Options, send: () => Promise<unknown>) {
    const entry = { room: options.keys[0] ?? "", args: options.arguments };
    this.log.push({ what: "call", ...entry });
    if (fate === "never sent") throw new Error("the connection is lost");
    if (fate === "script unknown") throw new Error("NOSCRIPT No matching script");
    const reply = await send();
    if (fate === "answer lost") throw new Error("the connection was lost");
    this.log.push({ what: "answer", ...entry });
    return reply;
  }
}

type Options = Parameters<RedisCommands["evalSha"]>[1];
type Args = Options["arguments"];
