import { historyKey, teachersKey, type RoomName, type SessionId } from "@inthon/emitter/protocol";
import type { Asked, ClientActor, ClientObserver } from "../actors/client.js";
import type { Emission } from "../actors/publisher.js";
import type { Connection } from "../network/connection.js";
import type { RedisDeployment } from "../redis/deployment.js";
import type { RedisObserver, RedisServer } from "../redis/redis-server.js";
import { idText } from "../redis/stream.js";
import type { World } from "../world/world.js";
import { PublishedEvents } from "./published.js";

type Client = Pick<ClientActor, "name" | "options" | "stay" | "isConnected" | "leaveForGood">;
type Redis = Pick<RedisDeployment, "lostAt" | "wholeLostAt" | "evictedAt" | "databaseOf">;

/** Who is judged, as far as judges look at them. */
export interface Cast {
  readonly connections: Iterable<
    Pick<Connection, "isHeld" | "channels" | "shardChannels"> & {
      readonly process: { readonly name: string };
    }
  >;
  readonly deployment: Redis;
  readonly replicas: readonly {
    readonly name: string;
    readonly classroom: { readonly size: { readonly rooms: number } } | undefined;
    readonly process: { readonly activeTimers: number } | undefined;
  }[];
  readonly clients: readonly Client[];
}

/** What is not as it must be. */
export interface Wrong {
  readonly rule: string;
  readonly what: string;
}

/** In which every replica has found out what Redis has lost, in milliseconds. */
const LOSS_KNOWN_MS = 30_000;

/** More than a replica has that nobody is connected to. */
const MAX_TIMERS = 40;

/** Holds all of them to what `DESIGN.md` promises in its section 2. */
export class Judges implements RedisObserver, ClientObserver {
  readonly published: PublishedEvents;
  readonly #world: World;
  readonly #emissions: Emission[] = [];
  readonly #probes = new Set<Emission>();
  readonly #waitsForReplicas: boolean;
  #cast: Cast | undefined;

  /** @param waitsForReplicas - whether what is resolved outlives whoever takes over */
  constructor(world: World, waitsForReplicas = false) {
    this.#world = world;
    this.#waitsForReplicas = waitsForReplicas;
    this.published = new PublishedEvents(world);
  }

  look(cast: Cast): void {
    this.#cast = cast;
  }

  get #everybody(): Cast {
    if (!this.#cast) throw new Error("nobody is judged");
    return this.#cast;
  }

  onAppend(key: string, id: string, fields: readonly string[], before: string | undefined): void {
    this.published.noteAppend(key, id, fields, before);
  }

  onPublish(redis: RedisServer, channel: string, message: string): void {
    this.published.note(redis, channel, message, this.#everybody.deployment);
  }

  onScriptFault(message: string): void {
    this.#violate("no script fails by itself", message);
  }

  onEmit(emission: Emission): void {
    this.#emissions.push(emission);
  }

  onProbe(emission: Emission): void {
    this.#probes.add(emission);
  }

  onSettled(emission: Emission): void {
    if (emission.outcome !== "resolved") return;
    const offsets = Object.entries(emission.offsets);
    if (offsets.length === 0)
      this.#violate("publishing tells the truth", `${String(emission.id)} has no offset`);
    for (const [role, offset] of offsets) {
      const room = `session_${emission.session}_${role}`;
      const found = this.published.find(room, offset);
      const isIt = ({ json }: { json: string }) =>
        json.includes(`"question_id":${String(emission.id)},`);
      if (found && isIt(found)) continue;
      if (emission.duplicate && this.#isEpochForgotten(room, offset, isIt)) continue;
      this.#violate(
        "publishing tells the truth",
        `emit ${String(emission.id)} resolved with ${room} ${offset}, where ${found?.json ?? "nothing"} is`,
      );
    }
  }

  /** Where Redis evicts, nobody knows the epoch of what has left its history since: its number is told, with a later one. */
  #isEpochForgotten(
    room: string,
    offset: string,
    isIt: (published: { json: string }) => boolean,
  ): boolean {
    const { deployment } = this.#everybody;
    const n = offset.split("-")[1] ?? "";
    const of = this.published.of(room).filter((one) => one.offset.endsWith(`-${n}`));
    const stream = streamOf(deployment, room)?.stream;
    const isInHistory = stream?.entries.some(({ seq }) => String(seq) === n) === true;
    return deployment.evictedAt > -Infinity && !isInHistory && of.some(isIt);
  }

  onConnected(client: Pick<Client, "name" | "stay">, asked: Asked | undefined, from: string): void {
    if (!asked) return;
    const { deployment } = this.#everybody;
    const isCalm = this.#world.now - deployment.lostAt > LOSS_KNOWN_MS;
    const { room } = client.stay;
    const stream = streamOf(deployment, room)?.stream;
    const isInHistory = stream?.entries.some((entry) => idText(entry) === asked.offset) === true;
    if (from === asked.offset) {
      if (!asked.isHonest && !this.published.find(room, from) && !from.endsWith("-0"))
        this.#violate("a made-up place is none", `${client.name} resumes from ${from}`);
      const isLost = stream?.entries.some(({ ms, seq }) => {
        const n = Number(from.split("-")[1]);
        return seq === n && idText({ ms, seq }) !== from;
      });
      if (isCalm && isLost === true)
        this.#violate("a history cannot lie", `${client.name} resumes from ${from}, which is lost`);
    } else if (isCalm && isInHistory) {
      this.#violate(
        "who comes back within the window resumes",
        `${client.name} asked to go on from ${asked.offset}, which is in history, and began at ${from}`,
      );
    }
  }

  /** After the faults, and the time that all may take to be right again. */
  atEnd(): void {
    for (const { rule, what } of this.whatIsWrong()) this.#violate(rule, what);
  }

  /** What is not as it must be in the end. */
  whatIsWrong(): readonly Wrong[] {
    const { clients, deployment } = this.#everybody;
    return [
      ...clients.flatMap((client) => [...this.#wrongWith(client)]),
      ...[...this.#probes]
        .filter(({ outcome }) => outcome !== "resolved")
        .map(({ id, outcome, error }) => ({
          rule: "progress",
          what: `emit ${String(id)} is ${outcome}: ${error ?? ""}`,
        })),
      ...this.#lacking(deployment),
    ];
  }

  *#wrongWith(client: Client): Iterable<Wrong> {
    const { clients, deployment } = this.#everybody;
    const { stay, name, options } = client;
    if (!client.isConnected) {
      yield { rule: "progress", what: `${name} is not connected` };
      return;
    }
    const stream = streamOf(deployment, stay.room);
    const newest = stream?.stream.entries.at(-1);
    if (newest && !stay.hasHad(idText(newest))) {
      const place = stay.position ?? "?";
      yield {
        rule: "progress",
        what: `${name} stands at ${place} in ${stay.room}, whose newest event is ${idText(newest)}`,
      };
    }
    if (options.role !== "student") return;
    const isOnline = clients.some(
      (other) =>
        other.options.role === "teacher" &&
        other.options.session === options.session &&
        other.isConnected,
    );
    if (stay.belief === isOnline) return;
    const belief = stay.belief === true ? "there" : "away";
    yield { rule: "presence is true", what: `${name} believes that a teacher is ${belief}` };
  }

  *#lacking(deployment: Redis): Iterable<Wrong> {
    for (const emission of this.#emissions) {
      if (emission.outcome !== "resolved") continue;
      for (const [role, offset] of Object.entries(emission.offsets)) {
        const room = `session_${emission.session}_${role}`;
        const stream = streamOf(deployment, room)?.stream;
        // What was published by a Redis that has lost something since may be lost.
        const lostAt = this.#waitsForReplicas ? deployment.wholeLostAt : deployment.lostAt;
        if ((this.published.find(room, offset)?.at ?? 0) <= lostAt) continue;
        const [oldest] = stream?.entries ?? [];
        const n = Number(offset.split("-")[1]);
        const isThere = stream?.entries.some((entry) => idText(entry) === offset) === true;
        // What is older than the limit of events may be gone.
        if (isThere || (oldest && n < oldest.seq)) continue;
        yield {
          rule: "what is resolved is in history",
          what: `emit ${String(emission.id)}, ${room} ${offset}`,
        };
      }
    }
  }

  everybodyLeaves(): void {
    for (const client of this.#everybody.clients) client.leaveForGood();
  }

  /** Nobody is there any more. */
  afterAll(): void {
    for (const what of this.leftBehind()) this.#violate("whoever has ended holds nothing", what);
  }

  /** What is held still though nobody is there. */
  leftBehind(): readonly string[] {
    const { replicas, clients, deployment, connections } = this.#everybody;
    const left: string[] = [];
    for (const { name, classroom } of replicas) {
      const rooms = classroom?.size.rooms ?? 0;
      if (rooms > 0) left.push(`${name} holds ${String(rooms)} rooms`);
    }
    for (const session of new Set(clients.map(({ options }) => options.session))) {
      const key = teachersKey(session as SessionId);
      const teachers = deployment.databaseOf(key).get(key, "set")?.members ?? [];
      for (const teacher of teachers) left.push(`${teacher} teaches ${session}`);
    }
    for (const connection of connections) {
      if (!connection.isHeld) continue;
      for (const channel of [...connection.channels, ...connection.shardChannels]) {
        if (channel.includes("session_"))
          left.push(`${connection.process.name} listens to ${channel}`);
      }
    }
    for (const { process, name } of replicas) {
      const timers = process?.activeTimers ?? 0;
      if (timers > MAX_TIMERS) left.push(`${name} has ${String(timers)} timers`);
    }
    return left;
  }

  #violate(rule: string, what: string): void {
    this.#world.violate(rule, what);
  }
}

function streamOf(deployment: Redis, room: string) {
  const key = historyKey(room as RoomName);
  return deployment.databaseOf(key).get(key, "stream");
}
