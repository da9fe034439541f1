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
  /** Something on the bus is not what this product writes. */
  "bad_bus_message",
] as const;
export type RefusalCode = (typeof REFUSAL_CODES)[number];

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

  /** @param detail - whom it met: address, session, role. Never a token, a key, a payload or a query. */
  note(code: RefusalCode, detail: Readonly<Record<string, string | number | undefined>>): void {
    this.#totals.set(code, (this.#totals.get(code) ?? 0) + 1);
    const untold = this.#sampler.admit(code);
    if (untold === undefined) return;
    this.#log.info({ ...detail, code, ...(untold > 0 && { untold }) }, "refused");
  }
}
