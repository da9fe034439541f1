import { Compile } from "typebox/compile";
import { Check } from "typebox/value";
import {
  EVENT_NAMES,
  EVENTS,
  TIMESTAMP_FIELDS,
  isEventName,
  type ClassroomEvent,
  type EventName,
} from "../protocol/index.js";
import { EmitterError, type Fault } from "../errors.js";
import { FIELD_SCHEMAS, schemaOf } from "./schemas.js";

/**
 * The longest event that is accepted, in bytes of its JSON. It is multiplied by every student of a session, so it
 * stays far below what one frame could carry.
 */
export const MAX_EVENT_BYTES = 65_536;

/** What JSON adds to the strings of an event: names, punctuation, numbers. */
const MAX_OVERHEAD_BYTES = 1_024;

/** A stranger may send very many: after these, nobody looks for more. */
const MAX_FAULTS = 16;
/** How many fields a whole event has, its name included. */
const fieldCounts = Object.fromEntries(
  EVENT_NAMES.map((name) => [name, 1 + Object.keys(EVENTS[name].payload).length]),
) as Readonly<Record<EventName, number>>;

const validators = new Map(EVENT_NAMES.map((name) => [name, Compile(schemaOf(name))]));

/**
 * The event of the contract that `value` is: checked, in the contract's field order, its time filled in.
 *
 * @param value - anything, for example parsed JSON
 * @param pathPrefix - put in front of every fault's path, for example `/3` for an array's fourth element
 * @throws EmitterError `invalid_event` with its first faults, 16 at most, or `event_too_large`
 */
export function parseEvent(value: unknown, pathPrefix = ""): ClassroomEvent {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid([{ path: pathPrefix, message: 'must be an object with a field "event"' }]);
  }
  try {
    return parseObject(value as Readonly<Record<string, unknown>>, pathPrefix);
  } catch (cause) {
    throw cause instanceof EmitterError ? cause : unreadable(cause, pathPrefix);
  }
}

/** Of what throws when it is read: a getter, a proxy. */
export function unreadable(cause: unknown, path = ""): EmitterError {
  const faults = [{ path, message: "cannot be read: give a plain object" }];
  return invalid(faults, cause);
}

function parseObject(input: Readonly<Record<string, unknown>>, pathPrefix: string): ClassroomEvent {
  const name = input["event"];
  if (!isEventName(name)) {
    const message = `must be one of ${EVENT_NAMES.join(", ")}`;
    throw invalid([{ path: `${pathPrefix}/event`, message }]);
  }
  // Before anybody looks into its texts.
  const characters = countCharacters(input);
  if (characters > MAX_EVENT_BYTES) throw tooLarge(name, pathPrefix);
  if (validators.get(name)?.Check(input) !== true) throw invalid(toFaults(name, input, pathPrefix));
  const event = inContractOrder(name, input);
  if (mayBeTooLong(characters) && jsonBytes(event) > MAX_EVENT_BYTES)
    throw tooLarge(name, pathPrefix);
  return event;
}

/**
 * The events of the contract that `values` are, each as {@link parseEvent} returns it.
 *
 * @param values - anything; the paths of faults begin with their index
 * @throws EmitterError `invalid_event` with the first faults of all, 16 at most; `event_too_large` where nothing else is
 *   wrong
 */
export function parseEvents(values: readonly unknown[]): ClassroomEvent[] {
  if (!Array.isArray(values)) throw invalid([{ path: "", message: "must be in an array" }]);
  const events: ClassroomEvent[] = [];
  const refusals: EmitterError[] = [];
  let faults = 0;
  for (const [index, value] of values.entries()) {
    try {
      events.push(parseEvent(value, `/${String(index)}`));
    } catch (error) {
      if (!(error instanceof EmitterError)) throw error;
      refusals.push(error);
      faults += error.faults.length;
      if (faults >= MAX_FAULTS) break;
    }
  }
  // One answer has one code: what is no event at all weighs more than what is only too long.
  const worst = refusals.find(({ code }) => code === "invalid_event") ?? refusals[0];
  if (!worst) return events;
  throw new EmitterError(worst.code, worst.message, {
    faults: refusals.flatMap((refusal) => refusal.faults).slice(0, MAX_FAULTS),
  });
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
  if (!isEventName(name)) return false;
  const characters = countCharacters(fields);
  if (characters > MAX_EVENT_BYTES || validators.get(name)?.Check(value) !== true) return false;
  // Its own fields alone are in its JSON: not what it got by a key `__proto__`.
  let missing = fieldCounts[name];
  for (const field of Object.keys(value)) if (fields[field] !== undefined) missing--;
  if (missing !== 0) return false;
  const event = value as ClassroomEvent;
  return !mayBeTooLong(characters) || jsonBytes(event) <= MAX_EVENT_BYTES;
}

/** Of its texts together: JSON writes a character in one byte at least. */
function countCharacters(fields: Readonly<Record<string, unknown>>): number {
  let characters = 0;
  for (const value of Object.values(fields))
    if (typeof value === "string") characters += value.length;
  return characters;
}

/** JSON writes a character in six bytes at most. Cheaper than making the JSON of every event only to measure it. */
function mayBeTooLong(characters: number): boolean {
  return characters * 6 > MAX_EVENT_BYTES - MAX_OVERHEAD_BYTES;
}

function tooLarge(name: EventName, path: string): EmitterError {
  const limit = String(MAX_EVENT_BYTES);
  return new EmitterError(
    "event_too_large",
    `${name} is longer than ${limit} bytes of JSON: shorten it`,
    { faults: [{ path, message: `at most ${limit} bytes` }] },
  );
}

/** Without Node's own means: browsers check events too. */
function jsonBytes(event: ClassroomEvent): number {
  return new TextEncoder().encode(JSON.stringify(event)).length;
}

function inContractOrder(name: EventName, input: Readonly<Record<string, unknown>>) {
  const event: Record<string, unknown> = { event: name };
  for (const field of Object.keys(EVENTS[name].payload)) {
    event[field] =
      input[field] ?? (TIMESTAMP_FIELDS.has(field) ? new Date().toISOString() : input[field]);
  }
  return event as ClassroomEvent;
}

function toFaults(
  name: EventName,
  input: Readonly<Record<string, unknown>>,
  pathPrefix: string,
): Fault[] {
  const faults: Fault[] = [];
  for (const [field, message] of faultyFields(name, input)) {
    faults.push({ path: `${pathPrefix}/${escapePointer(field)}`, message });
    if (faults.length === MAX_FAULTS) break;
  }
  return faults;
}

/** Each field that is wrong and what is wrong with it, found one after the other as they are asked for. */
function* faultyFields(
  name: EventName,
  input: Readonly<Record<string, unknown>>,
): Generator<[field: string, message: string]> {
  const fields = FIELD_SCHEMAS[name];
  for (const field of Object.keys(input)) {
    if (field !== "event" && !Object.hasOwn(fields, field)) {
      yield [field, `is not a field of ${name}: leave it out`];
    }
  }
  for (const [field, schema] of Object.entries(fields)) {
    const { description = "a value of the contract" }: { description?: string } = schema;
    const value = input[field];
    const isMissing = value === undefined && !TIMESTAMP_FIELDS.has(field);
    if (isMissing) yield [field, `is missing: must be ${description}`];
    else if (value !== undefined && !Check(schema, value)) yield [field, `must be ${description}`];
  }
}

/** Faults name fields that a stranger chose: keep them short. */
function escapePointer(field: string): string {
  return field.slice(0, 64).replaceAll("~", "~0").replaceAll("/", "~1");
}

function invalid(faults: readonly Fault[], cause?: unknown): EmitterError {
  const [first] = faults;
  const message = first
    ? `${first.path === "" ? "the event" : first.path} ${first.message}`
    : "invalid event";
  return new EmitterError("invalid_event", message, { faults, cause });
}
