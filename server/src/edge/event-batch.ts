import type { SentEvent } from "../classroom/fan-out.js";
import { textFrames } from "./ready-frames.js";

/** Events on their way to connections, encoded once for each form that a connection may speak, when first asked for. */
export class EventBatch {
  readonly #events: readonly SentEvent[];
  readonly #json: readonly string[];
  #packets: readonly string[] | undefined;
  #socketIoFrames: Buffer | undefined;
  #plainFrames: Buffer | undefined;
  #plainFramesWithOffsets: Buffer | undefined;

  constructor(events: readonly SentEvent[]) {
    this.#events = events;
    this.#json = events.map(({ event }) => JSON.stringify(event));
  }

  /** What listeners to outgoing events are told: each event as the arguments of Socket.IO's `emit`. */
  get emitted(): readonly { readonly data: readonly unknown[] }[] {
    return this.#events.map(({ event, offset }) => ({ data: [event.event, event, offset] }));
  }

  /** As Socket.IO's encoder writes them. */
  get packets(): readonly string[] {
    return (this.#packets ??= this.#events.map(
      ({ event, offset }, i) => `2["${event.event}",${this.#json[i] ?? ""},"${offset}"]`,
    ));
  }

  /** Engine.IO messages, each in a WebSocket frame. */
  get socketIoFrames(): Buffer {
    return (this.#socketIoFrames ??= textFrames(this.packets.map((packet) => `4${packet}`)));
  }

  get plainFrames(): Buffer {
    return (this.#plainFrames ??= textFrames(this.#json));
  }

  get plainFramesWithOffsets(): Buffer {
    return (this.#plainFramesWithOffsets ??= textFrames(
      // Every event has a field before it: its name.
      this.#json.map(
        (json, i) => `${json.slice(0, -1)},"offset":"${this.#events[i]?.offset ?? ""}"}`,
      ),
    ));
  }
}
