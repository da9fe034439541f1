import type { Logger } from "./log.js";

/**
 * Why somebody was refused or cut: a limit that was reached, or a rule that was broken. Few and fixed, because each is
 * counted.
 */
export type RefusalCode =
  /** It left more unread than may wait for it. */
  | "slow_reader"
  /** It sent more messages than it may. */
  | "too_many_messages"
  /** A frame or a body that is too long. */
  | "too_large"
  /** It asked for namespaces that there are not. */
  | "unknown_namespace"
  /** It did not say in time who it is. */
  | "connect_timeout"
  /** Its request did not come in time. */
  | "request_timeout"
  /** This replica, its address, or its room has as many connections as it may. */
  | "too_many_connections"
  /** Its address opens connections too quickly. */
  | "too_many_new_connections"
  /** It has no token, or not the right one. */
  | "unauthorized"
  /** Its token does not let it do this. */
  | "forbidden"
  /** Its token has run out. */
  | "token_expired"
  /** Its page is not one that may connect. */
  | "origin_not_allowed"
  /** Something on the bus is not what this product writes. */
  | "bad_bus_message";

/** Lines in a second for each code; what comes beyond is counted, and told in the next line. */
const LINES_PER_SECOND = 5;

interface Count {
  total: number;
  second: number;
  lines: number;
  untold: number;
}

/** Counts refusals by code, and logs them: each one, or some of them under a flood. */
export class Refusals {
  readonly #log: Logger;
  readonly #counts = new Map<RefusalCode, Count>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** How often each has happened since the process began. */
  get totals(): ReadonlyMap<RefusalCode, number> {
    return new Map([...this.#counts].map(([code, { total }]) => [code, total]));
  }

  /**
   * @param detail - whom it met: address, session, role. Never a token, a key, a payload or a query.
   */
  note(code: RefusalCode, detail: Readonly<Record<string, string | number | undefined>>): void {
    const second = Math.floor(performance.now() / 1_000);
    let count = this.#counts.get(code);
    if (!count) {
      count = { total: 0, second, lines: 0, untold: 0 };
      this.#counts.set(code, count);
    }
    count.total++;
    if (count.second !== second) {
      count.second = second;
      count.lines = 0;
    }
    if (count.lines >= LINES_PER_SECOND) {
      count.untold++;
      return;
    }
    count.lines++;
    const { untold } = count;
    count.untold = 0;
    this.#log.info({ ...detail, code, ...(untold > 0 && { untold }) }, "refused");
  }
}
