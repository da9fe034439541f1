import { isSpanContextValid, trace, TraceFlags } from "@opentelemetry/api";

// W3C Trace Context, section 3.2: of a version to come, what this one has in front.
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:$|-)/;
const LENGTH_OF_00 = 55;

/** Where something belongs in a trace that is recorded. */
export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
}

/** What a `traceparent` says; `undefined` where it is none, or its trace is not recorded: nobody would ever look for it. */
export function parseTraceparent(text: unknown): TraceParent | undefined {
  const match = typeof text === "string" ? TRACEPARENT.exec(text) : null;
  const [whole = "", version, traceId = "", spanId = "", flags = ""] = match ?? [];
  if (whole === "" || (version === "00" && String(text).length !== LENGTH_OF_00)) return undefined;
  const traceFlags = parseInt(flags, 16);
  const isRecorded = (traceFlags & TraceFlags.SAMPLED) !== 0;
  return isRecorded && isSpanContextValid({ traceId, spanId, traceFlags })
    ? { traceId, spanId }
    : undefined;
}

/**
 * The `traceparent` that goes with events.
 *
 * @param given - by the caller; where it gave none, it is the span that is active, if OpenTelemetry's SDK has one
 */
export function traceparentFor(given: string | undefined): string | undefined {
  if (given !== undefined) return format(parseTraceparent(given));
  const span = trace.getActiveSpan()?.spanContext();
  if (!span || (span.traceFlags & TraceFlags.SAMPLED) === 0) return undefined;
  return isSpanContextValid(span) ? format(span) : undefined;
}

function format(parent: TraceParent | undefined): string | undefined {
  return parent && `00-${parent.traceId}-${parent.spanId}-01`;
}
