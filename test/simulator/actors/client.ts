import type { SentEvent } from "../../../server/dist/classroom/batch.js";
import type { PublishedEvents } from "../judges/published.js";
import { Stay } from "../judges/stay.js";
import type { World } from "../world/world.js";
import type { Replica } from "./replica.js";
import type { ClientEnd, Hello, ServerConnection, Told } from "./server-connection.js";

/** A client that is not let in within this time tries again, in milliseconds. */
const CONNECT_TIMEOUT_MS = 20_000;
/** What a server needs to find out that a client is gone without a word. */
const HEARTBEAT_MS = 20_000;

export interface ClientOptions {
  readonly session: string;
  readonly role: "teacher" | "student";
  readonly protocol: "plain" | "socket.io";
  /** Comes back to the replica that it was with, as long as that serves. */
  readonly isLoyal: boolean;
  /** Of what is written to it, how many pieces may be under way before it is behind. */
  readonly maxUnread: number;
}

/** Told of what becomes of a client's attempts. */
export interface ClientObserver {
  /** @param asked - the place that it has asked for; `isHonest` where it was told that place */
  onConnected(client: ClientActor, asked: Asked | undefined, from: string): void;
}

export interface Asked {
  readonly offset: string;
  readonly isHonest: boolean;
}

interface Attempt {
  readonly asked: Asked | undefined;
  connection: ServerConnection | undefined;
  isWelcome: boolean;
  isOver: boolean;
}

/** Somebody with a browser: connects to any replica, comes back where it is sent away, and goes on where it stopped. */
export class ClientActor implements ClientEnd {
  readonly name: string;
  readonly options: ClientOptions;
  readonly stay: Stay;
  readonly #world: World;
  readonly #replicas: readonly Replica[];
  readonly #observer: ClientObserver;
  #attempt: Attempt | undefined;
  #lastReplica: Replica | undefined;
  #pid: string | undefined;
  #isWanted = false;
  #isGone = false;
  isReading = true;
  get maxUnread(): number {
    return this.options.maxUnread;
  }

  /** Asks for a place that nobody told it, at its next attempt. */
  madeUpOffset: string | undefined;
  /** Ends in the packet in which it comes, at its next attempt. */
  endsAtOnce = false;
  /** Ends so long after it has come, at its next attempt, in milliseconds. */
  endsAfterMs: number | undefined;

  constructor(
    world: World,
    name: string,
    options: ClientOptions,
    replicas: readonly Replica[],
    published: PublishedEvents,
    observer: ClientObserver,
  ) {
    this.#world = world;
    this.name = name;
    this.options = options;
    this.#replicas = replicas;
    this.#observer = observer;
    this.stay = new Stay(world, published, name, `session_${options.session}_${options.role}`);
  }

  get isConnected(): boolean {
    return this.#attempt?.isWelcome === true && !this.#attempt.isOver;
  }

  get wantsToBeThere(): boolean {
    return this.#isWanted;
  }

  join(): void {
    if (this.#isWanted || this.#isGone) return;
    this.#isWanted = true;
    this.#connect();
  }

  /** Closes, for good or until it joins again: then it comes as somebody new. */
  leave(): void {
    if (!this.#isWanted) return;
    this.#isWanted = false;
    this.stay.position = undefined;
    this.#pid = undefined;
    this.#end("transport close");
  }

  /** And does not come back, whatever was to happen. */
  leaveForGood(): void {
    this.#isGone = true;
    this.leave();
  }

  /** Its network goes. @param isTold - whether the server learns of it at once */
  drop(isTold: boolean): void {
    this.#end(isTold ? "transport close" : "ping timeout");
    if (this.#isWanted) this.#again();
  }

  read(): void {
    this.isReading = true;
    this.#attempt?.connection?.flush();
  }

  hear(told: Told): void {
    const attempt = this.#attempt;
    if (!attempt || attempt.isOver) return;
    switch (told.kind) {
      case "packet":
        this.#hearPacket(told.text);
        break;
      case "batch":
        for (const event of told.batch.events) this.#hearEvent(attempt, event);
        break;
      case "closed":
        attempt.isOver = true;
        this.#world.tell(this.name, "is sent away");
        if (this.#isWanted) this.#again();
        break;
    }
  }

  #hearPacket(text: string): void {
    const [, json] = /^0(\{.*\})$/.exec(text) ?? [];
    if (json !== undefined) this.#pid = String((JSON.parse(json) as { pid?: unknown }).pid);
    else if (text.startsWith("4")) this.#world.tell(this.name, `is not admitted: ${text}`);
  }

  #hearEvent(attempt: Attempt, sent: SentEvent): void {
    if (attempt.isWelcome) {
      this.#world.tell(this.name, `hears ${sent.offset} ${sent.event.event}`);
      this.stay.hear(sent);
      return;
    }
    attempt.isWelcome = true;
    this.#world.tell(this.name, `is connected from ${sent.offset}: ${JSON.stringify(sent.event)}`);
    this.stay.begin(sent);
    this.#observer.onConnected(this, attempt.asked, sent.offset);
  }

  #again(): void {
    this.#world.after(this.#world.random.between(50, 2_000), () => {
      if (this.#isWanted && (this.#attempt?.isOver ?? true)) this.#connect();
    });
  }

  #connect(): void {
    const { random } = this.#world;
    const serving = this.#replicas.filter(({ isServing }) => isServing);
    const asked = this.#askFor();
    const attempt: Attempt = { asked, connection: undefined, isWelcome: false, isOver: false };
    this.#attempt = attempt;
    if (serving.length === 0) {
      attempt.isOver = true;
      this.#again();
      return;
    }
    const last = this.options.isLoyal ? this.#lastReplica : undefined;
    const replica = last?.isServing === true ? last : random.of(serving);
    this.#lastReplica = replica;
    const { process } = replica;
    this.#world.tell(
      this.name,
      `connects to ${process?.name ?? ""}${asked ? ` to go on from ${asked.offset}` : ""}`,
    );
    const { endsAtOnce, endsAfterMs } = this;
    this.endsAtOnce = false;
    this.endsAfterMs = undefined;
    // The end of a process is noticed by those who are connected to it, sooner or later.
    const noticeMs = random.chance(0.2) ? HEARTBEAT_MS : random.longTailed(20);
    process?.onEnd(() => {
      this.#world.after(noticeMs, () => {
        if (!attempt.isOver && this.#attempt === attempt) this.drop(true);
      });
    });
    this.#world.after(random.longTailed(2), () => {
      if (attempt.isOver) return;
      replica.connect(this.#hello(asked), this, (connection) => {
        attempt.connection = connection;
        if (attempt.isOver) connection.endByClient("transport close");
        else if (endsAtOnce) {
          attempt.isOver = true;
          connection.endNow();
          if (this.#isWanted) this.#again();
        } else if (endsAfterMs !== undefined) {
          this.#world.after(endsAfterMs, () => {
            if (this.#attempt === attempt) this.drop(true);
          });
        }
      });
    });
    this.#world.after(CONNECT_TIMEOUT_MS, () => {
      if (!attempt.isWelcome && !attempt.isOver) this.drop(true);
    });
  }

  #askFor(): Asked | undefined {
    const { madeUpOffset } = this;
    this.madeUpOffset = undefined;
    if (madeUpOffset !== undefined) return { offset: madeUpOffset, isHonest: false };
    const { position } = this.stay;
    return position === undefined ? undefined : { offset: position, isHonest: true };
  }

  #hello(asked: Asked | undefined): Hello {
    const { session, role, protocol } = this.options;
    const url = `/ws/session/${session}/${role}/`;
    if (protocol === "plain") return { url, query: { offset: asked?.offset ?? "" }, auth: {} };
    const pid = this.#pid ?? `${session}.${role}.made-up`;
    const auth = asked ? { pid, offset: asked.offset } : {};
    return { url, query: { EIO: "4" }, auth };
  }

  #end(reason: "transport close" | "ping timeout"): void {
    const attempt = this.#attempt;
    if (!attempt || attempt.isOver) return;
    attempt.isOver = true;
    this.#world.tell(this.name, `ends (${reason})`);
    const { connection } = attempt;
    if (!connection) return;
    connection.unlink();
    this.#world.after(reason === "ping timeout" ? HEARTBEAT_MS : 1, () => {
      connection.endByClient(reason);
    });
  }
}
