import type { RedisCommands } from "../publish-script.js";

/** What is used of a client of ioredis (5 and newer), or of one that is made after it. */
export interface IoredisClient {
  readonly status: string;
  readonly isCluster?: boolean | undefined;
  readonly mode?: string | undefined;
  readonly condition?: { readonly select?: number | string | undefined } | null | undefined;
  readonly options: {
    readonly db?: number | string | undefined;
    readonly keyPrefix?: string | undefined;
    readonly stringNumbers?: boolean | undefined;
  };
  eval(
    script: string,
    numberOfKeys: number,
    ...keysAndArguments: (string | Buffer)[]
  ): Promise<unknown>;
  evalsha(
    sha1: string,
    numberOfKeys: number,
    ...keysAndArguments: (string | Buffer)[]
  ): Promise<unknown>;
}

/** Whether a client is of ioredis: other packages write `evalSha`, or have no `status` in words. */
export function isIoredis(target: object): target is IoredisClient {
  return (
    "evalsha" in target &&
    typeof target.evalsha === "function" &&
    "status" in target &&
    typeof target.status === "string" &&
    "options" in target &&
    typeof target.options === "object" &&
    target.options !== null
  );
}

/** The commands of a client of ioredis, as those of the `redis` package are called. */
export function ioredisCommands(client: IoredisClient): RedisCommands {
  // Its numbers may come as texts: none of a script's is another one then.
  const read = client.options.stringNumbers === true ? numberOf : (reply: unknown) => reply;
  return {
    eval: async (script, { keys, arguments: rest }) =>
      read(await client.eval(script, keys.length, ...keys, ...rest)),
    evalSha: async (sha1, { keys, arguments: rest }) =>
      read(await client.evalsha(sha1, keys.length, ...keys, ...rest)),
  };
}

function numberOf(reply: unknown): unknown {
  return typeof reply === "string" && /^\d+$/.test(reply) ? Number(reply) : reply;
}
