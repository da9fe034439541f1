import { randomUUID } from "node:crypto";
import { once } from "node:events";
import type { Test } from "tap";
import { WebSocket } from "ws";
import { connect, type Emitter } from "@inthon/emitter";
import { parseOffset } from "@inthon/emitter/protocol";
import { socketIo, type ClassroomSocket } from "../../helpers/clients/clients.js";
import { Inbox } from "../../helpers/clients/inbox.js";
import { eventually } from "../../helpers/eventually.js";
import { startOnRedis } from "../../helpers/deployments/on-redis.js";
import type { DeploymentOptions } from "../../helpers/deployments/parts.js";

/** Redis comes back with less than it had: its history stood at 8, and stands at 5. */
export const KEPT = 5;
export const LOST = [6, 7, 8];

export interface Heard {
  readonly note: string;
  readonly offset: string;
}

/** The stock client, which comes back by itself, with what it was told of coming back. */
export class Stayer {
  readonly heard = new Inbox<Heard>();
  /** `socket.recovered` of each connection. */
  readonly recovered = new Inbox<boolean>();
  readonly #socket: ClassroomSocket;

  constructor(url: string, session: string) {
    this.#socket = socketIo({ url, session, role: "student", kind: "websocket" });
    this.#socket.on("connected", () => {
      this.recovered.add(this.#socket.recovered);
    });
    this.#socket.onAny((_name: string, { note }: { note?: string }, offset: string) => {
      if (note !== undefined) this.heard.add({ note, offset });
    });
  }

  close(): void {
    this.#socket.close();
  }
}

/** What a plain client hears that comes back with the place that it has seen last. */
export async function comeBack(t: Test, url: string, session: string, offset: string) {
  const target = `${url.replace("http", "ws")}/ws/session/${session}/student/?offset=${offset}`;
  const inbox = new Inbox<Record<string, string>>();
  const socket = new WebSocket(target);
  t.teardown(() => {
    socket.terminate();
  });
  socket.on("error", () => undefined);
  socket.on("message", (data) => {
    inbox.add(JSON.parse((data as Buffer).toString()) as Record<string, string>);
  });
  const closed = once(socket, "close").then(([code]) => code as number);
  const connected = await inbox.next(({ event }) => event === "connected");
  return { isRecovered: connected["offset"] === offset, inbox, closed };
}

export const notes = (inbox: Inbox<Record<string, string>>) =>
  inbox.items.flatMap(({ note }) => (note === undefined ? [] : [note]));

export async function open(t: Test, wanted: DeploymentOptions) {
  const { cluster, redis } = await startOnRedis(t, { replicas: 2, redis: wanted });
  const [first = "", second = ""] = cluster.replicas.map(({ url }) => url);
  const session = randomUUID();
  const emitter = await connect(cluster.redisUrl);
  t.teardown(() => emitter.close());
  const stayer = new Stayer(first, session);
  t.teardown(() => {
    stayer.close();
  });
  await stayer.recovered.next();
  const say = async (by: Emitter, note: string) => {
    const { offsets } = await by.emit(session, "important", { note, capture_url: null });
    return offsets.student ?? "";
  };
  const offsets: string[] = [];
  for (let n = 1; n <= KEPT; n++) offsets.push(await say(emitter, `old ${String(n)}`));
  if (wanted.appendOnly !== true) await redis.everywhere("SAVE");
  for (const n of LOST) offsets.push(await say(emitter, `old ${String(n)}`));
  await stayer.heard.until(({ length }) => length === KEPT + LOST.length);
  t.strictSame(
    offsets.map((offset) => parseOffset(offset)?.n),
    [1, 2, 3, 4, 5, 6, 7, 8],
  );
  /** Redis dies, and is back. */
  const restart = async () => {
    redis.kill("SIGKILL");
    await redis.exited;
    await redis.restart();
  };
  const isReady = () =>
    eventually(async () => {
      const answers = await Promise.all(
        [first, second].map(async (url) => (await fetch(`${url}/readyz`)).status),
      );
      return answers.every((status) => status === 200);
    });
  return {
    cluster,
    redis,
    first,
    second,
    session,
    emitter,
    stayer,
    say,
    offsets,
    restart,
    isReady,
  };
}

export type Opened = Awaited<ReturnType<typeof open>>;

/** Three events after the loss, by an emitter that knew Redis before. */
export async function sayNew({ say, emitter }: Opened): Promise<string[]> {
  const offsets: string[] = [];
  for (const n of LOST) offsets.push(await say(emitter, `new ${String(n)}`));
  return offsets;
}
