import { isSplit } from "@inthon/emitter";
import { loadScript, runScript } from "./scripts/script.js";
import type { Runner } from "./shards/shards.js";

/** Longer than a cluster is ever down: the nodes that died with it are swept by the first one that is back. */
export const FORGET_MS = 7 * 24 * 60 * 60 * 1_000;
export const NODES_KEY = "inthon:nodes";
/** Names whose members are on their way, by when they are dead. The hash tag puts it in the slot of {@link NODES_KEY}. */
export const LEAVING_KEY = "inthon:leaving:{inthon:nodes}";

/** The SET of the teachers that a node holds, each as `<session>/<socket>`: what to take out when it dies. */
export function heldKey(node: string): string {
  return `inthon:node:{${node}}:teachers`;
}

const LEAVE = loadScript("leave.lua");

/**
 * Keeps the name under which a node claims those whom it sends to other ones. No lease is on it, so they are believed for
 * their time whatever becomes of the node: it may die, lose its lease, or begin a new one.
 */
export class Leavers {
  readonly #shards: Runner;
  readonly #handoverMs: number;
  readonly #newName: () => string;
  #name: string | undefined;
  #asking: Promise<string> | undefined;

  /** @param handoverMs - for how long they are believed, in milliseconds, counted from the last of them */
  constructor(shards: Runner, handoverMs: number, newName: () => string) {
    this.#shards = shards;
    this.#handoverMs = handoverMs;
    this.#newName = newName;
  }

  /** The name, whose members have their time from now on. Asked once for all who go at the same time. */
  name(): Promise<string> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  /** The members of `node`, which has gone, are on their way as well. */
  async add(node: string): Promise<boolean> {
    const args = [node, String(this.#handoverMs), String(FORGET_MS)];
    const leave = (keys: string[]) =>
      runScript(this.#shards, LEAVE, keys, args, { canSplit: true });
    try {
      return (await leave([LEAVING_KEY, NODES_KEY])) === 1;
    } catch (error) {
      if (!isSplit(error)) throw error;
      // Their slot is on its way, and one of the two is not where the other is: in this order it is never in neither of them.
      if ((await leave([LEAVING_KEY])) !== 1) return false;
      await this.#shards.run(NODES_KEY, (client) => client.zRem(NODES_KEY, node));
      return true;
    }
  }

  async #ask(): Promise<string> {
    const name = (this.#name ??= this.#newName());
    if (await this.add(name)) return name;
    // Those under it have had their time.
    this.#name = this.#newName();
    await this.add(this.#name);
    return this.#name;
  }
}
