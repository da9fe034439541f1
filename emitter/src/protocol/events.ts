import type { Role } from "./ids.js";

/**
 * What a field holds, and its type (PROTOCOL.md, section 5). What values of it are right, `@inthon/emitter/validate` says: browsers
 * need the names and the types alone.
 */
export interface FieldTypes {
  /** A string of one character or more. */
  text: string;
  /** A string. */
  note: string;
  /** An integer, 0 or more. */
  count: number;
  feedback_type: "OK" | "HARD";
  /** A relative URL, or an absolute one with `http:` or `https:`; `null` where there is no capture. */
  capture_url: string | null;
  online: boolean;
  /** An ISO 8601 date-time with a zone. May be left out: then it is the time of publishing. */
  timestamp: string;
}

/** The name of a {@link FieldTypes field type}. */
export type FieldType = keyof FieldTypes;

/** One event of the contract: whom it goes to, and its payload's fields in the contract's order. */
interface EventDefinition {
  readonly audience: readonly Role[];
  readonly payload: Readonly<Record<string, FieldType>>;
}

/**
 * The event table (PROTOCOL.md, section 5). Types, validation, field order and audiences all derive from it.
 */
export const EVENTS = {
  feedback: {
    audience: ["teacher"],
    payload: { feedback_type: "feedback_type", created_at: "timestamp" },
  },
  question_intent: {
    audience: ["teacher"],
    payload: { question_id: "count", created_at: "timestamp" },
  },
  question_capture: {
    audience: ["student"],
    payload: { question_id: "count", capture_url: "capture_url", created_at: "timestamp" },
  },
  important: {
    audience: ["student"],
    payload: { note: "note", capture_url: "capture_url", created_at: "timestamp" },
  },
  teacher_presence: {
    audience: ["student"],
    payload: { is_online: "online", changed_at: "timestamp" },
  },
  new_question: {
    audience: ["teacher", "student"],
    payload: {
      question_id: "count",
      cleaned_text: "text",
      capture_url: "capture_url",
      created_at: "timestamp",
    },
  },
  question_like_update: {
    audience: ["teacher", "student"],
    payload: { question_id: "count", like_count: "count" },
  },
  hard_alert: {
    audience: ["teacher", "student"],
    payload: { capture_url: "capture_url", created_at: "timestamp" },
  },
  session_ended: { audience: ["teacher", "student"], payload: {} },
} as const satisfies Readonly<Record<string, EventDefinition>>;

/** The fields that are the time of publishing where the publisher leaves them out. */
export const TIMESTAMP_FIELDS: ReadonlySet<string> = new Set(["created_at", "changed_at"]);

/** The name of an event that may be published. */
export type EventName = keyof typeof EVENTS;

/** The names of all events, in the contract's order. */
export const EVENT_NAMES = Object.keys(EVENTS) as readonly EventName[];

type Flat<T> = { [K in keyof T]: T[K] };

type Fields<Name extends EventName> = (typeof EVENTS)[Name]["payload"];

/** The payload complete, in the contract's order. */
type Complete<Name extends EventName> = {
  -readonly [Field in keyof Fields<Name>]: Fields<Name>[Field] extends FieldType
    ? FieldTypes[Fields<Name>[Field]]
    : never;
};

/** The fields that a publisher may leave out. */
type Times<Name extends EventName> = {
  [Field in keyof Fields<Name>]: Fields<Name>[Field] extends "timestamp" ? Field : never;
}[keyof Fields<Name>];

type Payload<Name extends EventName> = Flat<
  Omit<Complete<Name>, Times<Name>> & Partial<Pick<Complete<Name>, Times<Name>>>
>;

/** What a publisher gives for each event; `created_at` and `changed_at` may be left out. */
export type EventPayloads = {
  // `{}` would take any object.
  [Name in EventName]: keyof Payload<Name> extends never ? Record<string, never> : Payload<Name>;
};

/** What a client receives for each event: the payload complete, with the `event` field first. */
export type ClassroomEvents = {
  [Name in EventName]: Flat<{ event: Name } & Complete<Name>>;
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
