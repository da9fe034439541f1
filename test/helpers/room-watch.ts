import msgpack from "notepack.io";
import { createClient } from "redis";
import { historyKey, parseOffset, type RoomName } from "@inthon/emitter/protocol";

type Client = Awaited<ReturnType<typeof openClient>>;

/** One event as a stock adapter reads it from its channel. */
export interface Delivery {
  readonly offset: string;
  readonly json: string;
}

const PREFIX = "socket.io#/#";
const END = `${PREFIX}end of the run`;

/** Watches the channels of all rooms as a stock adapter does, and reads their histories. */
export class RoomWatch {
  readonly #commands: Client;
  readonly #subscriber: Client;
  #delivered = new Map<string, Delivery[]>();
  #onEnd: (() => void) | undefined;

  private constructor(commands: Client, subscriber: Client) {
    this.#commands = commands;
    this.#subscriber = subscriber;
  }

  static async start(url: string): Promise<RoomWatch> {
    const subscriber = await openClient(url);
    const watch = new RoomWatch(await openClient(url), subscriber);
    await subscriber.pSubscribe(
      `${PREFIX}*`,
      (message, channel) => {
        watch.#receive(String(channel), message);
      },
      true,
    );
    return watch;
  }

  /** What has been delivered to each room since the last call, in order. */
  async delivered(): Promise<ReadonlyMap<string, readonly Delivery[]>> {
    const ended = new Promise<void>((resolve) => {
      this.#onEnd = resolve;
    });
    await this.#commands.publish(END, "");
    await ended;
    const delivered = this.#delivered;
    this.#delivered = new Map();
    return delivered;
  }

  async history(room: RoomName): Promise<Delivery[]> {
    const entries = await this.#commands.xRange(historyKey(room), "-", "+");
    return (entries ?? []).map(({ id, message }) => ({ offset: id, json: message["event"] ?? "" }));
  }

  stop(): void {
    this.#subscriber.destroy();
    this.#commands.destroy();
  }

  #receive(channel: string, message: Buffer): void {
    if (channel === END) {
      this.#onEnd?.();
      return;
    }
    const [uid, packet, options] = msgpack.decode(message) as [
      string,
      { type: number; data: [string, { event: string }, string, ...unknown[]]; nsp: string },
      { rooms: string[]; except: string[] },
    ];
    const room = channel.slice(PREFIX.length, -1);
    const [name, event, offset] = packet.data;
    const isOfficial =
      uid === "emitter" &&
      packet.type === 2 &&
      packet.nsp === "/" &&
      packet.data.length === 3 &&
      name === event.event &&
      parseOffset(offset) !== undefined &&
      options.rooms.join() === room &&
      options.except.length === 0;
    const delivery = { offset, json: isOfficial ? JSON.stringify(event) : "not official" };
    this.#delivered.set(room, [...(this.#delivered.get(room) ?? []), delivery]);
  }
}

function openClient(url: string) {
  return createClient({ url }).connect();
}
