import fc from "fast-check";
import type { Publication } from "@inthon/emitter";
import { parseSessionId, type ClassroomEvent, type SessionId } from "@inthon/emitter/protocol";

const GIVEN_KEYS = 6;
/** More than one call of the script takes. */
const LONG_ARRAY = { minLength: 90, maxLength: 260 };
const AT = "2025-11-15T12:34:56.789Z";

export const SESSIONS: readonly SessionId[] = ["0-0", "lecture", "7-1"].map((name) => {
  const id = parseSessionId(name);
  if (!id) throw new Error(`${name} is not a session id`);
  return id;
});

type Key =
  | { readonly kind: "made up" }
  | { readonly kind: "given"; readonly number: number }
  /** One that was made up earlier, as a caller repeats it whose call failed. */
  | { readonly kind: "again"; readonly back: number };

interface Item {
  readonly event: "feedback" | "question_capture" | "question_like_update" | "hard_alert";
  readonly key: Key;
}

export type Call =
  | { readonly kind: "events"; readonly session: number; readonly items: readonly Item[] }
  | { readonly kind: "announcement"; readonly session: number; readonly version: number };

export type Step =
  /** Calls of one turn of the event loop, by one of two publishers. */
  | { readonly kind: "turn"; readonly publisher: number; readonly calls: readonly Call[] }
  | { readonly kind: "forget scripts" }
  /** The histories alone are gone, and what was announced; what is left of the keys belongs to nothing. */
  | { readonly kind: "forget histories" }
  | { readonly kind: "forget all" };

const key: fc.Arbitrary<Key> = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ kind: "made up" as const }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("given" as const), number: fc.nat(GIVEN_KEYS - 1) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("again" as const), back: fc.nat(30) }),
  },
);

const event = fc.constantFrom<Item["event"]>(
  "feedback",
  "question_capture",
  "question_like_update",
  "hard_alert",
);
const item = fc.record({ event, key });
const newItem = fc.record({ event, key: fc.constant<Key>({ kind: "made up" }) });
const session = fc.nat(SESSIONS.length - 1);
const events = fc.constant("events" as const);

const call: fc.Arbitrary<Call> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: events,
      session,
      items: fc.array(newItem, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: events,
      session,
      items: fc.array(item, { minLength: 1, maxLength: 8 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: events,
      session,
      items: fc.oneof(fc.array(newItem, LONG_ARRAY), fc.array(item, LONG_ARRAY)),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("announcement" as const),
      session,
      version: fc.integer({ min: 1, max: 12 }),
    }),
  },
);

export const turn: fc.Arbitrary<Extract<Step, { kind: "turn" }>> = fc.record({
  kind: fc.constant("turn" as const),
  publisher: fc.nat(1),
  calls: fc.array(call, { minLength: 1, maxLength: 8 }),
});

export const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: turn },
  { weight: 1, arbitrary: fc.constant({ kind: "forget scripts" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "forget histories" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "forget all" as const }) },
);

/** Makes publications of a schedule's calls, each with a number that names it. */
export class Maker {
  /** The keys made up so far, oldest first. */
  readonly #madeUp: string[] = [];
  /** Those that nobody can repeat yet. */
  #unsettled: string[] = [];
  #made = 0;

  /** From now on calls may repeat the keys of those made so far. */
  settle(): void {
    this.#madeUp.push(...this.#unsettled);
    this.#unsettled = [];
  }

  make(call: Call): readonly Publication[] {
    const sessionId = SESSIONS[call.session] ?? SESSIONS[0];
    if (!sessionId) return [];
    if (call.kind === "announcement") {
      const { version } = call;
      const is_online = version % 2 === 1;
      const changed_at = String(++this.#made);
      return [
        {
          sessionId,
          event: { event: "teacher_presence", is_online, changed_at },
          idempotencyKey: `presence/${String(version)}`,
          version,
        },
      ];
    }
    const prefix = `~abcdefghijklmnop.${(++this.#made).toString(36)}`;
    return call.items.map((item, index) => {
      const event = makeEvent(item.event, ++this.#made);
      if (item.key.kind === "given") {
        return { sessionId, event, idempotencyKey: `given-${String(item.key.number)}` };
      }
      const again = item.key.kind === "again" ? this.#madeUp.at(-1 - item.key.back) : undefined;
      if (again !== undefined) return { sessionId, event, idempotencyKey: again };
      const idempotencyKey = index === 0 ? prefix : `${prefix}/${String(index)}`;
      this.#unsettled.push(idempotencyKey);
      return { sessionId, event, idempotencyKey, isNew: true };
    });
  }
}

function makeEvent(event: Item["event"], id: number): ClassroomEvent {
  switch (event) {
    case "feedback":
      return { event, feedback_type: "HARD", created_at: String(id) };
    case "question_capture":
      // Characters of several bytes, and what looks like an offset.
      return { event, question_id: id, capture_url: "/강의/0-0/1700000000000-1", created_at: AT };
    case "question_like_update":
      return { event, question_id: id, like_count: id % 7 };
    case "hard_alert":
      return { event, capture_url: null, created_at: String(id) };
  }
}
