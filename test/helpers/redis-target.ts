import { parseRedisUrl, type OneRedisTarget } from "@inthon/emitter";

/** What a URL of one Redis says that is right. */
export function redisTarget(url: string): OneRedisTarget {
  const target = parseRedisUrl(url);
  if ("problem" in target) throw new Error(target.problem);
  if (target.kind === "cluster") throw new Error("it names a cluster");
  return target;
}
