import { hostAndPort, type RedisAddress } from "./redis-url.js";

/** What Redis says that is of another kind than who asks takes it for (Redis, `src/cluster.c` and `src/sentinel.c`). */
const KINDS: readonly (readonly [words: RegExp, what: (url: string) => string])[] = [
  [
    /^(?:MOVED|ASK|CROSSSLOT)\b/,
    (url) =>
      `it is a node of a Redis Cluster: begin ${url} with redis+cluster:// or rediss+cluster://`,
  ],
  [
    /cluster support disabled/,
    (url) => `it is no Redis Cluster: begin ${url} with redis:// or rediss://`,
  ],
  [
    /unknown command '?SENTINEL/i,
    (url) =>
      `it is no Sentinel: give the addresses of the Sentinels, or begin ${url} with redis:// or rediss://`,
  ],
  [
    /^ERR No such master/,
    (url) => `no primary is called so by the Sentinels: see the end of ${url}`,
  ],
];

/**
 * What an answer says of the kind of Redis that gave it, where that is another one; `undefined` where it says nothing of it.
 *
 * @param url - what the reader knows the URL by, such as "its URL"
 */
export function otherKindOf(reply: Error, url: string): string | undefined {
  return KINDS.find(([words]) => words.test(reply.message))?.[1](url);
}

/** What is spoken where a connection goes. */
export type Spoken = "tls" | "plain" | "http";

const ASK: Readonly<Record<Spoken, string>> = {
  tls: "is it rediss:// there (with TLS)?",
  plain: "is it redis:// there (without TLS)?",
  http: "that is HTTP, and no Redis",
};

/** A connection came to nothing before Redis said a word, as it does where something else is spoken than the URL says. */
export class SpokenOtherwise extends Error {
  override readonly name = "SpokenOtherwise";
  /** What to ask, or what is so: without an address. */
  readonly question: string;
  /** Whether it is so: else it is away, perhaps. */
  readonly isCertain: boolean;

  constructor(spoken: Spoken, address: RedisAddress, isCertain: boolean, cause: Error) {
    super(`${cause.message} at ${hostAndPort(address)}: ${ASK[spoken]}`, { cause });
    this.question = ASK[spoken];
    this.isCertain = isCertain;
  }
}

/** The first byte of an answer that is none of Redis: an H of HTTP, an alert of TLS. */
const NO_REPLY = /^Unknown RESP type (\d+)/;
const FIRST_BYTES: Readonly<Record<string, Spoken>> = { "72": "http", "21": "tls" };
/** Whoever answers in the clear where TLS was begun. */
const NO_TLS = /^ERR_SSL_(?:WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)$/;
/** It was let go of, or nothing came. */
const NO_WORD =
  /ECONNRESET|EPIPE|closed unexpectedly|disconnected before|has not answered|timeout/i;
/** In the clear Redis's silence has nothing to do with TLS: it hangs. */
const LET_GO = /ECONNRESET|EPIPE|closed unexpectedly/i;

/** The error of a connection on which Redis has not said a word, as a question where another kind of URL may be meant. */
export function asked(error: unknown, address: RedisAddress, isTls: boolean): unknown {
  if (!(error instanceof Error)) return error;
  const { code = "" } = error as NodeJS.ErrnoException;
  const spoken = FIRST_BYTES[NO_REPLY.exec(error.message)?.[1] ?? ""];
  if (spoken) return new SpokenOtherwise(spoken, address, true, error);
  if (isTls && NO_TLS.test(code)) return new SpokenOtherwise("plain", address, true, error);
  const isLeft = (isTls ? NO_WORD : LET_GO).test(`${code} ${error.message}`);
  return isLeft ? new SpokenOtherwise(isTls ? "plain" : "tls", address, false, error) : error;
}

/** The error, or what it was caused by, where something else is spoken there than the URL says. */
export function spokenOtherwise(error: unknown): SpokenOtherwise | undefined {
  if (error instanceof SpokenOtherwise) return error;
  return error instanceof Error ? spokenOtherwise(error.cause) : undefined;
}
