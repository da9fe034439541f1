import { slotOf } from "@inthon/emitter";
import type { MessageListener } from "../shards/channel-subscriptions.js";
import type { RedisLinks } from "../shards/links.js";
import type { HearingListener } from "../shards/shards.js";

interface Subscription {
  readonly slot: number;
  readonly listener: MessageListener;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  /** Where it is subscribed to, or about to be; nowhere while nobody has its slot. */
  at: RedisLinks | undefined;
  isHeard: boolean;
}

/**
 * The channels of rooms, each subscribed to where its slot is.
 *
 * Invariant: a channel is heard while the master that has its slot has acknowledged it, on a connection that has proved itself
 * since. Whatever ends that is told, and so is the moment from which it is so again: what was published in between is in
 * its history.
 */
export class ShardedChannels {
  readonly #linksOf: (slot: number) => RedisLinks | undefined;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #listeners: HearingListener[] = [];
  #plain: { readonly channel: string; readonly listener: MessageListener } | undefined;
  #plainAt: RedisLinks | undefined;

  constructor(linksOf: (slot: number) => RedisLinks | undefined) {
    this.#linksOf = linksOf;
  }

  /** Resolves when it is acknowledged, which may be when somebody has its slot; rejects where it is let go before. */
  subscribe(channel: string, listener: MessageListener): Promise<void> {
    this.#subscriptions.get(channel)?.reject(new Error("somebody else listens to the channel now"));
    const acknowledged = new Promise<void>((resolve, reject) => {
      const slot = slotOf(channel);
      const at = this.#linksOf(slot);
      const subscription = { slot, listener, resolve, reject, at, isHeard: false };
      this.#subscriptions.set(channel, subscription);
      this.#ask(channel, subscription);
    });
    return acknowledged;
  }

  unsubscribe(channel: string): void {
    const subscription = this.#subscriptions.get(channel);
    if (!subscription) return;
    this.#subscriptions.delete(channel);
    subscription.reject(new Error("the channel is let go"));
    subscription.at?.channels.unsubscribe(channel);
  }

  isHeard(channel: string): boolean {
    return this.#subscriptions.get(channel)?.isHeard ?? false;
  }

  onHearingChange(listener: HearingListener): void {
    this.#listeners.push(listener);
  }

  /**
   * What somebody publishes who knows of no shards comes by way of every node: one of them is listened to. One channel, of
   * which no history is kept: what comes while there is no connection is gone.
   */
  subscribeToAll(channel: string, listener: MessageListener, at: RedisLinks | undefined): void {
    this.#plain = { channel, listener };
    this.listenAt(at);
  }

  unsubscribeFromAll(): void {
    if (this.#plain) this.#plainAt?.plainChannels.unsubscribe(this.#plain.channel);
    this.#plain = undefined;
    this.#plainAt = undefined;
  }

  /** Listens at this node to what comes by way of every node. */
  listenAt(links: RedisLinks | undefined): void {
    if (!this.#plain || links === this.#plainAt) return;
    const { channel, listener } = this.#plain;
    this.#plainAt?.plainChannels.unsubscribe(channel);
    this.#plainAt = links;
    // Nobody waits for it.
    links?.plainChannels.subscribe(channel, listener).catch(() => undefined);
  }

  isListeningAt(links: RedisLinks): boolean {
    return links === this.#plainAt;
  }

  /** These slots have gone elsewhere. */
  move(slots: ReadonlySet<number>): void {
    const interrupted: string[] = [];
    for (const [channel, subscription] of this.#subscriptions) {
      const { slot } = subscription;
      const at = slots.has(slot) ? this.#linksOf(slot) : subscription.at;
      if (at === subscription.at) continue;
      subscription.at?.channels.unsubscribe(channel);
      if (subscription.isHeard) interrupted.push(channel);
      subscription.isHeard = false;
      subscription.at = at;
      this.#ask(channel, subscription);
    }
    this.#tell(false, interrupted);
  }

  /** Told by links of what their Redis has acknowledged. */
  onAcknowledged(links: RedisLinks, channels: Iterable<string>): void {
    const heard: string[] = [];
    for (const channel of channels) {
      const subscription = this.#subscriptions.get(channel);
      if (subscription?.at !== links) continue;
      subscription.resolve();
      // Else it is heard when the connection has proved itself.
      if (subscription.isHeard || !links.subscriber.isUp) continue;
      subscription.isHeard = true;
      heard.push(channel);
    }
    this.#tell(true, heard);
  }

  /** The subscriber of these links works, or does not any more. */
  onChange(links: RedisLinks, isUp: boolean): void {
    const there = [...this.#subscriptions].filter(([, { at }]) => at === links);
    if (isUp) {
      const channels = there.map(([channel]) => channel);
      this.onAcknowledged(
        links,
        channels.filter((channel) => links.channels.isSubscribed(channel)),
      );
    } else {
      this.#interrupt(there);
    }
  }

  /** What was read of history may be of another Redis than the one that is heard. */
  begin(links: RedisLinks): void {
    const heard = [...this.#subscriptions].filter(([, one]) => one.at === links && one.isHeard);
    this.#interrupt(heard);
    this.onChange(links, links.subscriber.isUp);
  }

  /** A node has let go of a channel by itself: its slot is elsewhere. */
  onLost(links: RedisLinks, channel: string): void {
    const subscription = this.#subscriptions.get(channel);
    if (subscription?.at === links) this.#interrupt([[channel, subscription]]);
  }

  close(): void {
    for (const { reject } of this.#subscriptions.values()) {
      reject(new Error("the server is closing"));
    }
    this.#subscriptions.clear();
    this.#plain = undefined;
  }

  #ask(channel: string, { at, listener }: Subscription): void {
    // It is told of the acknowledgement, on this connection and on those after it.
    at?.channels.subscribe(channel, listener).catch(() => undefined);
  }

  #interrupt(subscriptions: readonly (readonly [string, Subscription])[]): void {
    const interrupted: string[] = [];
    for (const [channel, subscription] of subscriptions) {
      if (subscription.isHeard) interrupted.push(channel);
      subscription.isHeard = false;
    }
    this.#tell(false, interrupted);
  }

  #tell(isHeard: boolean, channels: readonly string[]): void {
    if (channels.length === 0) return;
    for (const listener of this.#listeners) listener(isHeard, channels);
  }
}
