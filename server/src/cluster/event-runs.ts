import { isReadable, type HistoryEntry, type RoomEvent } from "./ports.js";

/** Whether the events follow each other, and the first one follows this number. */
export function follow(events: readonly HistoryEntry[], n: number): boolean {
  return events.every(({ position }, i) => position.n === n + 1 + i);
}

/**
 * The events without announcements that repeat the one before. Not those that repeated what members knew when they came:
 * who comes back may have missed what was between.
 *
 * @param knownBefore - what the announcements before them said, if there were any
 */
export function withoutRepetitions(
  events: readonly HistoryEntry[],
  knownBefore: boolean | undefined,
): { readonly events: readonly RoomEvent[]; readonly known: boolean | undefined } {
  let known = knownBefore;
  const news = events.filter(isReadable).filter(({ event, isAnnouncement }) => {
    if (!isAnnouncement || event.event !== "teacher_presence") return true;
    const isNews = event.is_online !== known;
    known = event.is_online;
    return isNews;
  });
  return { events: news, known };
}
