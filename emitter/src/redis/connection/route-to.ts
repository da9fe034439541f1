import type { OneRedisTarget } from "./redis-url.js";
import { DirectRoute, type RedisRoute } from "./route.js";
import { SentinelRoute } from "./sentinel-route.js";
import type { TlsSource } from "./tls.js";

/** @param tls - what TLS takes, where the target wants it; asked at each connection */
export function routeTo(target: OneRedisTarget, tls: TlsSource = () => ({})): RedisRoute {
  switch (target.kind) {
    case "standalone":
      return new DirectRoute(target, tls);
    case "sentinel":
      return new SentinelRoute(target, tls);
  }
}
