import type { WebSocketServer } from "ws";
import { whom, type Client } from "../../classroom/whom.js";
import type { Drop } from "../guard.js";
import type { RefusalCode, Refusals } from "../../telemetry/refusals.js";
import type { MessageRate } from "./allowance.js";
import { Bodies } from "./bodies.js";
import { WaitingList } from "./waiting-list.js";

/** A message may come in as many fragments. No client that is known sends more than one. */
export const MAX_FRAGMENTS = 16;
/** And in as many pieces of a stream, before it is whole. */
export const MAX_CHUNKS = 1_024;

/** Documented options of `ws` of which the types of `WebSocketServer.options` know only a part. */
interface ReadingSeam {
  readonly options: {
    allowSynchronousEvents: boolean;
    maxFragments: number;
    maxBufferedChunks: number;
    maxPayload: number;
  };
}

export interface IntakeLimits {
  readonly messagesPerS: number;
  readonly messagesBurst: number;
  readonly maxConnectFrameBytes: number;
  readonly maxFrameBytes: number;
  readonly maxBodiesBytes: number;
}

/** What is to be known of limits where the bytes of clients come in: one for all connections. */
export class Intake {
  readonly rate: MessageRate;
  /** Bytes of a frame until the client has said who it is, and afterwards. */
  readonly maxConnectFrameBytes: number;
  readonly maxFrameBytes: number;
  readonly waiting: WaitingList;
  readonly bodies: Bodies;
  readonly drop: Drop;
  readonly #refusals: Refusals;

  constructor(limits: IntakeLimits, refusals: Refusals, drop: Drop) {
    this.drop = drop;
    this.waiting = new WaitingList(drop);
    this.rate = { perS: limits.messagesPerS, burst: limits.messagesBurst };
    this.maxConnectFrameBytes = limits.maxConnectFrameBytes;
    this.maxFrameBytes = limits.maxFrameBytes;
    this.bodies = new Bodies(limits.maxBodiesBytes, drop);
    this.#refusals = refusals;
  }

  /**
   * To be told of each connection that is cut.
   *
   * @param why - what the client is told, or which limit it met, where its code does not say that alone
   */
  refuse(code: RefusalCode, client: Client, why?: string): void {
    this.#refusals.note(code, { ...whom(client), why });
  }

  close(): void {
    this.waiting.close();
  }
}

/**
 * Has a server's WebSockets read one message in a turn of the event loop: one chunk may hold ten thousand, and nobody else
 * is served until a turn is over.
 */
export function limitReading(server: WebSocketServer, maxFrameBytes: number): void {
  Object.assign((server as unknown as ReadingSeam).options, {
    allowSynchronousEvents: false,
    maxFragments: MAX_FRAGMENTS,
    maxBufferedChunks: MAX_CHUNKS,
    maxPayload: maxFrameBytes,
  });
}
