import type { DeliveryTally } from "../telemetry/delivery-tally.js";
import type { ClassroomEvent, ConnectedEvent, Offset } from "@inthon/emitter/protocol";

/** An event as a connection gets it. */
export interface SentEvent {
  readonly event: ClassroomEvent | ConnectedEvent;
  readonly offset: Offset;
}

/** A form in which events go to connections. */
export type Encoding<Form> = (events: readonly SentEvent[]) => Form;

/** Events on their way to connections, encoded once for each form that one of them speaks. */
export class Batch {
  readonly events: readonly SentEvent[];
  /** Counts each writing of them to a connection. */
  readonly tally: DeliveryTally;
  readonly #forms = new Map<Encoding<unknown>, unknown>();

  constructor(events: readonly SentEvent[], tally: DeliveryTally) {
    this.events = events;
    this.tally = tally;
  }

  /** The events in a form, made when it is first asked for. */
  as<Form>(encoding: Encoding<Form>): Form {
    const known = this.#forms.get(encoding) as Form | undefined;
    if (known !== undefined) return known;
    const form = encoding(this.events);
    this.#forms.set(encoding, form);
    return form;
  }
}

/** The way to one connection. */
export interface Lane {
  /** Writes events in the form that the connection speaks, behind all that was written to it before. */
  write(batch: Batch): void;
  /** Lets all that is written to the connection in this turn of the event loop go out together. */
  gather(): void;
  /** Whether the client has read what was written to it, but for what is under way. */
  readonly isRead: boolean;
  /** Calls once when that may have changed, or never where the connection ends before. */
  onceRead(listener: () => void): void;
  /** Ends a connection that reads too slowly, in a way in which its client comes back and resumes. */
  cut(): void;
  /** Ends it for an error that nobody expected, and has that logged: its client comes back, and nobody else is concerned. */
  drop(error: unknown): void;
}
