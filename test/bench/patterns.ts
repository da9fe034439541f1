import { EVENTS, type Role } from "@inthon/emitter/protocol";
import type { CountedEvent } from "./load/event-number.js";
import type { Pattern } from "./load/sequence.js";

/** Which of a session's events a role gets, by the contract, where they are published in this turn. */
export function patternFor(role: Role, events: readonly CountedEvent[]): Pattern {
  return events.map((event) => EVENTS[event].audience.some((member) => member === role));
}
