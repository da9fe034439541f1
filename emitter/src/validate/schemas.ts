import { Type, type TObject, type TProperties, type TSchema } from "typebox";
import { EVENT_NAMES, EVENTS, type EventName, type FieldType } from "../protocol/index.js";

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

/** A URL's scheme, as browsers find it. */
const SCHEME = /^[a-z][a-z0-9+.-]*:/i;
/** Its user, host and port, behind slashes of either kind, which browsers do not count where there is a scheme. */
const AUTHORITY = /^(?:https?:[/\\]*|[/\\]{2,})([^/\\?#]*)/i;
/** No name in the DNS is longer, and no label of one: more letters beyond ASCII nobody's host has. */
const MAX_HOST = 253;
const MAX_BEYOND_ASCII = 63;
const MAX_AUTHORITY = 512;
const BEYOND_ASCII = /[^\0-\x7f]/g;

/**
 * Whether a page may follow it: it leads to `http:` or `https:`, as browsers read it. They drop tabs and line ends anywhere, and
 * control characters and blanks at the ends, and so does whoever trims it: a URL needs none of them.
 */
function isCaptureUrl(value: string): boolean {
  if (!isWellFormed(value) || /\p{Cc}/u.test(value) || value.trim() !== value) return false;
  const scheme = SCHEME.exec(value)?.[0].toLowerCase() ?? "https:";
  if (scheme !== "https:" && scheme !== "http:") return false;
  return isShort(AUTHORITY.exec(value)?.[1] ?? "") && URL.canParse(value, SOME_PAGE);
}

/** To parse a host takes the square of its length, and of some letters hundreds of times as long as of a path's. */
function isShort(authority: string): boolean {
  if (authority.length > MAX_AUTHORITY) return false;
  const host = authority.slice(authority.lastIndexOf("@") + 1);
  if (host.length > MAX_HOST + ":65535".length) return false;
  return (host.match(BEYOND_ASCII)?.length ?? 0) <= MAX_BEYOND_ASCII;
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
    Type.String({ pattern: TIMESTAMP.source, description: TIMESTAMP_TEXT }),
    isOnCalendar,
    () => TIMESTAMP_TEXT,
  ),
);

/** The schema of each field type; `description` is what a value of it must be. */
const SCHEMAS: Readonly<Record<FieldType, TSchema>> = {
  text: Text,
  note: Note,
  count: Count,
  feedback_type: FeedbackType,
  capture_url: CaptureUrl,
  online: Online,
  timestamp: Timestamp,
};

/** The schemas of each event's fields, in the contract's order. */
export const FIELD_SCHEMAS = Object.fromEntries(
  EVENT_NAMES.map((name) => {
    const fields = Object.entries<FieldType>(EVENTS[name].payload);
    return [name, Object.fromEntries(fields.map(([field, type]) => [field, SCHEMAS[type]]))];
  }),
) as Readonly<Record<EventName, TProperties>>;

/** The schema of an event as a publisher may write it. */
export function schemaOf(name: EventName): TObject {
  return Type.Object(
    { event: Type.Literal(name), ...FIELD_SCHEMAS[name] },
    { additionalProperties: false, title: name },
  );
}
