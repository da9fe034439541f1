import { boundedText } from "./bounded-text.js";
import type { Protocol } from "./labels.js";
import type { Logger } from "./log.js";
import { Sampler } from "./sampler.js";

/**
 * Why somebody was refused or cut: a limit that was reached, or a rule that was broken. Few and fixed, because each is
 * counted.
 */
export const REFUSAL_CODES = [
  /** It left more unread than may wait for it. */
  "slow_reader",
  /** It sent more messages than it may. */
  "too_many_messages",
  /** A frame or a body that is too long. */
  "too_large",
  /** This replica reads as much as it may, for others too. */
  "overloaded",
  /** It asked for namespaces that there are not. */
  "unknown_namespace",
  /** It did not say in time who it is. */
  "connect_timeout",
  /** Its request did not come in time. */
  "request_timeout",
  /** This replica, its address, or its room has as many connections as it may. */
  "too_many_connections",
  /** Its address opens connections too quickly. */
  "too_many_new_connections",
  /** It has no token, or not the right one. */
  "unauthorized",
  /** Its token does not let it do this. */
  "forbidden",
  /** Its token has run out. */
  "token_expired",
  /** Its token could not be checked: the keys of `JWKS_URL` cannot be had. */
  "token_unchecked",
  /** Its page is not one that may connect. */
  "origin_not_allowed",
  /** There is nothing where it asked: no session or role has that address. */
  "not_found",
  /** It asked for a WebSocket's address without asking for a WebSocket. */
  "upgrade_required",
  /** What it named as its session is none. */
  "invalid_session_id",
  /** What it named as its role is none. */
  "invalid_role",
  /** What it sent is no request, of HTTP or of Engine.IO. */
  "invalid_request",
  /** Something on the bus is not what this product writes. */
  "bad_bus_message",
] as const;
export type RefusalCode = (typeof REFUSAL_CODES)[number];

/** What is told where the client was told nothing, or no more than the code: which of the limits it was. */
const WHY: Readonly<Partial<Record<RefusalCode, string>>> = {
  slow_reader: "it left more unread than MAX_UNREAD_BYTES",
  too_many_messages: "it sent more messages than MESSAGES_PER_S and MESSAGES_BURST allow",
  unknown_namespace: "there is no such namespace: / is the only one",
  connect_timeout: "it did not say who it is within CONNECT_TIMEOUT_MS",
  too_many_connections: "there is no place for one more: see limit",
};

/** What was full for one connection more. */
export type FullPlace = "replica" | "address" | "room" | "sockets";

/** Whom a refusal met, and why. Never a token, a key, a payload or a query. */
export interface RefusalDetail {
  /** What the client was told, in the same words, or which limit it met; of the bus, what is wrong with it. */
  readonly why?: string | undefined;
  readonly address?: string | undefined;
  /** By what it came, or wanted to. */
  readonly protocol?: Protocol | "http" | undefined;
  /** As in the lines `connected` and `disconnected`. */
  readonly connection?: string | undefined;
  /** What it asked for. */
  readonly session?: string | undefined;
  readonly role?: string | undefined;
  /** Who its token was issued to, and what for. */
  readonly user?: string | undefined;
  readonly token_session?: string | undefined;
  readonly token_role?: string | undefined;
  readonly origin?: string | undefined;
  readonly path?: string | undefined;
  readonly limit?: FullPlace | undefined;
  /** Where on the bus. */
  readonly channel?: string | undefined;
  readonly room?: string | undefined;
  readonly key?: string | undefined;
}

/** Counts refusals by code, and logs them: each one, or some of them under a flood. */
export class Refusals {
  readonly #log: Logger;
  readonly #sampler = new Sampler({ linesPerWindow: 5, windowMs: 1_000 });
  readonly #totals = new Map<RefusalCode, number>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** How often each has happened since the process began. */
  get totals(): ReadonlyMap<RefusalCode, number> {
    return this.#totals;
  }

  /** @param detail - or what works it out: under a flood most are not told */
  note(code: RefusalCode, detail: RefusalDetail | (() => RefusalDetail)): void {
    this.#totals.set(code, (this.#totals.get(code) ?? 0) + 1);
    const untold = this.#sampler.admit(code);
    if (untold === undefined) return;
    const known = typeof detail === "function" ? detail() : detail;
    const { why = WHY[code] } = known;
    this.#log.info(
      { ...bounded({ ...known, why }), code, ...(untold > 0 && { untold }) },
      "refused",
    );
  }
}

function bounded(detail: RefusalDetail): RefusalDetail {
  const texts = Object.entries(detail) as [string, string | undefined][];
  return Object.fromEntries(texts.map(([name, text]) => [name, text && boundedText(text)]));
}
