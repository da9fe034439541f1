import { decodeEvent } from "../../../server/dist/cluster/redis/incoming/messages.js";
import { NAMESPACE_CHANNEL } from "@inthon/emitter/protocol";
import type { RoomEvent } from "../../../server/dist/cluster/ports.js";
import type { RedisServer } from "../redis/redis-server.js";
import type { World } from "../world/world.js";

/** Something that was published to a room: what nobody can take back. */
export interface Published {
  readonly room: string;
  readonly offset: string;
  readonly event: RoomEvent["event"];
  readonly json: string;
  readonly isAnnouncement: boolean;
  /** Which one it is in this room, of all histories. */
  readonly index: number;
  /** What was in front of it in its history. */
  readonly before: Published | undefined;
  readonly at: number;
}

/** When Redis last lost something, and when it was single keys. */
interface Losses {
  readonly lostAt: number;
  readonly evictedAt: number;
}

/** What was published, as Redis saw it: the truth by which everybody else is judged. */
export class PublishedEvents {
  readonly #world: World;
  readonly #rooms = new Map<string, Published[]>();
  readonly #byPlace = new Map<string, Published>();
  /** What has been put into a history, and not been published yet, by its place. */
  readonly #appended = new Map<string, { json: string; before: string | undefined }>();
  count = 0;

  constructor(world: World) {
    this.#world = world;
  }

  find(room: string, offset: string): Published | undefined {
    return this.#byPlace.get(`${room} ${offset}`);
  }

  of(room: string): readonly Published[] {
    return this.#rooms.get(room) ?? [];
  }

  /** Told of each entry of a stream. */
  noteAppend(key: string, id: string, fields: readonly string[], before: string | undefined): void {
    const [, room] = /^history:\{socket\.io#\/#(session_.*)#\}$/.exec(key) ?? [];
    const json = Buffer.from(fields[1] ?? "", "latin1").toString();
    if (room !== undefined) this.#appended.set(`${room} ${id}`, { json, before });
  }

  /** Told of each message of a Redis. */
  note(redis: RedisServer, channel: string, message: string, losses: Losses): void {
    const room = channel.slice(NAMESPACE_CHANNEL.length, -1);
    if (!room.startsWith("session_")) return;
    const arrival = decodeEvent(Buffer.from(message, "latin1"));
    if (arrival) this.notePublished(redis.name, room, arrival.event, losses);
  }

  notePublished(
    who: string,
    room: string,
    { offset, event, isAnnouncement }: Pick<RoomEvent, "offset" | "event" | "isAnnouncement">,
    { lostAt, evictedAt }: Losses,
  ): void {
    const json = JSON.stringify(event);
    const stored = this.#appended.get(`${room} ${offset}`);
    this.#appended.delete(`${room} ${offset}`);
    if (stored?.json !== json) {
      this.#world.violate(
        "nothing is published that is not in history",
        `${room} ${offset} ${json}, in history: ${String(stored?.json)}`,
      );
    }
    const before = stored?.before === undefined ? undefined : this.find(room, stored.before);
    this.#refuseDouble(room, offset, json, before, evictedAt);
    const all = this.#rooms.get(room) ?? [];
    const lastTold = all.findLast((one) => one.isAnnouncement);
    // Another epoch may begin with what was told in the one before: replicas know that, and tell nobody twice.
    const isNews =
      !lastTold ||
      epochOf(lastTold.offset) !== epochOf(offset) ||
      lastTold.at <= lostAt ||
      stateOf(lastTold.json) !== stateOf(json);
    if (isAnnouncement && !isNews) {
      this.#world.violate(
        "one announcement per change",
        `${room} ${lastTold.offset} and ${offset}: ${json}`,
      );
    }
    this.#rooms.set(room, all);
    const published = {
      room,
      offset,
      event,
      json,
      isAnnouncement,
      index: all.length,
      before,
      at: this.#world.now,
    };
    all.push(published);
    this.#byPlace.set(`${room} ${offset}`, published);
    this.count++;
    this.#world.tell(who, `publishes ${room} ${offset} ${json.slice(0, 200)}`);
  }

  #refuseDouble(
    room: string,
    offset: string,
    json: string,
    before: Published | undefined,
    evictedAt: number,
  ): void {
    const same = this.find(room, offset);
    if (same) {
      this.#world.violate(
        "a number that was ever given is never given to another event",
        `${room} ${offset}: ${same.json}, then ${json}`,
      );
    }
    const id = markOf(json);
    if (id === undefined) return;
    // Redis may have evicted the keys of what came before alone.
    for (let at = before; at && at.at > evictedAt; at = at.before) {
      if (markOf(at.json) !== id) continue;
      this.#world.violate(
        "a retry never doubles an event",
        `${room}: ${json} at ${at.offset} and ${offset}`,
      );
      return;
    }
  }
}

/** What tells an event of a publisher from all others. */
export function markOf(json: string): string | undefined {
  return /"question_id":(\d+)/.exec(json)?.[1];
}

function stateOf(json: string): boolean {
  return json.includes('"is_online":true');
}

function epochOf(offset: string): string {
  return offset.slice(0, offset.indexOf("-"));
}
