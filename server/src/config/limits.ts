import { wholeNumber, type Reader } from "./readers.js";

/** What anyone can cost. Each is checked when that which it limits grows. */
export interface Limits {
  /** Bytes that may wait for one connection, on every transport. */
  readonly maxUnreadBytes: number;
  /** Bytes of a room's history. */
  readonly historyMaxBytes: number;
  /** Bytes of events in one answer to who reads a history over HTTP. */
  readonly historyPageBytes: number;
  /** Messages of one connection in a second, over a longer time. */
  readonly messagesPerS: number;
  /** Messages of one connection at once. */
  readonly messagesBurst: number;
  /** Bytes of a client's frame until it has been admitted: it may hold a token. */
  readonly maxConnectFrameBytes: number;
  /** Bytes of a client's frame after that. */
  readonly maxFrameBytes: number;
  /** How long a connection may take to say who it is. */
  readonly connectTimeoutMs: number;
  /** How long the headers of a request may take to come. */
  readonly headersTimeoutMs: number;
  /** How long a whole request may take to come. */
  readonly requestTimeoutMs: number;
  /** Requests of one connection in a second, over a longer time. */
  readonly requestsPerS: number;
  /** Requests of one connection at once. */
  readonly requestsBurst: number;
  /** Bytes of all bodies that this replica has begun to read, and has not answered. */
  readonly maxBodiesBytes: number;
  /** Bytes of all answers over HTTP that wait for their clients. */
  readonly maxAnswersBytes: number;
  /** Connections of this replica. */
  readonly maxConnections: number;
  /** Connections of one address to this replica, where it is known whose address it is; 0 for any number. */
  readonly maxConnectionsPerAddress: number;
  /** Connections of one role in one session to this replica; 0 for any number. */
  readonly maxConnectionsPerRoom: number;
  /** New connections of one address in a second, over a longer time, where it is known whose address it is. */
  readonly newConnectionsPerS: number;
  /** New connections of one address at once. */
  readonly newConnectionsBurst: number;
  /** Of changes of a session's presence that follow one that was told, the last is told after this time. */
  readonly presenceWindowMs: number;
}

/** The variables, with the default, the least and the most of each. */
export const LIMIT_READERS = {
  MAX_UNREAD_BYTES: wholeNumber(1_048_576, 65_536, 1_073_741_824),
  HISTORY_MAX_BYTES: wholeNumber(4_194_304, 65_536, 1_073_741_824),
  HISTORY_PAGE_BYTES: wholeNumber(1_048_576, 65_536, 67_108_864),
  MESSAGES_PER_S: wholeNumber(20, 1, 10_000),
  MESSAGES_BURST: wholeNumber(50, 1, 100_000),
  MAX_CONNECT_FRAME_BYTES: wholeNumber(65_536, 1_024, 1_048_576),
  MAX_FRAME_BYTES: wholeNumber(4_096, 128, 1_048_576),
  CONNECT_TIMEOUT_MS: wholeNumber(10_000, 100, 300_000),
  HEADERS_TIMEOUT_MS: wholeNumber(10_000, 100, 300_000),
  REQUEST_TIMEOUT_MS: wholeNumber(30_000, 100, 300_000),
  REQUESTS_PER_S: wholeNumber(500, 1, 1_000_000),
  REQUESTS_BURST: wholeNumber(1_000, 1, 1_000_000),
  MAX_BODIES_BYTES: wholeNumber(33_554_432, 2_097_152, 1_073_741_824),
  MAX_ANSWERS_BYTES: wholeNumber(33_554_432, 2_097_152, 1_073_741_824),
  MAX_CONNECTIONS: wholeNumber(20_000, 1, 10_000_000),
  MAX_CONNECTIONS_PER_ADDRESS: wholeNumber(1_000, 0, 10_000_000),
  MAX_CONNECTIONS_PER_ROOM: wholeNumber(0, 0, 10_000_000),
  NEW_CONNECTIONS_PER_S: wholeNumber(100, 1, 1_000_000),
  NEW_CONNECTIONS_BURST: wholeNumber(1_000, 1, 1_000_000),
  PRESENCE_WINDOW_MS: wholeNumber(2_000, 0, 60_000),
} satisfies Record<string, Reader<number>>;

/** @param read - the value of a variable */
export function toLimits(read: (variable: keyof typeof LIMIT_READERS) => number): Limits {
  return {
    maxUnreadBytes: read("MAX_UNREAD_BYTES"),
    historyMaxBytes: read("HISTORY_MAX_BYTES"),
    historyPageBytes: read("HISTORY_PAGE_BYTES"),
    messagesPerS: read("MESSAGES_PER_S"),
    messagesBurst: read("MESSAGES_BURST"),
    maxConnectFrameBytes: read("MAX_CONNECT_FRAME_BYTES"),
    maxFrameBytes: read("MAX_FRAME_BYTES"),
    connectTimeoutMs: read("CONNECT_TIMEOUT_MS"),
    headersTimeoutMs: read("HEADERS_TIMEOUT_MS"),
    requestTimeoutMs: read("REQUEST_TIMEOUT_MS"),
    requestsPerS: read("REQUESTS_PER_S"),
    requestsBurst: read("REQUESTS_BURST"),
    maxBodiesBytes: read("MAX_BODIES_BYTES"),
    maxAnswersBytes: read("MAX_ANSWERS_BYTES"),
    maxConnections: read("MAX_CONNECTIONS"),
    maxConnectionsPerAddress: read("MAX_CONNECTIONS_PER_ADDRESS"),
    maxConnectionsPerRoom: read("MAX_CONNECTIONS_PER_ROOM"),
    newConnectionsPerS: read("NEW_CONNECTIONS_PER_S"),
    newConnectionsBurst: read("NEW_CONNECTIONS_BURST"),
    presenceWindowMs: read("PRESENCE_WINDOW_MS"),
  };
}
