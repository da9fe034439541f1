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
    typeof target.options === "object"
  );
}

/** The commands of a client of ioredis, as those of the `redis` package are called. */
export function ioredisCommands(client: IoredisClient): RedisCommands {
  return {
    eval: (script, { keys, arguments: rest }) => client.eval(script, keys.length, ...keys, ...rest),
    evalSha: (sha1, { keys, arguments: rest }) =>
      client.evalsha(sha1, keys.length, ...keys, ...rest),
  };
}
