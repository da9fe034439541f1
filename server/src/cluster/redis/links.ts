import { randomBytes } from "node:crypto";
import {
  isReadOnly,
  isReply,
  Link,
  MAY_PUBLISH_LUA,
  publishCommands,
  RedisClock,
  Replicas,
  type InTime,
  type RedisRoute,
  type RedisCommands,
} from "@inthon/emitter";
import {
  announcedKey,
  epochsKey,
  historyKey,
  idempotencyKeysKey,
  longEventsKey,
  newKeysKey,
  olderKeysKey,
  roomChannel,
  teachersKey,
  type RoomName,
  type SessionId,
} from "@inthon/emitter/protocol";
import type { Logger } from "../../telemetry/log.js";
import type { NotReady } from "../not-ready.js";
import type { Counts } from "../../telemetry/counts.js";
import type { RedisPurpose } from "../../telemetry/labels.js";
import { ChannelSubscriptions } from "./channel-subscriptions.js";
import { notReady } from "./refusals.js";
import { loadScript, runScript } from "./scripts/script.js";

const PROOF = loadScript("proof.lua", MAY_PUBLISH_LUA);
/** Longer than any link may take to prove itself. */
const PROOF_TTL_MS = 300_000;
/** More than any number of a proof. */
const MAX_PROOF_BYTES = 16;
/** Causes that are logged of one outage. */
const MAX_TOLD = 5;

/**
 * The links of a replica to its Redis.
 *
 * Commands prove themselves by doing what publishing does, in small; the subscriber by an answer of its own, and by
 * hearing what the commands' link has published to it. So each direction of each link is tried, and that both lead to
 * one Redis. A third one is there where replicas of Redis are waited for.
 */
export class RedisLinks {
  readonly commands: Link;
  readonly subscriber: Link;
  readonly channels: ChannelSubscriptions;
  /** Whose acknowledgements are waited for, if anybody's. */
  readonly replicas: Replicas | undefined;
  /** What publishing asks of the commands' link. */
  readonly publishing: RedisCommands;
  /** Redis's, compared with each proof. */
  readonly clock = new RedisClock();
  readonly #route: RedisRoute;
  readonly #log: Logger;
  readonly #counts: Counts;
  // No session can have such a name, so no room is called like it; a stock adapter ignores rooms that it does not hold.
  readonly #room = `inthon:proof:${randomBytes(8).toString("hex")}` as RoomName;
  #proofs = 0;
  /** Who waits to hear which proof. */
  readonly #expected = new Map<string, () => void>();
  /** Why Redis, which answers, does not let this replica publish. */
  #refusal: NotReady | undefined;
  #wasReadOnly = false;
  /** How often the two links were found with two Redis. */
  #rejoins = 0;

  /**
   * @param waitReplicas - replicas of Redis to wait for
   * @param timeoutMs - how long a connection that does not work may go unnoticed */
  constructor(
    route: RedisRoute,
    waitReplicas: number,
    timeoutMs: number,
    log: Logger,
    counts: Counts,
  ) {
    this.#route = route;
    this.#log = log;
    this.#counts = counts;
    const toldOfCommands = new Set<string>();
    const toldOfSubscriptions = new Set<string>();
    const toldOfReplicas = new Set<string>();
    this.commands = new Link(route, {
      timeoutMs,
      onError: this.#onError("commands", toldOfCommands),
      prove: async (inTime) => {
        await inTime(this.#publish("proof"));
      },
    });
    this.publishing = publishCommands(this.commands, (cause) => {
      this.#leave(cause);
    });
    this.subscriber = new Link(route, {
      timeoutMs,
      onError: this.#onError("subscriptions", toldOfSubscriptions),
      prepare: (inTime) => inTime(this.channels.begin(this.subscriber.client)),
      prove: (inTime) => this.#hearOneself(inTime),
    });
    this.channels = new ChannelSubscriptions(log);
    this.replicas =
      waitReplicas === 0
        ? undefined
        : new Replicas(route, {
            count: waitReplicas,
            linkTimeoutMs: timeoutMs,
            onError: this.#onError("replicas", toldOfReplicas),
            onChange: (lacking) => {
              if (lacking)
                log.error({ err: lacking }, "replicas of Redis do not acknowledge events");
              else log.info("replicas of Redis acknowledge events again");
            },
          });
    if (this.replicas) this.#onUp(this.replicas.link, "replicas", toldOfReplicas);
    route.guides?.onChange((trouble) => {
      this.#onGuides(trouble);
    });
    this.#onUp(this.commands, "commands", toldOfCommands);
    this.#onUp(this.subscriber, "subscriptions", toldOfSubscriptions);
  }

  open(): void {
    this.channels
      .subscribe(roomChannel(this.#room), (message) => {
        if (message.length <= MAX_PROOF_BYTES) this.#expected.get(message.toString())?.();
      })
      .catch(() => undefined);
    this.commands.open();
    this.subscriber.open();
    this.replicas?.link.open();
  }

  /** @throws NotReady where this replica cannot publish, or would not hear what is published */
  check(): void {
    const trouble = this.commands.trouble ?? this.subscriber.trouble ?? this.replicas?.link.trouble;
    if (trouble) throw notReady(trouble);
    if (this.#refusal) throw this.#refusal;
  }

  /** Whether a link has proved itself, and not fallen silent since, or a Sentinel; `undefined` where there is none. */
  isUp(purpose: RedisPurpose): boolean | undefined {
    const { commands, subscriber: subscriptions } = this;
    const replicas = this.replicas?.link;
    const link = { commands, subscriptions, replicas, sentinels: this.#route.guides }[purpose];
    return link && link.trouble === undefined;
  }

  async close(): Promise<void> {
    this.channels.close();
    await Promise.all([
      this.subscriber.close(),
      this.commands.close(),
      this.replicas?.link.close(),
    ]);
  }

  async #hearOneself(inTime: InTime): Promise<void> {
    const proof = String(++this.#proofs);
    const heard = new Promise<void>((resolve) => {
      this.#expected.set(proof, resolve);
    });
    try {
      await Promise.all([
        inTime(this.subscriber.client.ping()).catch(ignoreReply),
        // Where nobody could say it, there is nothing to be heard, and the answer must do.
        this.#publish(proof).then(
          (isSaid) => (isSaid ? inTime(heard) : undefined),
          () => undefined,
        ),
      ]);
    } finally {
      this.#expected.delete(proof);
    }
  }

  /**
   * @returns whether it was published: what Redis refuses, while it answers, is noted
   * @throws where the connection broke, or is left
   */
  async #publish(message: string): Promise<boolean> {
    const { client } = this.commands;
    const room = this.#room;
    const keys = [
      `inthon:proof:{${roomChannel(room)}}`,
      historyKey(room),
      newKeysKey(room),
      olderKeysKey(room),
      epochsKey(room),
      idempotencyKeysKey(room),
      announcedKey(room),
      longEventsKey(room),
    ];
    const isHearing = this.channels.isSubscribed(roomChannel(room));
    const sentAt = performance.now();
    try {
      const reply = await runScript(client, PROOF, keys, [
        String(PROOF_TTL_MS),
        roomChannel(room),
        message,
        teachersKey("inthon-proof" as SessionId),
      ]);
      const [listeners, seconds, micros] = Array.isArray(reply) ? (reply as unknown[]) : [];
      this.clock.compare(sentAt, [seconds, micros]);
      this.#counts.redisPingSeconds.observeSince(sentAt);
      if (listeners === 0 && isHearing && this.channels.isSubscribed(roomChannel(room))) {
        this.#rejoin();
      }
    } catch (error) {
      if (isReadOnly(error)) this.#leave(error);
      if (!isReply(error) || isReadOnly(error)) throw error;
      this.#refuse(notReady(error));
      return false;
    }
    this.#refuse(undefined);
    if (this.#wasReadOnly) {
      this.#wasReadOnly = false;
      // It may still be with the old primary, and hear of the new one late, or with holes.
      this.subscriber.drop(new Error("another Redis is the primary now"));
    }
    return true;
  }

  /**
   * What is published here is not heard here: the subscriber is with another Redis. Where that follows this one, it hears
   * by way of it, but not what was published before it did. Either of the two may be where it should not be any more.
   */
  #rejoin(): void {
    const cause = new Error("the subscriptions are with another Redis than the commands");
    // By turns: both at once would be led where the other one was, by a balancer that takes turns too.
    if (this.#rejoins++ % 2 === 0) this.subscriber.drop(cause);
    else this.commands.drop(cause);
  }

  /** This Redis is a replica now, whoever was told: the subscriber leaves it as well, once another one is found. */
  #leave(cause: Error): void {
    this.#wasReadOnly = true;
    this.commands.drop(cause);
  }

  #refuse(refusal: NotReady | undefined): void {
    if (refusal && refusal.message !== this.#refusal?.message) {
      this.#log.error({ err: refusal.cause, code: refusal.code }, refusal.message);
    } else if (!refusal && this.#refusal) {
      this.#log.info({ code: this.#refusal.code }, "Redis lets this replica publish again");
    }
    this.#refusal = refusal;
  }

  /** That Redis is away, once for each cause: who was cut off may then be denied, and that is what can be mended. */
  #onError(purpose: string, told: Set<string>): (error: Error) => void {
    return (error) => {
      const { code, message } = notReady(error);
      const kind = code === "unavailable" ? code : error.message;
      if (told.has(kind) || told.size >= MAX_TOLD) return;
      told.add(kind);
      const what = code === "unavailable" ? "Redis is away, reconnecting" : message;
      this.#log.error({ err: error, code, purpose }, what);
    };
  }

  /** Without them all goes on, until another Redis is to take the place of this one. */
  #onGuides(trouble: Error | undefined): void {
    const purpose = "sentinels";
    if (trouble) {
      const what =
        "no Sentinel says where the primary is: this replica stays where it is, and hears of no failover";
      this.#log.error({ err: trouble, purpose }, what);
      return;
    }
    this.#log.info({ purpose }, "a Sentinel says again where the primary is");
    this.#counts.redisReconnects.add({ purpose });
  }

  #onUp(link: Link, purpose: RedisPurpose, told: Set<string>): void {
    let hasBeenUp = false;
    link.onChange((isUp) => {
      if (isUp && hasBeenUp) this.#counts.redisReconnects.add({ purpose });
      hasBeenUp ||= isUp;
      if (!isUp && link === this.commands) this.clock.forget();
      if (!isUp || told.size === 0) return;
      told.clear();
      this.#log.info({ purpose }, "Redis is back");
    });
  }
}

function ignoreReply(error: unknown): void {
  if (!isReply(error)) throw error;
}
