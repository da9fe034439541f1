import { EmitterError, type PublishResult } from "@inthon/emitter";
import type { ClassroomEvent } from "@inthon/emitter/protocol";
import type { Counts } from "../telemetry/counts.js";
import { PUBLISH_OUTCOMES, type PublishOutcome, type Via } from "../telemetry/labels.js";

/** Counts what becomes of events: of those that were not confirmed each has the same reason. */
export async function countPublished(
  { published }: Pick<Counts, "published">,
  via: Via,
  events: readonly ClassroomEvent[],
  publishing: Promise<PublishResult[]>,
): Promise<PublishResult[]> {
  try {
    const results = await publishing;
    for (const [i, { event }] of events.entries()) {
      const outcome = results[i]?.duplicate === true ? "duplicate" : "published";
      published.add({ event, via, outcome });
    }
    return results;
  } catch (error) {
    const outcome = outcomeOf(error);
    for (const { event } of events) published.add({ event, via, outcome });
    throw error;
  }
}

/** What became of events that were not confirmed. */
export function outcomeOf(error: unknown): PublishOutcome {
  if (!(error instanceof EmitterError)) return "unavailable";
  const { code } = error;
  if (code.startsWith("invalid_") || code === "event_too_large") return "invalid";
  return PUBLISH_OUTCOMES.find((outcome) => outcome === code) ?? "unavailable";
}
