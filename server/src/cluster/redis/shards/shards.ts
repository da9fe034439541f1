import type { RedisClient, RedisClock, RoomRedises } from "@inthon/emitter";
import type { NotReady } from "../../not-ready.js";
import type { RedisStates } from "../../../telemetry/prometheus/redis-metrics.js";
import type { MessageListener } from "./channel-subscriptions.js";

/** How a command is sent. */
export interface Sending {
  /** Who asks asks for each key alone where they are in two places (`TRYAGAIN`): that is told at once, and not waited out. */
  readonly canSplit?: boolean;
}

/** Told whether channels are heard from now on. */
export type HearingListener = (isHeard: boolean, channels: "all" | readonly string[]) => void;

/**
 * The ways to what Redis keeps: one Redis has all of it, a Redis Cluster a shard of it in each of its masters. Each command
 * and each channel goes to where its key is now.
 *
 * Guarantees: what is published on a channel after {@link Shards.subscribe} resolved, and while it is heard
 * ({@link Shards.isHeard}), reaches its listener.
 */
export interface Shards {
  /** Keys with the same number are together, so that one command can have several of them. */
  slotOf(key: string): number;
  /**
   * Sends a command to where the key is.
   *
   * @param command - called again where the key has moved: sends one command, at once, and has no other effect
   */
  run<T>(key: string, command: (client: RedisClient) => Promise<T>, sending?: Sending): Promise<T>;
  /** Whether a command with this key would be sent just now. */
  isReady(key: string): boolean;
  /** Told when commands can be sent that could not be before. */
  onReady(listener: () => void): void;
  /**
   * Told when what is known of keys may be less than it was: another Redis answers for them, with what it had of them. Not
   * told of a Redis that has all keys: its incarnation is compared with each renewal of a lease.
   */
  onAnew(listener: (has: (key: string) => boolean) => void): void;
  /** One listener for each channel of a room. Resolves when it is acknowledged; rejects where it is let go before. */
  subscribe(channel: string, listener: MessageListener): Promise<void>;
  unsubscribe(channel: string): void;
  /** The same for a channel on which somebody publishes who knows of no shards. */
  subscribeToAll(channel: string, listener: MessageListener): void;
  unsubscribeFromAll(channel: string): void;
  isHeard(channel: string): boolean;
  /** Told when messages may be missed from now on, and when they are heard again: of all channels or some. */
  onHearingChange(listener: HearingListener): void;
  /** That of the Redis that a channel's messages come from, whenever it is asked. */
  clockOf(channel: string): Pick<RedisClock, "toMonotonic">;
  /** Where rooms are published to. */
  readonly redises: RoomRedises;
  /**
   * @returns what is refused for now, though this replica is of use
   * @throws NotReady where this replica cannot publish, or would not hear what is published
   */
  check(): readonly NotReady[];
  /** How its links are, for whoever watches. */
  states(): RedisStates;
  open(): void;
  close(): Promise<void>;
}

/** Sends commands: a part of {@link Shards}. */
export type Runner = Pick<Shards, "run">;
