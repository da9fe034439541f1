import type { RoomName } from "../../protocol/index.js";
import type { PublishVerb, RedisCommands } from "../publish-script.js";
import { RedisClock } from "../redis-clock.js";
import type { Replicas } from "../replicas.js";

/** A Redis that has rooms. */
export interface RoomRedis {
  readonly commands: RedisCommands;
  readonly clock: RedisClock;
  /** Who has to have what was published before it is confirmed, if anybody. */
  readonly replicas: Replicas | undefined;
}

/** Which Redis has which room: always the same one, or a master of a cluster. */
export interface RoomRedises {
  readonly verb: PublishVerb;
  /** Whether there are replicas to be waited for. */
  readonly waitsForReplicas: boolean;
  /** Whether a call may be carried out twice, because a client sends it again by itself: then each event's key is looked for. */
  readonly mayRepeat?: boolean;
  /**
   * Asked once for each room that is remembered.
   *
   * @returns asked for each call: the same object as long as it is the same Redis, `undefined` where none has the room
   */
  of(room: RoomName): () => RoomRedis | undefined;
}

/**
 * All rooms are in one.
 *
 * @param clock - where others compare it too
 */
export function oneRedis({
  commands,
  clock = new RedisClock(),
  replicas,
  mayRepeat = false,
}: Partial<RoomRedis> & Pick<RoomRedis, "commands"> & Pick<RoomRedises, "mayRepeat">): RoomRedises {
  const redis = { commands, clock, replicas };
  const find = () => redis;
  return { verb: "PUBLISH", waitsForReplicas: replicas !== undefined, mayRepeat, of: () => find };
}
