import { Type, type Static, type TProperties, type TSchema } from "typebox";
import type { Role } from "./ids.js";

/** One event of the contract: whom it goes to, and its payload's fields in the contract's order. */
interface EventDefinition<Payload extends TProperties> {
  readonly audience: readonly Role[];
  readonly payload: Payload;
}

function event<const Payload extends TProperties>(
  definition: EventDefinition<Payload>,
): EventDefinition<Payload> {
  return definition;
}

/** JSON escapes a lone surrogate and MessagePack cannot hold one, so it would not survive byte for byte. */
function isWellFormed(value: string): boolean {
  return !/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(value);
}

// `description` doubles as the end of the sentence "must be ..." in error messages.
const text = (description: string, minLength: number): ReturnType<typeof Type.String> =>
  Type.Refine(Type.String({ description, minLength }), isWellFormed, () => description);

const Text = text("a string of one character or more, in well-formed Unicode", 1);
const Note = text("a string in well-formed Unicode", 0);
const Count = Type.Integer({
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: "an integer from 0 to 9007199254740991",
});
const FeedbackType = Type.Union([Type.Literal("OK"), Type.Literal("HARD")], {
  description: '"OK" or "HARD"',
});
const Online = Type.Boolean({ description: "true or false" });

const CAPTURE_URL =
  "a relative URL, or an absolute one with http: or https:, or null where there is no capture";

/**
 * Whether a page may follow it: it leads to `http:` or `https:`, as browsers read it. They drop tabs and line ends anywhere, and
 * control characters and blanks at the ends, and so does whoever trims it: a URL needs none of them.
 */
function isCaptureUrl(value: string): boolean {
  if (!isWellFormed(value) || /\p{Cc}/u.test(value) || value.trim() !== value) return false;
  if (!URL.canParse(value, SOME_PAGE)) return false;
  const { protocol } = new URL(value, SOME_PAGE);
  return protocol === "https:" || protocol === "http:";
}

/** Where a relative URL is tried. */
const SOME_PAGE = "https://relative.invalid/";

const CaptureUrl = Type.Union(
  [Type.Refine(Type.String({ minLength: 1 }), isCaptureUrl, () => CAPTURE_URL), Type.Null()],
  { description: CAPTURE_URL },
);

// ISO 8601 in its extended format, with a zone, as RFC 3339 and JavaScript's Date both read it; seconds may be left out.
const TIMESTAMP =
  /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d(:[0-5]\d([.,]\d+)?)?(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)$/;

function isOnCalendar(value: string): boolean {
  const [year = 0, month = 0, day = 0] = value.slice(0, 10).split("-").map(Number);
  const date = new Date(0);
  // setUTCFullYear, because Date.UTC takes the years 0 to 99 for 1900 to 1999.
  date.setUTCFullYear(year, month - 1, day);
  return date.getUTCMonth() === month - 1;
}

const TIMESTAMP_TEXT = 'an ISO 8601 date-time with a zone, such as "2025-11-15T12:34:56.789Z"';
/** May be left out: then it is the time of publishing. */
const Timestamp = Type.Optional(
  Type.Refine(
    Type.String({ pattern: TIMESTAMP, description: TIMESTAMP_TEXT }),
    isOnCalendar,
    () => TIMESTAMP_TEXT,
  ),
);

/**
 * The event table (PROTOCOL.md, section 5). Types, validation, field order and audiences all derive from it.
 */
export const EVENTS = {
  feedback: event({
    audience: ["teacher"],
    payload: { feedback_type: FeedbackType, created_at: Timestamp },
  }),
  question_intent: event({
    audience: ["teacher"],
    payload: { question_id: Count, created_at: Timestamp },
  }),
  question_capture: event({
    audience: ["student"],
    payload: { question_id: Count, capture_url: CaptureUrl, created_at: Timestamp },
  }),
  important: event({
    audience: ["student"],
    payload: { note: Note, capture_url: CaptureUrl, created_at: Timestamp },
  }),
  teacher_presence: event({
    audience: ["student"],
    payload: { is_online: Online, changed_at: Timestamp },
  }),
  new_question: event({
    audience: ["teacher", "student"],
    payload: {
      question_id: Count,
      cleaned_text: Text,
      capture_url: CaptureUrl,
      created_at: Timestamp,
    },
  }),
  question_like_update: event({
    audience: ["teacher", "student"],
    payload: { question_id: Count, like_count: Count },
  }),
  hard_alert: event({
    audience: ["teacher", "student"],
    payload: { capture_url: CaptureUrl, created_at: Timestamp },
  }),
  session_ended: event({ audience: ["teacher", "student"], payload: {} }),
} as const;

/** The fields that are the time of publishing where the publisher leaves them out. */
export const TIMESTAMP_FIELDS: ReadonlySet<string> = new Set(["created_at", "changed_at"]);

/** The name of an event that may be published. */
export type EventName = keyof typeof EVENTS;

/** The names of all events, in the contract's order. */
export const EVENT_NAMES = Object.keys(EVENTS) as readonly EventName[];

type Fields<Properties extends TProperties> = Static<ReturnType<typeof Type.Object<Properties>>>;
type Flat<T> = { [K in keyof T]: T[K] };

type Payload<Name extends EventName> = Flat<Fields<(typeof EVENTS)[Name]["payload"]>>;

/** What a publisher gives for each event; `created_at` and `changed_at` may be left out. */
export type EventPayloads = {
  // `{}` would take any object.
  [Name in EventName]: keyof Payload<Name> extends never ? Record<string, never> : Payload<Name>;
};

/** What a client receives for each event: the payload complete, with the `event` field first. */
export type ClassroomEvents = {
  [Name in EventName]: Flat<{ event: Name } & Required<Payload<Name>>>;
};

/** Any event, as one union tagged by `event`. */
export type ClassroomEvent = ClassroomEvents[EventName];

/** Any event as a publisher may write it, as one union tagged by `event`. */
export type ClassroomEventInput = {
  [Name in EventName]: Flat<{ event: Name } & Payload<Name>>;
}[EventName];

/** The first thing that every new connection is told (PROTOCOL.md, section 3). */
export interface ConnectedEvent {
  event: "connected";
  session_id: string;
  role: Role;
  /** Whether the session has a live teacher connection; always `false` for a teacher. */
  teacher_online: boolean;
}

/** The answer to a ping. */
export interface PongEvent {
  event: "pong";
}

/** What a client may send: `{ type: "ping" }`. */
export interface PingMessage {
  type: "ping";
}

/** The events a Socket.IO client receives, for `Socket<ServerToClientEvents, ClientToServerEvents>`. */
export type ServerToClientEvents = {
  [Name in EventName]: (event: ClassroomEvents[Name], offset?: string) => void;
} & {
  connected: (event: ConnectedEvent, offset?: string) => void;
  pong: (event: PongEvent) => void;
};

/** The events a Socket.IO client may send, for `Socket<ServerToClientEvents, ClientToServerEvents>`. */
export interface ClientToServerEvents {
  message: (message: PingMessage, ack?: (event: PongEvent) => void) => void;
  ping: (ack?: (event: PongEvent) => void) => void;
}

/** Whether `value` names an event that may be published. */
export function isEventName(value: unknown): value is EventName {
  return typeof value === "string" && Object.hasOwn(EVENTS, value);
}

/** The JSON schema of an event as a publisher may write it. */
export function eventSchema(name: EventName): TSchema {
  return Type.Object(
    { event: Type.Literal(name), ...(EVENTS[name].payload as TProperties) },
    { additionalProperties: false, title: name },
  );
}
