import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { Inbox } from "./inbox.js";

/** An event of a stream, as EventSource dispatches it. */
export interface StreamedEvent {
  readonly event: string;
  /** The last id that was told up to then. */
  readonly id: string;
  readonly data: string;
}

export interface StreamOptions {
  /** Where the client stopped, as EventSource says it. */
  readonly lastEventId?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
  /** Ends it, answered or not. */
  readonly signal?: AbortSignal;
}

/** An answer to a client that asked for an event stream, read as the HTML standard says (section 9.2.6). It does not come back. */
export class EventStream {
  readonly events = new Inbox<StreamedEvent>();
  /** Lines that mean nothing, heartbeats among them. */
  readonly comments = new Inbox<string>();
  /** How long the client is to wait before it comes back, in ms. */
  retryMs: number | undefined;
  /** All that has come: the body of an answer that is no stream. */
  text = "";
  readonly response: IncomingMessage;
  /** Resolves when the answer has ended, however it did. */
  readonly ended: Promise<void>;
  #unread = "";
  #event = "";
  /** Of the event that is coming. */
  #id: string;
  #lastEventId: string;
  #data: string[] = [];

  private constructor(response: IncomingMessage, lastEventId: string) {
    this.response = response;
    this.#id = lastEventId;
    this.#lastEventId = lastEventId;
    response.setEncoding("utf8");
    response.on("data", (text: string) => {
      this.#read(text);
    });
    // Whoever cuts it, or is cut.
    response.on("error", () => undefined);
    this.ended = new Promise((resolve) => response.once("close", resolve));
  }

  /** Resolves with the answer, whatever its status. */
  static async open(
    url: string,
    path: string,
    { lastEventId = "", headers = {}, method = "GET", signal }: StreamOptions = {},
  ): Promise<EventStream> {
    const asked = request(`${url}${path}`, {
      method,
      agent: false,
      ...(signal && { signal }),
      headers: {
        accept: "text/event-stream",
        ...(lastEventId !== "" && { "last-event-id": lastEventId }),
        ...headers,
      },
    });
    // Whoever waits for the answer is told; later it is told by the end of that.
    asked.on("error", () => undefined);
    asked.end();
    const [response] = (await once(asked, "response")) as [IncomingMessage];
    return new EventStream(response, lastEventId);
  }

  get status(): number | undefined {
    return this.response.statusCode;
  }

  /** With what it would come back: an event that has not come whole has not come. */
  get lastEventId(): string {
    return this.#lastEventId;
  }

  close(): void {
    this.response.destroy();
  }

  #read(text: string): void {
    this.text += text;
    const lines = `${this.#unread}${text}`.split("\n");
    this.#unread = lines.pop() ?? "";
    for (const line of lines) this.#take(line);
  }

  #take(line: string): void {
    if (line === "") {
      this.#dispatch();
      return;
    }
    const colon = line.indexOf(":");
    const value = line.slice(colon + 1).replace(/^ /, "");
    switch (line.slice(0, colon)) {
      case "":
        this.comments.add(value);
        break;
      case "event":
        this.#event = value;
        break;
      case "id":
        this.#id = value;
        break;
      case "data":
        this.#data.push(value);
        break;
      case "retry":
        this.retryMs = Number(value);
        break;
      default:
        throw new Error(`no line of an event stream: ${line}`);
    }
  }

  #dispatch(): void {
    const data = this.#data.join("\n");
    const event = this.#event === "" ? "message" : this.#event;
    const isEmpty = this.#data.length === 0;
    this.#data = [];
    this.#event = "";
    this.#lastEventId = this.#id;
    if (!isEmpty) this.events.add({ event, id: this.#id, data });
  }
}
