import {
  isReadOnly,
  isReply,
  Link,
  publishCommands,
  RedisClock,
  Replicas,
  type InTime,
  type RedisClient,
  type RedisCommands,
  type RedisRoute,
} from "@inthon/emitter";
import { over, type Logger } from "../../../telemetry/log.js";
import type { NotReady } from "../../not-ready.js";
import type { Counts } from "../../../telemetry/counts.js";
import { REDIS_PURPOSES, type RedisPurpose } from "../../../telemetry/labels.js";
import type { LinkState } from "../../../telemetry/prometheus/redis-metrics.js";
import { ChannelSubscriptions, type ShardSubscriptions } from "./channel-subscriptions.js";
import { Outage, whyOf } from "./outage.js";
import { Proof, type ProofReply } from "./proof.js";
import { notReady } from "./refusals.js";

/** What the links to one shard of a cluster tell, and ask. */
export interface Shard extends ShardSubscriptions {
  /** Whether a channel is in it. */
  has(channel: string): boolean;
  /** Its address. */
  readonly name: string;
  /** What is in it, for the log. */
  describe(): object;
  /** As {@link ReplicasOptions.key}. */
  waitedKey(isRefused: boolean): string;
  /** Redis has let go of a channel, as its slot has gone elsewhere. */
  onLost(channel: string): void;
  /** Told with each proof which Redis has answered. */
  onIncarnation(incarnation: string): void;
  /** It has been emptied. */
  onForgotten(): void;
}

export interface LinksOptions {
  /** Replicas of Redis to wait for. */
  readonly waitReplicas: number;
  /** How long a connection that does not work may go unnoticed, in milliseconds. */
  readonly timeoutMs: number;
  readonly log: Logger;
  readonly counts: Counts;
  /** Where it is one of a cluster. */
  readonly shard?: Shard;
}

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
  /** Of those who publish without knowing of shards: the same, where there are none. */
  readonly plainChannels: ChannelSubscriptions;
  /** Whose acknowledgements are waited for, if anybody's. */
  readonly replicas: Replicas | undefined;
  /** What publishing asks of the commands' link. */
  readonly publishing: RedisCommands;
  /** Redis's, compared with each proof. */
  readonly clock = new RedisClock();
  readonly #route: RedisRoute;
  readonly #log: Logger;
  readonly #counts: Counts;
  /** Which one of a cluster; '' where it is alone. */
  readonly #name: string;
  readonly #outage: Outage;
  readonly #proof: Proof;
  readonly #shard: Shard | undefined;
  /** Resolves when proofs are heard where they are made now. */
  #moved: Promise<void> | undefined;
  /** Why Redis, which answers, does not let this replica publish. */
  #refusal: NotReady | undefined;
  #wasReadOnly = false;
  /** The subscriber's connection whose channels are being counted. */
  #counted: RedisClient | undefined;
  /** How often the two links were found with two Redis. */
  #rejoins = 0;

  constructor(route: RedisRoute, options: LinksOptions) {
    const { waitReplicas, timeoutMs, log, counts, shard } = options;
    this.#route = route;
    this.#shard = shard;
    this.#name = shard?.name ?? "";
    this.#proof = new Proof(shard && ((channel) => shard.has(channel)));
    this.#log = log;
    this.#counts = counts;
    this.#outage = new Outage(log, () => ({ ...shard?.describe(), rooms: this.channels.wanted }));
    const onError = (purpose: RedisPurpose) => (error: Error) => {
      this.#outage.add(purpose, error);
    };
    this.commands = new Link(route, {
      timeoutMs,
      onError: onError("commands"),
      prove: async (inTime) => {
        this.#follow();
        await inTime(this.#publish("proof"));
      },
    });
    this.publishing = publishCommands(this.commands, (cause) => {
      this.#leave(cause);
    });
    this.subscriber = new Link(route, {
      timeoutMs,
      onError: onError("subscriptions"),
      prepare: (inTime) => inTime(this.#subscribe(this.subscriber.client)),
      prove: (inTime) => this.#hearOneself(inTime),
    });
    this.channels = new ChannelSubscriptions(log, shard);
    this.plainChannels = shard ? new ChannelSubscriptions(log) : this.channels;
    this.replicas =
      waitReplicas === 0
        ? undefined
        : new Replicas(route, {
            count: waitReplicas,
            linkTimeoutMs: timeoutMs,
            ...(shard && { key: (isRefused) => shard.waitedKey(isRefused) }),
            onError: onError("replicas"),
            onChange: (lacking) => {
              if (lacking)
                log.error({ why: whyOf(lacking) }, "replicas of Redis do not acknowledge events");
              else log.info(over({}), "replicas of Redis acknowledge events again");
            },
          });
    if (this.replicas) this.#onUp(this.replicas.link, "replicas");
    route.guides?.onChange((trouble) => {
      this.#onGuides(trouble);
    });
    route.guides?.onOne((name, trouble) => {
      this.#onGuide(name, trouble);
    });
    this.#onUp(this.commands, "commands");
    this.#onUp(this.subscriber, "subscriptions");
  }

  open(): void {
    this.#listen().catch(() => undefined);
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

  /** How long this Redis has been away, in milliseconds; `undefined` where it is not. */
  get awayMs(): number | undefined {
    return this.#outage.awayMs;
  }

  /** Whether each link has proved itself, and not fallen silent since, and whether a Sentinel has; of those that there are. */
  states(): readonly LinkState[] {
    const { commands, subscriber: subscriptions } = this;
    const replicas = this.replicas?.link;
    const all = { commands, subscriptions, replicas, sentinels: this.#route.guides };
    return REDIS_PURPOSES.flatMap((purpose) => {
      const link = all[purpose];
      return link ? [{ purpose, redis: this.#name, isUp: link.trouble === undefined }] : [];
    });
  }

  async close(): Promise<void> {
    this.channels.close();
    this.plainChannels.close();
    await Promise.all([
      this.subscriber.close(),
      this.commands.close(),
      this.replicas?.link.close(),
    ]);
  }

  #listen(): Promise<void> {
    return this.channels.subscribe(this.#proof.channel, this.#proof.listener);
  }

  async #subscribe(client: RedisClient): Promise<void> {
    if (!this.#shard) return this.channels.begin(client);
    client.on("sharded-channel-moved", (channel: string) => {
      this.channels.lost(channel);
      this.#shard?.onLost(channel);
    });
    await Promise.all([
      this.channels.begin({
        get isReady() {
          return client.isReady;
        },
        subscribe: (...args) => client.sSubscribe(...args),
        unsubscribe: (...args) => client.sUnsubscribe(...args),
        count: () => countOf(client),
      }),
      this.plainChannels.begin(client),
    ]);
  }

  /** The slot in which proofs are made may have gone elsewhere. */
  #follow(): void {
    if (this.#proof.isHere) return;
    this.channels.unsubscribe(this.#proof.channel);
    this.#proof.move();
    this.#moved = this.#listen();
    this.#moved.catch(() => undefined);
  }

  async #hearOneself(inTime: InTime): Promise<void> {
    this.#follow();
    if (this.#moved) await inTime(this.#moved);
    this.#moved = undefined;
    const { message, heard } = this.#proof.begin();
    try {
      await Promise.all([
        inTime(this.subscriber.client.ping()).catch(ignoreReply),
        // Where nobody could say it, there is nothing to be heard, and the answer must do.
        this.#publish(message).then(
          (isSaid) => (isSaid ? inTime(heard) : undefined),
          () => undefined,
        ),
      ]);
    } finally {
      this.#proof.end(message);
    }
    // Not waited for: commands for many channels may be before it.
    if (this.#shard && this.#counted !== this.subscriber.client) void this.#count();
  }

  /**
   * That Redis has let go of a channel is a message without a question, and while any question waits for its answer, the
   * client takes it for a part of that: nobody is told, and the client keeps the channel. A new connection has all again.
   */
  async #count(): Promise<void> {
    const { client } = this.subscriber;
    this.#counted = client;
    const hasLostSome = await this.channels.hasLostSome();
    if (this.#counted === client) this.#counted = undefined;
    if (!hasLostSome || client !== this.subscriber.client) return;
    this.subscriber.drop(new Error("Redis has let go of channels, which was not heard"));
  }

  /**
   * @returns whether it was published: what Redis refuses, while it answers, is noted
   * @throws where the connection broke, or is left
   */
  async #publish(message: string): Promise<boolean> {
    const { client } = this.commands;
    const { channel } = this.#proof;
    const isHearing = this.channels.isSubscribed(channel);
    const sentAt = performance.now();
    try {
      const reply = await this.#proof.publish(client, message);
      this.#learn(sentAt, reply);
      if (reply.listeners === 0 && isHearing && this.channels.isSubscribed(channel)) {
        this.#rejoin();
      }
    } catch (error) {
      if (isReadOnly(error)) this.#leave(error);
      if (!isReply(error) || isReadOnly(error)) throw error;
      // It works, and only the slot is not here any more, or not just now.
      if (this.#shard?.onRefused(error) !== true) this.#refuse(notReady(error));
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

  #learn(sentAt: number, { time, incarnation, hasForgotten }: ProofReply): void {
    this.clock.compare(sentAt, time);
    this.#counts.redisPingSeconds.observeSince(sentAt);
    if (incarnation !== "") this.#shard?.onIncarnation(incarnation);
    if (hasForgotten) this.#shard?.onForgotten();
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
      this.#log.error({ why: whyOf(refusal.cause), code: refusal.code }, refusal.message);
    } else if (!refusal && this.#refusal) {
      this.#log.info(over({ code: this.#refusal.code }), "Redis lets this replica publish again");
    }
    this.#refusal = refusal;
  }

  /** Without them all goes on, until another Redis is to take the place of this one. */
  #onGuides(trouble: Error | undefined): void {
    const purpose = "sentinels";
    if (trouble) {
      const what =
        "no Sentinel says where the primary is: this replica stays where it is, and hears of no failover";
      this.#log.error({ why: whyOf(trouble), purpose }, what);
      return;
    }
    this.#log.info(over({ purpose }), "a Sentinel says again where the primary is");
    this.#counts.redisReconnects.add({ purpose, redis: this.#name });
  }

  /** The others may still promote a replica, or may be too few to agree. */
  #onGuide(sentinel: string, trouble: Error | undefined): void {
    const fields = { sentinel, purpose: "sentinels" };
    if (trouble) this.#log.warn({ ...fields, why: whyOf(trouble) }, "a Sentinel is away");
    else this.#log.info(over(fields), "a Sentinel is back");
  }

  #onUp(link: Link, purpose: RedisPurpose): void {
    let hasBeenUp = false;
    link.onChange((isUp) => {
      if (isUp && hasBeenUp) this.#counts.redisReconnects.add({ purpose, redis: this.#name });
      hasBeenUp ||= isUp;
      if (!isUp && link === this.commands) this.clock.forget();
      if (isUp) this.#outage.end(purpose);
    });
  }
}

/** By `ssub`, which Redis has since 7.0.3. */
async function countOf(client: RedisClient): Promise<number | undefined> {
  const info = await client.sendCommand(["CLIENT", "INFO"]);
  const [, count] = (typeof info === "string" ? / ssub=(\d+)/.exec(info) : undefined) ?? [];
  return count === undefined ? undefined : Number(count);
}

function ignoreReply(error: unknown): void {
  if (!isReply(error)) throw error;
}
