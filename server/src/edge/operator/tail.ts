import { setTimeout as delay } from "node:timers/promises";
import {
  formatOffset,
  roomName,
  ROLES,
  type ClassroomEvent,
  type Position,
  type Role,
  type SessionId,
} from "@inthon/emitter/protocol";
import { isReadable, type Broker } from "../../cluster/ports.js";
import { within } from "../../cluster/retry.js";
import { isInHistory, placeIn } from "../../cluster/standing.js";
import { unavailable } from "../http/routes/unavailable.js";
import type { View } from "./view.js";

/** How often the histories of a session are read on, once for all who view it. */
const EVERY_MS = 1_000;
/** And how often it is asked who is there, which is a command for each replica. */
const STATE_EVERY = 4;
const PATIENCE_MS = 3_000;
/** What was told before somebody looked. */
const BEFORE = 50;
/** What is read at once; where more has come, the rest comes next. */
const PAGE = { events: 100, bytes: 128 * 1024 };
/** Who looks anew is told of the newest ones: so many, of so many characters together. */
const MAX_KEPT = 100;
const MAX_KEPT_LENGTH = 256 * 1024;
const THE_BEGINNING: Position = { epoch: 0, n: 0 };

/** What the tail of a session is made of. */
export interface TailSources {
  readonly broker: Pick<Broker, "look">;
  /** Who is there, over the whole cluster. */
  readonly describe: (
    sessionId: SessionId,
  ) => Promise<{ teacherOnline: boolean; connections: Record<Role, number> }>;
}

/** Reads on what a session is told, as one who only looks: nobody is a member for it, and nothing is kept for it. */
export class Tail {
  readonly #session: SessionId;
  readonly #sources: TailSources;
  readonly #closing: AbortSignal;
  readonly #views = new Set<View>();
  readonly #places = new Map<Role, Position>();
  /** The newest events, as they are told. */
  #kept: readonly string[] = [];
  #state: string | undefined;

  /** @param onEnd - called when nobody looks any more */
  constructor(
    session: SessionId,
    sources: TailSources,
    { closing, onEnd }: { closing: AbortSignal; onEnd: () => void },
  ) {
    this.#session = session;
    this.#sources = sources;
    this.#closing = closing;
    void this.#run(onEnd);
  }

  add(view: View): void {
    this.#views.add(view);
    if (this.#state !== undefined) view.write("session", this.#state);
    for (const text of this.#kept) view.write("told", text);
  }

  delete(view: View): void {
    this.#views.delete(view);
  }

  async #run(onEnd: () => void): Promise<void> {
    // Its first view is added in this turn.
    await Promise.resolve();
    let looking: Promise<void> | undefined;
    for (let turn = 0; this.#views.size > 0 && !this.#closing.aborted; turn++) {
      const next = delay(EVERY_MS, undefined, { signal: this.#closing }).catch(() => undefined);
      try {
        // One at a time: two that read on from one place would tell all of it twice.
        looking ??= this.#look(turn % STATE_EVERY === 0).finally(() => {
          looking = undefined;
        });
        await within(PATIENCE_MS, looking);
      } catch (error) {
        this.#tellState({ trouble: unavailable(error).problem.code });
      }
      await next;
    }
    onEnd();
  }

  async #look(asksWho: boolean): Promise<void> {
    const reading = Promise.allSettled(ROLES.map((role) => this.#readOn(role)));
    const asking = asksWho ? this.#sources.describe(this.#session) : undefined;
    const [who] = await Promise.allSettled([asking]);
    // All of it: what is still read when the next look begins would be told twice.
    for (const part of [who, ...(await reading)]) {
      if (part.status === "rejected") throw part.reason as Error;
    }
    const known = await asking;
    if (!known) return;
    this.#tellState({ teacher_online: known.teacherOnline, connections: known.connections });
  }

  #tellState(state: object): void {
    const heads = Object.fromEntries(
      [...this.#places].map(([role, place]) => [role, formatOffset(place)]),
    );
    const text = JSON.stringify({ session_id: this.#session, heads, ...state });
    this.#state = text;
    for (const view of this.#views) if (view.isReading()) view.write("session", text);
  }

  async #readOn(role: Role): Promise<void> {
    const room = roomName(this.#session, role);
    const look = (after: Position, events: number) =>
      this.#sources.broker.look(room, after, { ...PAGE, events });
    let place = this.#places.get(role);
    if (!place) {
      const standing = await look(THE_BEGINNING, 1);
      place = placeIn(standing, Math.max(0, standing.head.n - BEFORE));
    }
    let page = await look(place, PAGE.events);
    if (place.n > 0 && !isInHistory(page, place)) {
      // It is another history by now, or an older one: what that has is read from its beginning.
      this.#tell(JSON.stringify({ role, lost: true }));
      page = await look(THE_BEGINNING, PAGE.events);
      place = THE_BEGINNING;
    }
    for (const entry of page.events) {
      place = entry.position;
      if (isReadable(entry)) this.#tellEvent(role, entry.offset, entry.event);
    }
    // Where the history has no events, it stands at its head.
    this.#places.set(role, page.events.length === 0 ? page.head : place);
  }

  #tellEvent(role: Role, offset: string, event: ClassroomEvent): void {
    this.#tell(JSON.stringify({ role, offset, event }));
  }

  #tell(text: string): void {
    const kept = [...this.#kept.slice(1 - MAX_KEPT), text];
    let length = kept.reduce((sum, each) => sum + each.length, 0);
    while (length > MAX_KEPT_LENGTH) length -= kept.shift()?.length ?? length;
    this.#kept = kept;
    for (const view of this.#views) view.write("told", text);
  }
}
