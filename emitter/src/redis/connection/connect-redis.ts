import { EmitterError } from "../../errors.js";
import { isReply } from "./client.js";
import { ClusterRedises } from "./cluster/cluster-redises.js";
import { ClusterTopology } from "./cluster/topology.js";
import { OwnRedis, type OwnRedisOptions } from "./own-redis.js";
import { otherKindOf } from "./other-kind.js";
import type { RedisTarget } from "./redis-url.js";
import { oneRedis, type RoomRedises } from "./room-redis.js";
import { routeTo } from "./route-to.js";
import type { TlsSource } from "./tls.js";
import { toEmitterError } from "../redis-errors.js";

/** Times in milliseconds, checked. */
export interface RedisTargetOptions extends OwnRedisOptions {
  readonly connectTimeoutMs: number;
}

/** Links of the emitter's own, which may be waited for. */
interface Opening {
  readonly name: string;
  /** Why they do not all work yet; `undefined` where they do. */
  readonly trouble: Error | undefined;
  /** Whether what works is enough. */
  readonly isUsable: boolean;
  open(): void;
  onChange(listener: () => void): void;
  /** Told of each connection that failed. */
  onError(listener: (error: Error) => void): void;
  close(): Promise<void>;
}

/** The Redis of an emitter, or those. */
export interface OwnRedises {
  readonly redises: RoomRedises;
  readonly close: () => Promise<void>;
}

/**
 * Links of the emitter's own to a Redis, or to each master of a cluster, once they work: of a cluster one of them at least.
 *
 * @throws EmitterError `rejected` where Redis refuses its user, `unavailable` where none answers in time
 */
export async function connectRedis(
  target: RedisTarget,
  tls: TlsSource,
  options: RedisTargetOptions,
): Promise<OwnRedises> {
  if (target.kind === "cluster") {
    const cluster = new ClusterRedises(new ClusterTopology(target, tls), options);
    await untilUp(cluster, options.connectTimeoutMs);
    return { redises: cluster, close: () => cluster.close() };
  }
  const redis = new OwnRedis(routeTo(target, tls), options);
  await untilUp(redis, options.connectTimeoutMs);
  return { redises: oneRedis(redis), close: () => redis.close() };
}

/** Opens it, and closes it where it does not come up. */
async function untilUp(one: Opening, connectTimeoutMs: number): Promise<void> {
  const up = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      const cause = one.trouble;
      const refusal = isReply(cause) ? toEmitterError(cause) : undefined;
      const within = `within ${String(connectTimeoutMs)} ms`;
      const message = refusal
        ? `${one.name} has been of no use ${within}: ${refusal.message}`
        : `no Redis answered at ${one.name} ${within}: ${cause?.message ?? ""}`;
      reject(new EmitterError(refusal?.code ?? "unavailable", message, { cause }));
    }, connectTimeoutMs);
    one.onError((error) => {
      const refusal = refusalOf(error);
      // A wrong password does not become right.
      if (refusal?.retryable !== false) return;
      clearTimeout(timer);
      reject(refusal);
    });
    one.onChange(() => {
      if (!one.isUsable) return;
      clearTimeout(timer);
      resolve();
    });
  });
  one.open();
  try {
    await up;
  } catch (error) {
    await one.close();
    throw error;
  }
}

function refusalOf(error: Error): EmitterError | undefined {
  // Where none of the Sentinels leads to a Redis, that is why.
  const { cause } = error;
  const reply = isReply(error) ? error : cause;
  if (!isReply(reply)) return undefined;
  const kind = otherKindOf(reply, "its URL");
  if (kind !== undefined) return new EmitterError("rejected", kind, { cause: reply });
  return reply === error ? toEmitterError(reply) : undefined;
}
