import { randomUUID } from "node:crypto";
import { eventually } from "../helpers/eventually.js";
import type { Exit } from "../helpers/processes/server-process.js";

/** What a client has heard: an event of the contract, and its offset where it was told one. */
export interface Heard {
  readonly offset: string;
  readonly event: Readonly<Record<string, unknown>>;
}

/** The offset, which is anything but blanks, and the event's JSON. */
const A_LINE = /^(\S+) (\{.*\})$/;
const AN_END = /^stays away: (.*)$/;

/** One client in a session of its own, and all that it has said. */
export class Seat {
  readonly session = randomUUID();
  readonly heard: Heard[] = [];
  readonly lines: string[] = [];
  /** How it says that it stays away. */
  end: string | undefined;
  /** How its process has ended, where it is one. */
  exit: Exit | undefined;

  /** Takes a line that its program has written. */
  onLine(line: string): void {
    this.lines.push(line);
    this.end ??= AN_END.exec(line)?.[1];
    const [, offset = "", json = ""] = A_LINE.exec(line) ?? [];
    if (json === "") return;
    this.heard.push({ offset, event: JSON.parse(json) as Record<string, unknown> });
  }

  /** Waits until it is so; in vain where its process has ended. */
  async until(isSo: () => boolean, patienceMs: number): Promise<void> {
    await eventually(async () => isSo() || this.exit !== undefined, patienceMs);
    if (isSo()) return;
    // Its last words have been read when it is said to have ended.
    throw new Error(`its process ended with ${String(this.exit?.code ?? this.exit?.signal)}`);
  }

  /** The events with that name. */
  named(name: string): readonly Heard[] {
    return this.heard.filter(({ event }) => event["event"] === name);
  }

  /** What it was told of what was published, as `offset note`. */
  get notes(): readonly string[] {
    return this.named("important").map(({ offset, event }) => `${offset} ${String(event["note"])}`);
  }

  /** The newest lines, for who looks for a fault. */
  get newest(): string {
    return this.lines.slice(-6).join("\n    ");
  }
}
