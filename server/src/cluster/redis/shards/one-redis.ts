import {
  oneRedis,
  type RedisClient,
  type RedisClock,
  type RedisRoute,
  type RoomRedises,
} from "@inthon/emitter";
import type { NotReady } from "../../not-ready.js";
import type { RedisStates } from "../../../telemetry/prometheus/redis-metrics.js";
import type { MessageListener } from "./channel-subscriptions.js";
import type { RedisLinks } from "./links.js";
import type { HearingListener, Shards } from "./shards.js";

/** {@link Shards}, all in one Redis. */
export class OneRedis implements Shards {
  readonly redises: RoomRedises;
  readonly #route: RedisRoute;
  readonly #links: RedisLinks;

  /** @param route - to that Redis, where the links go; closed with them */
  constructor(route: RedisRoute, links: RedisLinks) {
    this.#route = route;
    this.#links = links;
    const { publishing: commands, clock, replicas } = links;
    this.redises = oneRedis({ commands, clock, replicas });
  }

  slotOf(): number {
    return 0;
  }

  run<T>(_key: string, command: (client: RedisClient) => Promise<T>): Promise<T> {
    return command(this.#links.commands.client);
  }

  isReady(): boolean {
    return this.#links.commands.client.isReady;
  }

  onReady(listener: () => void): void {
    this.#links.commands.onChange((isUp) => {
      if (isUp) listener();
    });
  }

  onAnew(): void {
    // Whoever renews a lease finds out.
  }

  subscribe(channel: string, listener: MessageListener): Promise<void> {
    return this.#links.channels.subscribe(channel, listener);
  }

  unsubscribe(channel: string): void {
    this.#links.channels.unsubscribe(channel);
  }

  subscribeToAll(channel: string, listener: MessageListener): void {
    // Nobody waits for it; it is let go when the server closes.
    this.subscribe(channel, listener).catch(() => undefined);
  }

  unsubscribeFromAll(channel: string): void {
    this.unsubscribe(channel);
  }

  isHeard(channel: string): boolean {
    const { subscriber, channels } = this.#links;
    // Redis may have refused this one, for a while, on a connection that works.
    return subscriber.isUp && channels.isSubscribed(channel);
  }

  onHearingChange(listener: HearingListener): void {
    const { subscriber, commands } = this.#links;
    // Up comes after all channels have been subscribed again.
    subscriber.onChange((isUp) => {
      listener(isUp, "all");
    });
    // History may have been read from another Redis than the one that is heard: a primary that has been left by now.
    commands.onChange((isUp) => {
      if (!isUp || !subscriber.isUp) return;
      listener(false, "all");
      listener(true, "all");
    });
  }

  clockOf(): RedisClock {
    return this.#links.clock;
  }

  check(): readonly NotReady[] {
    this.#links.check();
    return [];
  }

  states(): RedisStates {
    const each = this.#route.guides?.each() ?? [];
    const sentinels = each.map(({ name, trouble }) => ({
      sentinel: name,
      isUp: trouble === undefined,
    }));
    return { links: this.#links.states(), sentinels, slots: undefined };
  }

  open(): void {
    this.#links.open();
  }

  async close(): Promise<void> {
    await this.#links.close();
    await this.#route.close();
  }
}
