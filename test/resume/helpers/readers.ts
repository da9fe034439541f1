import { WebSocket } from "ws";
import { EventStream } from "../../helpers/clients/event-stream.js";
import { Inbox } from "../../helpers/clients/inbox.js";

/** What a client keeps to come back with: its offset, and with Socket.IO its `pid`. */
export interface Place {
  readonly pid?: string;
  readonly offset: string;
}

/** A client of one protocol that keeps its place, and can stop reading as one whose network is too slow. */
export interface Reader {
  /** The note of each important event, else the event's name. */
  readonly told: Inbox<string>;
  readonly place: Place;
  /** Resolves when its connection is over, with the close code of a plain WebSocket. */
  readonly lost: Promise<number | undefined>;
  stopReading(): void;
  readOn(): void;
  close(): void;
}

/** Comes to a session as a student, anew or to go on from a place; resolves when it has been told `connected`. */
export type Open = (url: string, session: string, place?: Place) => Promise<Reader>;

/** The four protocols, each by its name in the log. */
export const READERS: Readonly<Record<string, Open>> = {
  websocket: overWebSocket,
  polling: overPolling,
  plain,
  "event-stream": eventStream,
};

const pathOf = (session: string) => `/ws/session/${session}/student/`;

/** What has been told, and the newest place. */
class Notes {
  readonly told = new Inbox<string>();
  place: Place;

  constructor(place: Place | undefined) {
    this.place = place ?? { offset: "" };
  }

  add({ event, note }: { event: string; note?: string }, offset: string | undefined): void {
    this.place = { ...this.place, ...(offset !== undefined && { offset }) };
    this.told.add(note ?? event);
  }

  /** A packet of Engine.IO with what Socket.IO sends, and what is answered to it. */
  take(packet: string): string | undefined {
    if (packet.startsWith("0{")) {
      return this.place.offset === "" ? "40" : `40${JSON.stringify(this.place)}`;
    }
    if (packet === "2") return "3";
    if (packet.startsWith("40")) {
      this.place = { ...this.place, ...(JSON.parse(packet.slice(2)) as { pid: string }) };
    }
    if (packet.startsWith("42")) {
      const [, object, offset] = JSON.parse(packet.slice(2)) as [
        string,
        { event: string; note?: string },
        string?,
      ];
      this.add(object, offset);
    }
    return undefined;
  }
}

async function byWebSocket(
  target: string,
  notes: Notes,
  take: (text: string) => string | undefined,
): Promise<Reader> {
  const socket = new WebSocket(target.replace("http", "ws"), {
    perMessageDeflate: false,
  });
  socket.on("message", (data) => {
    const answer = take((data as Buffer).toString());
    if (answer !== undefined) socket.send(answer);
  });
  // Followed by `close`.
  socket.on("error", () => undefined);
  const lost = new Promise<number>((resolve) => socket.once("close", resolve));
  await notes.told.next((event) => event === "connected");
  return {
    told: notes.told,
    get place() {
      return notes.place;
    },
    lost,
    stopReading: () => {
      socket.pause();
    },
    readOn: () => {
      socket.resume();
    },
    close: () => {
      socket.terminate();
    },
  };
}

function overWebSocket(url: string, session: string, place?: Place): Promise<Reader> {
  const notes = new Notes(place);
  const target = `${url}${pathOf(session)}?EIO=4&transport=websocket`;
  return byWebSocket(target, notes, (packet) => notes.take(packet));
}

function plain(url: string, session: string, place?: Place): Promise<Reader> {
  const notes = new Notes(place);
  const target = `${url}${pathOf(session)}?offset=${place?.offset ?? ""}`;
  return byWebSocket(target, notes, (frame) => {
    const object = JSON.parse(frame) as { event: string; note?: string; offset?: string };
    notes.add(object, object.offset);
    return undefined;
  });
}

async function overPolling(url: string, session: string, place?: Place): Promise<Reader> {
  const notes = new Notes(place);
  const away = new AbortController();
  let target = `${url}${pathOf(session)}?EIO=4&transport=polling`;
  let mayRead = Promise.resolve();
  let readOn: () => void = () => undefined;
  const ask = async (body?: string) => {
    const asked = { signal: away.signal, ...(body !== undefined && { body }) };
    const answer = await fetch(target, { method: body === undefined ? "GET" : "POST", ...asked });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${String(answer.status)} ${text}`);
    return text;
  };
  const poll = async () => {
    for (;;) {
      await mayRead;
      for (const packet of (await ask()).split("\x1e")) {
        const sid = /^0.*"sid":"([^"]+)"/.exec(packet)?.[1];
        if (sid !== undefined) target += `&sid=${sid}`;
        const answer = notes.take(packet);
        if (answer !== undefined) await ask(answer);
      }
    }
  };
  const lost = poll().catch(() => undefined);
  await notes.told.next((event) => event === "connected");
  return {
    told: notes.told,
    get place() {
      return notes.place;
    },
    lost,
    stopReading: () => {
      mayRead = new Promise((resolve) => (readOn = resolve));
    },
    readOn: () => {
      readOn();
    },
    close: () => {
      readOn();
      away.abort();
    },
  };
}

async function eventStream(url: string, session: string, place?: Place): Promise<Reader> {
  const notes = new Notes(place);
  const options = { lastEventId: place?.offset };
  const stream = await EventStream.open(url, pathOf(session), options);
  stream.events.each(({ id, data }) => {
    notes.add(JSON.parse(data) as { event: string; note?: string }, id);
  });
  await notes.told.next((event) => event === "connected");
  return {
    told: notes.told,
    get place() {
      return notes.place;
    },
    lost: stream.ended.then(() => undefined),
    stopReading: () => {
      stream.response.pause();
    },
    readOn: () => {
      stream.response.resume();
    },
    close: () => {
      stream.close();
    },
  };
}
