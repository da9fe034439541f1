import { setImmediate as nextTurn } from "node:timers/promises";
import type { Logger } from "../../../telemetry/log.js";

/** Takes a message of a channel. */
export type MessageListener = (message: Buffer, channel: Buffer) => void;

/** What is used of a client of the `redis` package. */
export interface SubscribingClient {
  readonly isReady: boolean;
  subscribe(channels: string[], listener: MessageListener, bufferMode: true): Promise<void>;
  unsubscribe(channels: string[], listener: MessageListener, bufferMode: true): Promise<void>;
  /** How many channels this connection has by Redis's own count, if it can tell. */
  count?(): Promise<number | undefined>;
}

interface Want {
  readonly listener: MessageListener;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** What is done with the subscriptions of a shard. */
export interface ShardSubscriptions {
  /** Channels of one command have the same. */
  slotOf(channel: string): number;
  /** Told of all that is acknowledged, on each connection. */
  onAcknowledged(channels: readonly string[]): void;
  /** Told of what is refused. Returns whether that is as it should be; it is tried again all the same, while it is wanted. */
  onRefused(error: unknown): boolean;
  /** Whether it is refused as the slot is elsewhere: who leaves a slot has let go of all channels in it. */
  isElsewhere(error: unknown): boolean;
}

/** Of one Redis. */
const ALONE: ShardSubscriptions = {
  slotOf: () => 0,
  onAcknowledged: () => undefined,
  onRefused: () => false,
  isElsewhere: () => false,
};

const CHANNELS_PER_COMMAND = 1_000;
/** Commands under way at once: each is remembered until it is answered. */
const COMMANDS_AT_ONCE = 500;
const REFUSED_AGAIN_MS = 1_000;

/**
 * Subscriptions as they are wanted now.
 *
 * Invariant: one round of commands is under way at a time, and each begins with what is wanted at its beginning. So a
 * channel's SUBSCRIBE and UNSUBSCRIBE never overtake each other, and none of them is repeated after it has ceased to be
 * wanted. What a broken connection left undone is begun anew on the next. A channel that nobody wants leaves nothing.
 */
export class ChannelSubscriptions {
  /** Of the present connection, or the last one. */
  #client: SubscribingClient | undefined;
  readonly #log: Logger;
  readonly #shard: ShardSubscriptions;
  readonly #wanted = new Map<string, Want>();
  /** What Redis has acknowledged on this connection, and of that what it has not yet acknowledged to have let go. */
  readonly #state = new Map<string, "subscribed" | "leaving">();
  /** Channels whose state may not be the one that is wanted. */
  #stale = new Set<string>();
  /** Channels that Redis has refused to change: tried again one by one, so that they keep nobody else. */
  readonly #refused = new Set<string>();
  #retry: NodeJS.Timeout | undefined;
  #isDue = false;
  #isClosed = false;
  /** The rounds so far, on this connection. */
  #rounds: Promise<void> = Promise.resolve();
  /** How many have begun. */
  #begun = 0;

  constructor(log: Logger, shard: ShardSubscriptions = ALONE) {
    this.#log = log;
    this.#shard = shard;
  }

  /** Subscribes on a new connection to all that is wanted. Resolves as {@link ChannelSubscriptions.settle} does. */
  begin(client: SubscribingClient): Promise<void> {
    this.#client = client;
    this.#state.clear();
    this.#stale = new Set([...this.#wanted.keys(), ...this.#refused]);
    // What was asked on the connection before may never be answered: the client can lose count of its questions.
    this.#rounds = Promise.resolve();
    return this.settle();
  }

  /** One listener for each channel. Resolves when Redis has acknowledged it; rejects where it is let go before. */
  subscribe(channel: string, listener: MessageListener): Promise<void> {
    this.#wanted.get(channel)?.reject(new Error("somebody else listens to the channel now"));
    const acknowledged = new Promise<void>((resolve, reject) => {
      this.#wanted.set(channel, { listener, resolve, reject });
    });
    this.#change(channel);
    return acknowledged;
  }

  /** Whether Redis has acknowledged it, on the present connection. */
  isSubscribed(channel: string): boolean {
    return this.#client?.isReady === true && this.#state.get(channel) === "subscribed";
  }

  unsubscribe(channel: string): void {
    this.#wanted.get(channel)?.reject(new Error("the channel is let go"));
    if (this.#wanted.delete(channel)) this.#change(channel);
  }

  /** Redis has let go of a channel by itself. */
  lost(channel: string): void {
    if (this.#state.delete(channel)) this.#change(channel);
  }

  /**
   * Whether Redis has let go of channels without our having heard of it. Asked between two rounds: what it says means
   * nothing where a round has begun meanwhile, which waits for nobody.
   */
  async hasLostSome(): Promise<boolean> {
    await this.#rounds;
    const client = this.#client;
    if (this.#isClosed || !client?.isReady) return false;
    const begun = this.#begun;
    // Where that fails, the connection shows by its proofs whether it works.
    const count = await client.count?.().catch(() => undefined);
    if (count === undefined || client !== this.#client || begun !== this.#begun) return false;
    return count < this.#state.size;
  }

  /** Resolves when everything that is wanted now has been asked of Redis, and answered or broken. */
  settle(): Promise<void> {
    this.#rounds = this.#rounds.then(() => this.#round());
    return this.#rounds;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    for (const { reject } of this.#wanted.values()) reject(new Error("the server is closing"));
    this.#wanted.clear();
    this.#stale.clear();
  }

  /** How many channels are wanted. */
  get wanted(): number {
    return this.#wanted.size;
  }

  /** How much is remembered of channels, wanted or not. */
  get size(): number {
    return this.#wanted.size + this.#state.size + this.#stale.size + this.#refused.size;
  }

  #change(channel: string): void {
    this.#stale.add(channel);
    if (this.#isDue) return;
    this.#isDue = true;
    // All that one turn wants goes together.
    void nextTurn().then(() => {
      this.#isDue = false;
      return this.settle();
    });
  }

  async #round(): Promise<void> {
    // Without a connection it waits: the next one begins with a round.
    const client = this.#client;
    if (this.#isClosed || !client?.isReady) return;
    this.#begun++;
    const stale = this.#stale;
    this.#stale = new Set();
    const [coming, going]: [string[], string[]] = [[], []];
    const there: string[] = [];
    for (const channel of stale) {
      const want = this.#wanted.get(channel);
      const state = this.#state.get(channel);
      if (want && state !== "subscribed") coming.push(channel);
      else if (!want && state) going.push(channel);
      else this.#refused.delete(channel);
      if (want && state === "subscribed") there.push(channel);
    }
    this.#acknowledge(there);
    const commands = [
      ...this.#inPieces(coming).map((piece) => () => this.#subscribe(client, piece)),
      ...this.#inPieces(going).map((piece) => () => this.#unsubscribe(client, piece)),
    ];
    const length = Math.min(commands.length, COMMANDS_AT_ONCE);
    const left = commands.values();
    const work = async () => {
      for (const send of left) {
        // The next connection has begun with all that is wanted.
        if (client !== this.#client) return;
        await send();
      }
    };
    await Promise.all(Array.from({ length }, work));
  }

  /** What one command each can take. */
  #inPieces(channels: readonly string[]): readonly string[][] {
    const pieces: string[][] = [];
    const open = new Map<number, string[]>();
    for (const channel of channels) {
      const isAlone = this.#refused.has(channel);
      const slot = this.#shard.slotOf(channel);
      const piece = isAlone ? undefined : open.get(slot);
      if (piece) piece.push(channel);
      if (piece?.length === CHANNELS_PER_COMMAND) open.delete(slot);
      if (piece) continue;
      const begun = [channel];
      pieces.push(begun);
      if (!isAlone) open.set(slot, begun);
    }
    return pieces;
  }

  async #subscribe(client: SubscribingClient, channels: string[]): Promise<void> {
    try {
      await client.subscribe(channels, this.#dispatch, true);
    } catch (error) {
      this.#onFailure(client, channels, error);
      return;
    }
    for (const channel of channels) this.#refused.delete(channel);
    if (client !== this.#client) return;
    for (const channel of channels) this.#state.set(channel, "subscribed");
    this.#acknowledge(channels);
  }

  async #unsubscribe(client: SubscribingClient, channels: string[]): Promise<void> {
    for (const channel of channels) this.#state.set(channel, "leaving");
    try {
      await client.unsubscribe(channels, this.#dispatch, true);
    } catch (error) {
      if (!this.#shard.isElsewhere(error)) {
        this.#onFailure(client, channels, error);
        return;
      }
    }
    for (const channel of channels) this.#refused.delete(channel);
    if (client !== this.#client) return;
    for (const channel of channels) this.#state.delete(channel);
  }

  #acknowledge(channels: readonly string[]): void {
    // One that has been let go meanwhile is stale again.
    for (const channel of channels) this.#wanted.get(channel)?.resolve();
    if (channels.length > 0) this.#shard.onAcknowledged(channels);
  }

  #onFailure(client: SubscribingClient, channels: readonly string[], error: unknown): void {
    // The next connection begins with all that is wanted.
    if (this.#isClosed || client !== this.#client || !client.isReady) return;
    for (const channel of channels) this.#refused.add(channel);
    const { length } = channels;
    if (!this.#shard.onRefused(error)) {
      this.#log.warn({ err: error, channels: length }, "Redis refused subscriptions, trying again");
    }
    // At once where it may have been for one of them only.
    const pauseMs = length > 1 ? 0 : REFUSED_AGAIN_MS;
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      for (const channel of this.#refused) this.#stale.add(channel);
      void this.settle();
    }, pauseMs);
  }

  readonly #dispatch: MessageListener = (message, channel) => {
    this.#wanted.get(channel.toString())?.listener(message, channel);
  };
}
