import { isEvent } from "@inthon/emitter";
import { formatOffset, parseOffset, type Position } from "@inthon/emitter/protocol";
import type { HistoryEntry, HistoryPage } from "../../ports.js";
import { isInHistory } from "../../standing.js";

/** Earlier epochs that a history remembers, the newest ones: `standing.lua` has it too. */
const MAX_ENDS = 64;

/**
 * What `history.lua` answers, checked.
 *
 * An entry that is no event keeps its place, and costs whoever reads it nothing else: events before and behind it are
 * told as if it were not there.
 *
 * @param onBad - told why something of it cannot be used
 * @throws where it says no place for the history
 */
export function readHistoryReply(reply: unknown, onBad: (why: string) => void): HistoryPage {
  const [newest, ended, found] = asList(reply);
  const head = parseOffset(newest);
  if (!head) throw new Error("the key of a history holds something else");
  const texts = (typeof ended === "string" ? ended : "").split(" ").slice(-MAX_ENDS);
  const ends = texts.flatMap((text) => {
    const end = parseOffset(text.replace(":", "-"));
    if (!end && text !== "") onBad("the end of an epoch that is no place");
    return end ?? [];
  });
  const events = asList(found).flatMap((entry) => {
    const [id, fields] = asList(entry);
    const position = parseOffset(id);
    if (position) return toEntry(position, asList(fields), onBad);
    onBad("an entry of a history in no place");
    return [];
  });
  // Redis can bring back what it had forgotten, and whose numbers another epoch has given since: where the end of its
  // append-only file was cut off within a transaction, it does so when it starts for the second time after that.
  const isThere = ({ position }: HistoryEntry) => isInHistory({ head, ends }, position);
  return { head, ends, events: events.filter(isThere) };
}

/** Only the publish script appends: the field `event`, and behind it `version` where the event is an announcement. */
function toEntry(
  position: Position,
  [, json, version]: readonly unknown[],
  onBad: (why: string) => void,
): HistoryEntry {
  const text = typeof json === "string" ? json : "";
  const event = parseJson(text);
  if (isEvent(event)) {
    const offset = formatOffset(position);
    const bytes = Buffer.byteLength(text);
    return { position, offset, event, isAnnouncement: version !== undefined, bytes };
  }
  onBad("an entry of a history that is no event");
  return { position, event: undefined };
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
