import type { TProperties } from "typebox";
import { Compile } from "typebox/compile";
import {
  EVENT_NAMES,
  EVENTS,
  TIMESTAMP_FIELDS,
  eventSchema,
  isEventName,
  type ClassroomEvent,
  type EventName,
} from "./protocol/index.js";
import { EmitterError, type Fault } from "./errors.js";

/**
 * The longest event that is accepted, in bytes of its JSON. It is multiplied by every student of a session, so it
 * stays far below what one frame could carry.
 */
export const MAX_EVENT_BYTES = 65_536;

/** What JSON adds to the strings of an event: names, punctuation, numbers. */
const MAX_OVERHEAD_BYTES = 1_024;

/** How many fields a whole event has, its name included. */
const fieldCounts = Object.fromEntries(
  EVENT_NAMES.map((name) => [name, 1 + Object.keys(EVENTS[name].payload).length]),
) as Readonly<Record<EventName, number>>;

const validators = new Map(EVENT_NAMES.map((name) => [name, Compile(eventSchema(name))]));

/**
 * The event of the contract that `value` is: checked, in the contract's field order, its time filled in.
 *
 * @param value - anything, for example parsed JSON
 * @param pathPrefix - put in front of every fault's path, for example `/3` for an array's fourth element
 * @throws EmitterError `invalid_event` with every fault, or `event_too_large`
 */
export function parseEvent(value: unknown, pathPrefix = ""): ClassroomEvent {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid([{ path: pathPrefix, message: 'must be an object with a field "event"' }]);
  }
  const input = value as Readonly<Record<string, unknown>>;
  const name = input["event"];
  if (!isEventName(name)) {
    const message = `must be one of ${EVENT_NAMES.join(", ")}`;
    throw invalid([{ path: `${pathPrefix}/event`, message }]);
  }
  const validator = validators.get(name);
  if (!validator?.Check(input)) {
    const errors = validator?.Errors(input) ?? [];
    throw invalid(toFaults(name, input, errors, pathPrefix));
  }
  const event = inContractOrder(name, input);
  if (mayBeTooLong(event) && Buffer.byteLength(JSON.stringify(event)) > MAX_EVENT_BYTES) {
    throw new EmitterError(
      "event_too_large",
      `${name} is longer than ${String(MAX_EVENT_BYTES)} bytes of JSON: shorten it`,
      { faults: [{ path: pathPrefix, message: `at most ${String(MAX_EVENT_BYTES)} bytes` }] },
    );
  }
  return event;
}

/**
 * Whether `value` is a whole event already: what {@link parseEvent} returns, times included.
 *
 * @param value - anything, for example what another process has sent
 */
export function isEvent(value: unknown): value is ClassroomEvent {
  if (typeof value !== "object" || value === null) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  const { event: name } = fields;
  if (!isEventName(name) || validators.get(name)?.Check(value) !== true) return false;
  // Its own fields alone are in its JSON: not what it got by a key `__proto__`.
  let missing = fieldCounts[name];
  for (const field of Object.keys(value)) if (fields[field] !== undefined) missing--;
  if (missing !== 0) return false;
  const event = value as ClassroomEvent;
  return !mayBeTooLong(event) || Buffer.byteLength(JSON.stringify(event)) <= MAX_EVENT_BYTES;
}

/** JSON writes a character in six bytes at most. Cheaper than making the JSON of every event only to measure it. */
function mayBeTooLong(event: ClassroomEvent): boolean {
  let characters = 0;
  for (const value of Object.values(event))
    if (typeof value === "string") characters += value.length;
  return characters * 6 > MAX_EVENT_BYTES - MAX_OVERHEAD_BYTES;
}

function inContractOrder(name: EventName, input: Readonly<Record<string, unknown>>) {
  const event: Record<string, unknown> = { event: name };
  for (const field of Object.keys(EVENTS[name].payload)) {
    event[field] =
      input[field] ?? (TIMESTAMP_FIELDS.has(field) ? new Date().toISOString() : input[field]);
  }
  return event as ClassroomEvent;
}

interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
}

function toFaults(
  name: EventName,
  input: Readonly<Record<string, unknown>>,
  errors: readonly SchemaError[],
  pathPrefix: string,
): Fault[] {
  const fields: TProperties = EVENTS[name].payload;
  const expected = (field: string) => {
    const schema: { description?: string } | undefined = fields[field];
    return schema?.description ?? "a value of the contract";
  };
  const faults = new Map<string, string>();
  for (const field of Object.keys(input)) {
    if (field !== "event" && !Object.hasOwn(fields, field)) {
      faults.set(field, `is not a field of ${name}: leave it out`);
    }
  }
  for (const field of Object.keys(fields)) {
    const isMissing = input[field] === undefined && !TIMESTAMP_FIELDS.has(field);
    if (isMissing) faults.set(field, `is missing: must be ${expected(field)}`);
  }
  for (const { instancePath } of errors) {
    const field = unescapePointer(instancePath.split("/")[1] ?? "");
    if (field !== "" && !faults.has(field)) faults.set(field, `must be ${expected(field)}`);
  }
  return [...faults].map(([field, message]) => ({
    path: `${pathPrefix}/${escapePointer(field)}`,
    message,
  }));
}

/** Faults name fields that a stranger chose: keep them short. */
function escapePointer(field: string): string {
  return field.slice(0, 64).replaceAll("~", "~0").replaceAll("/", "~1");
}

function unescapePointer(field: string): string {
  return field.replaceAll("~1", "/").replaceAll("~0", "~");
}

function invalid(faults: readonly Fault[]): EmitterError {
  const [first] = faults;
  const message = first
    ? `${first.path === "" ? "the event" : first.path} ${first.message}`
    : "invalid event";
  return new EmitterError("invalid_event", message, { faults });
}
