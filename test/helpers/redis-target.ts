import { parseRedisUrl, type RedisTarget } from "@inthon/emitter";

/** What a URL says that is right. */
export function redisTarget(url: string): RedisTarget {
  const target = parseRedisUrl(url);
  if ("problem" in target) throw new Error(target.problem);
  return target;
}
