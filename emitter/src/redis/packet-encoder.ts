import { Emitter as SocketEmitter } from "@socket.io/redis-emitter";
import { roomChannel, type ClassroomEvent, type RoomName } from "../protocol/index.js";

/** Found nowhere else in a packet without an event: room names have no spaces. */
const PLACEHOLDER = "where the offset goes";
/** MessagePack's fixstr: 0xa0 and a length of at most 31, then the bytes. */
const FIXSTR = 0xa0;
const MAX_FIXSTR_BYTES = 31;
/** MessagePack's array of three, which Socket.IO's adapter reads: who sends, the packet, whom it is for. */
const THREE_PARTS = 0x93;
/** The same with a date behind them, for our replicas: a stock adapter does not look there, and no client is told. */
const FOUR_PARTS = 0x94;
/** MessagePack's float 64, big endian. */
const FLOAT_64 = 0xcb;
const DATE_BYTES = 9;
/** MessagePack's maps: the packet's three fields, and those with the trace. */
const THREE_FIELDS = 0x83;
const FOUR_FIELDS = 0x84;
const STR_8 = 0xd9;
/** The field that holds the trace: Socket.IO sends no field of a packet that it does not know. */
const TRACE_FIELD = "traceparent";

/** What the official emitter published last. */
const published: { channel: string; message: Buffer } = { channel: "", message: Buffer.of() };
const official = new SocketEmitter({
  publish: (channel: string, message: Buffer) => {
    published.channel = channel;
    published.message = message;
  },
});

/** Has the official emitter encode the packets of one room. */
export class PacketEncoder {
  readonly #target: ReturnType<typeof official.to>;
  readonly #channel: string;
  /** Where the packet's fields begin, in every message. */
  readonly #fieldsAt: number;
  /** Bytes of every packet that follow its offset, the date included. */
  readonly tailBytes: number;

  /**
   * @param isAnnouncement - marks the packets for our replicas by `compress: true`, which is Socket.IO's default and so
   *   says nothing to a stock adapter
   */
  constructor(room: RoomName, isAnnouncement: boolean) {
    const target = official.to(room);
    this.#target = isAnnouncement ? target.compress(true) : target;
    this.#channel = roomChannel(room);
    const message = this.#publish("", {}, PLACEHOLDER);
    this.#fieldsAt = 2 + ((message[1] ?? 0) - FIXSTR);
    if (message[0] !== THREE_PARTS || message[this.#fieldsAt] !== THREE_FIELDS) throw unexpected();
    this.tailBytes =
      message.length - message.indexOf(PLACEHOLDER) - PLACEHOLDER.length + DATE_BYTES;
  }

  /**
   * The packet, with this offset in front of its last {@link PacketEncoder.tailBytes}.
   *
   * @param date - when it was published, in milliseconds since 1970 of Redis's clock; NaN where that is not known
   * @param traceparent - the trace that it belongs to, if any: ASCII
   */
  encode(event: ClassroomEvent, offset: string, date: number, traceparent?: string): Buffer {
    const official = this.#publish(event.event, event, offset);
    const packet = traceparent === undefined ? official : this.#withTrace(official, traceparent);
    const message = Buffer.allocUnsafe(packet.length + DATE_BYTES);
    packet.copy(message);
    message[0] = FOUR_PARTS;
    message[packet.length] = FLOAT_64;
    message.writeDoubleBE(date, packet.length + 1);
    const header = message.length - this.tailBytes - offset.length - 1;
    if (offset.length > MAX_FIXSTR_BYTES || message[header] !== FIXSTR + offset.length) {
      throw unexpected();
    }
    return message;
  }

  #withTrace(packet: Buffer, traceparent: string): Buffer {
    const field = Buffer.from(TRACE_FIELD);
    const head = packet.subarray(0, this.#fieldsAt);
    const rest = packet.subarray(this.#fieldsAt + 1);
    const key = Buffer.of(FOUR_FIELDS, FIXSTR + field.length);
    const value = Buffer.of(STR_8, traceparent.length);
    return Buffer.concat([head, key, field, value, Buffer.from(traceparent), rest]);
  }

  #publish(name: string, payload: object, offset: string): Buffer {
    this.#target.emit(name, payload, offset);
    if (published.channel !== this.#channel) throw unexpected();
    return published.message;
  }
}

function unexpected(): Error {
  return new Error("@socket.io/redis-emitter no longer publishes the way this package relies on");
}
