import { RedisAdapter } from "@socket.io/redis-adapter";
import type { Adapter, BroadcastOptions, Session } from "socket.io-adapter";
import {
  isOwnRoom,
  restoreNothing,
  RoomMap,
  type AdapterFactory,
  type Holder,
  type SessionToPersist,
} from "../lean-adapter.js";
import { decodeForeign } from "./incoming/messages.js";
import { NO_CLIENT, type AdapterSubClient, type RoomSubscriptions } from "./room-subscriptions.js";

// socket.io-adapter does not export these types.
type Namespace = ConstructorParameters<typeof Adapter>[0];
type Packet = Parameters<Adapter["broadcast"]>[0];

/** Never asked to publish: the publisher alone writes to the rooms of the cluster, and nobody asks other servers. */
const PUB_CLIENT = {
  ...NO_CLIENT,
  /** Its presence tells the adapter that this is a client of the `redis` package. */
  pSubscribe: NO_CLIENT.subscribe,
};

/** Reads what stock emitters have written. */
const PARSER = {
  decode: decodeForeign,
  encode: (): never => {
    throw new Error("nothing is sent by way of Socket.IO's adapter");
  },
};

/** The official adapter on Redis, with the subscriptions of the rooms that this replica holds. */
class ClassroomRedisAdapter extends RedisAdapter {
  override readonly rooms = new RoomMap(this.nsp as Holder);

  constructor(namespace: Namespace, subClient: AdapterSubClient) {
    super(namespace, PUB_CLIENT, subClient, { parser: PARSER });
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

/** @param subscriptions - what the adapter hears */
export function redisAdapter(subscriptions: RoomSubscriptions): AdapterFactory {
  const subClient = subscriptions.forAdapter();
  return class extends ClassroomRedisAdapter {
    constructor(namespace: Namespace) {
      super(namespace, subClient);
    }
  };
}
