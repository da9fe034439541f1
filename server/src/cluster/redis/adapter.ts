import type { RedisClient } from "@inthon/emitter";
import { RedisAdapter } from "@socket.io/redis-adapter";
import type { Adapter, BroadcastOptions, Session } from "socket.io-adapter";
import type { Logger } from "../../telemetry/log.js";
import {
  isOwnRoom,
  restoreNothing,
  RoomMap,
  type AdapterFactory,
  type Holder,
  type SessionToPersist,
} from "../lean-adapter.js";
import type { AdapterSubClient, RoomSubscriptions } from "./room-subscriptions.js";

// socket.io-adapter does not export these types.
type Namespace = ConstructorParameters<typeof Adapter>[0];
type Packet = Parameters<Adapter["broadcast"]>[0];

// Private in the adapter's types. Pinned by the test that sends junk to the request channel.
interface RequestSeam {
  onrequest(channel: unknown, message: Buffer): Promise<void>;
}

/** The official adapter on Redis, with the subscriptions of the rooms that this replica holds. */
class ClassroomRedisAdapter extends RedisAdapter {
  override readonly rooms = new RoomMap(this.nsp as Holder);

  constructor(
    namespace: Namespace,
    pubClient: AdapterPubClient,
    subClient: AdapterSubClient,
    log: Logger,
  ) {
    super(namespace, pubClient, subClient);
    const seam = this as unknown as RequestSeam;
    const onRequest = seam.onrequest.bind(this);
    // Nobody awaits it: a malformed request would end the process by an unhandled rejection.
    seam.onrequest = (channel, message) =>
      onRequest(channel, message).catch((error: unknown) => {
        log.warn({ err: error }, "ignored a request that is not Socket.IO's");
      });
  }

  override addAll(id: string, rooms: Set<string>): Promise<void> | void {
    if (!isOwnRoom(id, rooms)) return super.addAll(id, rooms);
  }

  override restoreSession(pid: string): Promise<Session> {
    return restoreNothing(pid);
  }

  override persistSession(_session: SessionToPersist): void {
    // A resumed connection needs nothing of the old one.
  }

  /**
   * What this server emits goes to its own connections only: the publisher alone writes to the rooms of the cluster,
   * and `socket.emit`, which Socket.IO turns into a broadcast when connection state recovery is on, is for one
   * connection that is here.
   */
  override broadcast(packet: Packet, options: BroadcastOptions): void {
    super.broadcast(packet, { ...options, flags: { ...options.flags, local: true } });
  }
}

/**
 * @param commands - publishes the adapter's own requests and responses to other replicas
 * @param subscriber - tells the adapter of its errors
 * @param subscriptions - stands in for the adapter's subscriber otherwise
 */
export function redisAdapter(
  commands: RedisClient,
  subscriber: RedisClient,
  subscriptions: RoomSubscriptions,
  log: Logger,
): AdapterFactory {
  const pubClient = new AdapterPubClient(commands, log);
  const subClient = subscriptions.forAdapter(subscriber);
  return class extends ClassroomRedisAdapter {
    constructor(namespace: Namespace) {
      super(namespace, pubClient, subClient, log);
    }
  };
}

/** The adapter does not await what it publishes: a rejection would end the process. */
class AdapterPubClient {
  readonly #client: RedisClient;
  readonly #log: Logger;

  constructor(client: RedisClient, log: Logger) {
    this.#client = client;
    this.#log = log;
  }

  on(event: string, listener: (...args: unknown[]) => void): unknown {
    return this.#client.on(event, listener);
  }

  off(event: string, listener: (...args: unknown[]) => void): unknown {
    return this.#client.off(event, listener);
  }

  async publish(channel: string, message: string | Buffer): Promise<number> {
    try {
      return await this.#client.publish(channel, message);
    } catch (error) {
      this.#log.warn({ err: error }, "a message to the other replicas was not sent");
      return 0;
    }
  }

  sendCommand(args: string[]): Promise<unknown> {
    return this.#client.sendCommand(args);
  }

  /** Never called. Its presence tells the adapter that this is a client of the `redis` package. */
  pSubscribe(): never {
    throw new Error("the publishing client does not subscribe");
  }
}
