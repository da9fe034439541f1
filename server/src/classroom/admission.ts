import { roomName } from "@inthon/emitter/protocol";
import type { PresenceStore } from "../cluster/ports.js";
import type { HeldRooms } from "../cluster/held-rooms.js";
import { unlessAborted, untilDone } from "../cluster/retry.js";
import type { Room } from "../cluster/room.js";
import type { Counts } from "../telemetry/counts.js";
import type { JoinOutcome } from "../telemetry/labels.js";
import type { Refusals } from "../telemetry/refusals.js";
import type { Logger } from "../telemetry/log.js";
import { parseAddress, type Identity } from "./address.js";
import type { Lane } from "./batch.js";
import type { ClassroomSocket, ConnectionData } from "./connection.js";
import { AdmissionError, identify } from "./identify.js";
import { LimitedWait } from "./limited-wait.js";
import type { Presence } from "./presence/presence.js";
import { makePid, prepareStart, resumeRequest, setPid, type Start } from "./resume/resume.js";
import type { Claims } from "./tokens/claims.js";
import type { TokenGate } from "./tokens/token-gate.js";
import { noteNotAdmitted, whomOf } from "./whom.js";

/** A client that gets no answer in this time is sent away, to try again. Below Socket.IO's own limit of 45 s. */
const ADMISSION_TIMEOUT_MS = 15_000;

export interface AdmissionOptions {
  readonly rooms: HeldRooms;
  readonly presence: Presence;
  /** What students have been told of their teacher. */
  readonly announced: Pick<PresenceStore, "isAnnounced">;
  /** Whether nobody else can be in a role room. */
  readonly isRoomFull: (identity: Identity) => boolean;
  readonly laneTo: (socket: object) => Lane;
  /** How a connection is told to stay away before it is told anything else, where its protocol has a word for that. */
  readonly stayAway: (connection: object) => (() => void) | undefined;
  /** `undefined` lets anyone in. */
  readonly tokenGate: TokenGate | undefined;
  readonly refusals: Pick<Refusals, "note">;
  readonly counts: Pick<Counts, "joins">;
  readonly log: Logger;
}

/** Decides who may come in, and gets everything ready for those who may: joining is one synchronous step then. */
export class Admission {
  readonly #rooms: HeldRooms;
  readonly #presence: Presence;
  readonly #announced: AdmissionOptions["announced"];
  readonly #isRoomFull: AdmissionOptions["isRoomFull"];
  readonly #laneTo: (socket: object) => Lane;
  readonly #stayAway: AdmissionOptions["stayAway"];
  readonly #tokenGate: TokenGate | undefined;
  readonly #refusals: AdmissionOptions["refusals"];
  readonly #counts: AdmissionOptions["counts"];
  readonly #log: Logger;

  constructor(options: AdmissionOptions) {
    const { rooms, presence, announced, isRoomFull, laneTo, tokenGate, refusals, counts, log } =
      options;
    this.#stayAway = options.stayAway;
    this.#rooms = rooms;
    this.#presence = presence;
    this.#announced = announced;
    this.#isRoomFull = isRoomFull;
    this.#laneTo = laneTo;
    this.#tokenGate = tokenGate;
    this.#refusals = refusals;
    this.#counts = counts;
    this.#log = log;
  }

  /**
   * A middleware of Socket.IO: what was got ready is in `socket.data`, or nothing where the connection has been closed.
   *
   * @param next - called in any case, for Socket.IO to forget who has ended
   * @throws AdmissionError
   */
  admit(socket: ClassroomSocket, next: (error?: Error) => void): void {
    // It may have ended in the packet in which it came: nobody would tell its end any more.
    if (!isOpen(socket)) {
      this.#count(socket, "gone");
      next();
      return;
    }
    const since = performance.now();
    const gate = this.#tokenGate;
    if (!gate) {
      try {
        this.#enter(socket, undefined, since, next);
      } catch (error) {
        this.#count(socket, "refused");
        if (error instanceof AdmissionError) noteNotAdmitted(this.#refusals, socket, error);
        throw error;
      }
      return;
    }
    gate
      .claimsOf(socket)
      .then((claims) => {
        if (isOpen(socket)) {
          this.#enter(socket, claims, since, next);
          return;
        }
        this.#count(socket, "gone");
        next();
      })
      .catch((error: unknown) => {
        const refusal = gate.refuse(socket, error);
        this.#count(socket, refusal ? "refused" : "unavailable");
        next(refusal);
      });
  }

  /** Those who join are counted when they have joined. */
  #count(socket: ClassroomSocket, outcome: JoinOutcome): void {
    const address = parseAddress(socket.handshake.url);
    const role = address?.kind === "session" ? address.identity.role : "unknown";
    this.#counts.joins.add({ role, outcome });
  }

  /** @throws AdmissionError */
  #enter(
    socket: ClassroomSocket,
    claims: Claims | undefined,
    since: number,
    next: (error?: Error) => void,
  ): void {
    const { url, auth, query } = socket.handshake;
    const identity = identify({ url, auth, query }, claims);
    // Who says it in the URL has been told at the handshake. A `connect_error` would keep the stock client away for good.
    if (this.#isRoomFull(identity)) {
      const detail = { ...whomOf(socket), user: claims?.user, limit: "room" } as const;
      this.#refusals.note("too_many_connections", detail);
      this.#count(socket, "refused");
      socket.conn.close();
      next();
      return;
    }
    const room = this.#hold(socket, identity);
    if (claims) this.#tokenGate?.limit(socket, claims.endsAtS);
    const resume = resumeRequest(socket, identity);
    const data = { identity, room, user: claims?.user, since };
    // Most students join a room that others have joined before: they need not wait for anything.
    if (identity.role === "student" && resume.offset === undefined && room.isReady) {
      this.#welcome(socket, { ...data, start: { kind: "fresh", hasAsked: false } });
      next();
      return;
    }
    this.#prepare(socket, identity, room, resume.offset)
      .then((start) => {
        const pid = start?.kind === "resume" ? resume.pid : undefined;
        if (start) this.#welcome(socket, { ...data, start }, pid);
        next();
      })
      .catch(next);
  }

  /**
   * Holds what the connection needs until it ends or leaves the namespace. This is the one place that lets go, once,
   * however early or late that is: so whoever is not open any more must not come here.
   */
  #hold(socket: ClassroomSocket, { sessionId, role }: Identity): Room {
    const { conn, id } = socket;
    const room = this.#rooms.hold(roomName(sessionId, role));
    let isHeld = true;
    const letGo = (reason: string) => {
      // The namespace is all there is: a connection without it would only wait for its time-out.
      if (reason === "client namespace disconnect") conn.close();
      if (!isHeld) return;
      isHeld = false;
      this.#rooms.release(room.name);
      if (role === "teacher") this.#presence.leave(sessionId, id);
    };
    conn.on("close", letGo);
    socket.on("disconnect", letGo);
    return room;
  }

  /** @param pid - what the client was told before, if it is recovered: `socket.recovered` is whether it gets it back */
  #welcome(socket: ClassroomSocket, data: Omit<ConnectionData, "lane">, pid?: string): void {
    setPid(socket, pid ?? makePid(data.identity, socket.id));
    const lane = this.#laneTo(socket);
    socket.data = { ...data, lane };
    // Socket.IO's own packet and `connected` go out together.
    lane.gather();
  }

  /** Resolves to `undefined` where the connection has been closed. */
  async #prepare(
    socket: ClassroomSocket,
    identity: Identity,
    room: Room,
    offset: unknown,
  ): Promise<Start | undefined> {
    const { conn } = socket;
    let outcome: JoinOutcome = "gone";
    const wait = new LimitedWait(ADMISSION_TIMEOUT_MS, () => {
      outcome = "unavailable";
      const who = { ...whomOf(socket), room: room.name };
      this.#log.warn(who, "a client was sent away: the cluster did not answer");
      conn.close();
    });
    const abandon = () => {
      wait.abandon();
    };
    conn.on("close", abandon);
    try {
      const start = await this.#prepareStart(socket, identity, room, offset, wait.signal);
      if (!start) outcome = "refused";
      if (start && isOpen(socket)) return start;
      this.#count(socket, outcome);
      return undefined;
    } catch (error) {
      // Either it has gone, or it is sent away to try again, with nothing to say that would help it.
      if (!wait.signal.aborted && isOpen(socket)) {
        outcome = "unavailable";
        this.#log.error({ err: error }, "a client was not admitted");
      }
      this.#count(socket, outcome);
      conn.close();
      return undefined;
    } finally {
      wait.done();
      conn.off("close", abandon);
    }
  }

  async #prepareStart(
    socket: ClassroomSocket,
    { sessionId, role }: Identity,
    room: Room,
    offset: unknown,
    signal: AbortSignal,
  ): Promise<Start | undefined> {
    const retry = <T>(task: () => Promise<T>) => untilDone(task, signal, () => undefined);
    await unlessAborted(signal, room.opened);
    const start = await retry(() => prepareStart(room, offset));
    const stayAway = start.kind === "resume" && this.#stayAway(socket.conn);
    if (stayAway && (await retry(() => room.isEndAt(start.from)))) {
      stayAway();
      return undefined;
    }
    if (role === "teacher") {
      // A connection that is being closed has ended, also where its client has not been told yet.
      const isWanted = () => !signal.aborted && isOpen(socket);
      await unlessAborted(signal, this.#presence.join(sessionId, socket.id, isWanted));
    } else {
      await retry(() => room.learnPresence(() => this.#announced.isAnnounced(sessionId)));
    }
    return start;
  }
}

/** Whether a connection lives, as far as this server is concerned. */
function isOpen({ conn }: ClassroomSocket): boolean {
  return conn.readyState === "open";
}
