import type { IncomingMessage } from "node:http";
import type { Door } from "../../classroom/classroom.js";
import type { Drop } from "../guard.js";
import type { Intake } from "../intake/intake.js";
import { Heartbeat, stopBeating, type Beating } from "../wire/heartbeat.js";

/** Of a connection's client, what limits the length of what it sends. */
export interface FrameLimit {
  limitFrames(maxBytes: number): void;
}

// As far as one of Engine.IO is concerned that has not been admitted.
interface ArrivingConnection {
  [arrival]?: Arrival | undefined;
  readonly remoteAddress?: string;
  readonly request?: IncomingMessage;
  readonly transport: { readonly name: string; readonly intake?: FrameLimit };
  once(event: "upgrade", listener: (transport: ArrivingConnection["transport"]) => void): void;
  close(): void;
}

const arrival = Symbol("arrival");

/** A connection that has not been admitted yet. */
class Arrival implements Beating {
  slot: Set<Beating> | undefined;
  /** How often the client has said who it is, and has had no answer yet. */
  unanswered = 0;
  /** Whether it has been refused since the last beat. */
  isRefused = false;
  readonly #connection: ArrivingConnection;
  readonly #intake: Intake;

  constructor(connection: ArrivingConnection, intake: Intake) {
    this.#connection = connection;
    this.#intake = intake;
  }

  beat(): void {
    // While it waits for an answer, its time is that of admission, which ends by itself.
    if (this.unanswered > 0) return;
    if (this.isRefused) {
      this.isRefused = false;
      return;
    }
    stopBeating(this);
    this.#intake.refuse("connect_timeout", this.#connection);
    this.close();
  }

  close(): void {
    this.#connection.close();
  }
}

/**
 * Those who have opened an Engine.IO connection and are not admitted. They have a time to say who they are, and may send
 * one long frame, which holds that.
 */
export class Arrivals implements Door {
  readonly #intake: Intake;
  readonly #wheel: Heartbeat<Arrival>;

  /** @param connectTimeoutMs - who has not said in this time who it is goes; who was refused, in at most twice of it */
  constructor(intake: Intake, connectTimeoutMs: number, drop: Drop) {
    this.#intake = intake;
    this.#wheel = new Heartbeat(connectTimeoutMs, (error, known) => {
      drop(error, {
        destroy: () => {
          known.close();
        },
      });
    });
  }

  add(connection: object): void {
    const arriving = connection as ArrivingConnection;
    arriving.transport.intake?.limitFrames(this.#intake.maxConnectFrameBytes);
    arriving[arrival] = new Arrival(arriving, this.#intake);
    this.#wheel.add(arriving[arrival]);
  }

  /** The client has said who it is: it has nothing long to say any more. */
  connected(connection: object): void {
    const arriving = connection as ArrivingConnection;
    const known = arriving[arrival];
    if (!known) return;
    known.unanswered++;
    const { maxFrameBytes } = this.#intake;
    arriving.transport.intake?.limitFrames(maxFrameBytes);
    if (arriving.transport.name === "websocket") return;
    arriving.once("upgrade", ({ intake }) => intake?.limitFrames(maxFrameBytes));
  }

  refused(connection: object): void {
    const known = (connection as ArrivingConnection)[arrival];
    if (!known) return;
    known.unanswered--;
    known.isRefused = true;
  }

  close(): void {
    this.#wheel.close();
  }
}

/** To be called when a connection has been admitted, or has ended. */
export function hasArrived(connection: object): void {
  const arriving = connection as ArrivingConnection;
  if (!arriving[arrival]) return;
  stopBeating(arriving[arrival]);
  arriving[arrival] = undefined;
}
