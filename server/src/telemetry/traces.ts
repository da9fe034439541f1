import { ROOT_CONTEXT, SpanKind, trace, TraceFlags } from "@opentelemetry/api";
import type { Logger } from "./log.js";

/** That an event which belongs to a trace has been told. */
export interface Told {
  readonly traceId: string;
  /** Of the span that published it. */
  readonly spanId: string;
  readonly session: string;
  readonly role: string;
  readonly event: string;
  readonly offset: string;
  /** Members to whom it was written. */
  readonly connections: number;
  /** Since it was published, in milliseconds, where that is known. */
  readonly ms: number | undefined;
}

/** Says of each event that belongs to a recorded trace that it was told here: in the log, and as a span. */
export class Traces {
  readonly #log: Logger;
  /** Does nothing where no SDK of OpenTelemetry has been loaded into the process. */
  readonly #tracer = trace.getTracer("@inthon/server");

  constructor(log: Logger) {
    this.#log = log;
  }

  told({ traceId, spanId, session, role, event, offset, connections, ms }: Told): void {
    const where = { session, role, event, offset, connections };
    this.#log.info({ trace_id: traceId, parent_id: spanId, ...where, ms }, "told");
    const parent = { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true };
    const attributes = Object.fromEntries(
      Object.entries(where).map(([name, value]) => [`inthon.${name}`, value]),
    );
    const now = Date.now();
    this.#tracer
      .startSpan(
        "inthon tell",
        { kind: SpanKind.CONSUMER, startTime: now - (ms ?? 0), attributes },
        trace.setSpanContext(ROOT_CONTEXT, parent),
      )
      .end(now);
  }
}
