import { setTimeout as delay } from "node:timers/promises";
import { createClient, ErrorReply } from "redis";
import {
  historyKey,
  parseOffset,
  parseSessionId,
  roomName,
  type Position,
  type RoomName,
} from "@inthon/emitter/protocol";
import type { RoomTruth } from "./room-truth.js";
import { idOf, type Truth } from "./truth.js";

/** Reads the histories of all rooms, and in the same moment, where asked to, has Redis forget everything; tells when. */
const READ = `
local histories = {}
for i, key in ipairs(KEYS) do
  histories[i] = redis.call('XRANGE', key, '-', '+')
end
if ARGV[1] == 'flush' then
  redis.call('FLUSHALL')
end
return { redis.call('TIME'), histories }`;

const GIVE_UP_MS = 10_000;

type Entry = [id: string, fields: string[]];

/** Runs one piece of work with a connection of its own; the work fails where Redis is away. */
export async function withRedis<T>(
  url: string,
  work: (client: ReturnType<typeof openClient>) => Promise<T>,
): Promise<T> {
  const client = openClient(url);
  client.on("error", () => undefined);
  try {
    await client.connect();
    return await work(client);
  } finally {
    client.destroy();
  }
}

/**
 * Does it again where another fault breaks the connection that it is done by.
 *
 * @param mayPass - whether what Redis itself says against it may be over soon
 */
export async function patiently<T>(
  work: () => Promise<T>,
  mayPass: (error: ErrorReply) => boolean = () => false,
): Promise<T> {
  for (const giveUpAt = Date.now() + GIVE_UP_MS; ;) {
    try {
      return await work();
    } catch (error) {
      if (error instanceof ErrorReply && !mayPass(error)) throw error;
      if (Date.now() > giveUpAt) throw error;
      await delay(50);
    }
  }
}

function openClient(url: string) {
  return createClient({ url, socket: { reconnectStrategy: false, connectTimeout: 5_000 } });
}

/**
 * Adds to the truth what history holds: it also knows of events that nobody was told of.
 *
 * @param reading - why; after a rollback, before anybody else reaches Redis
 * @returns when that was, by Redis's clock, in milliseconds since 1970
 */
export async function readHistories(
  url: string,
  truth: Truth,
  reading: { readonly kind: "look" | "flush" } | { readonly kind: "rollback"; readonly at: number },
): Promise<number> {
  const { rooms } = truth;
  const read = () =>
    withRedis(url, (client) =>
      client.eval(READ, {
        keys: rooms.map((room) => historyKey(nameOf(room))),
        arguments: [reading.kind],
      }),
    );
  // What is thrown away can be read once.
  const reply = await (reading.kind === "flush" ? read() : patiently(read));
  const [[seconds, microseconds], histories] = reply as unknown as [[string, string], Entry[][]];
  const now = Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
  for (const [i, entries] of histories.entries()) {
    rooms[i]?.read(placesIn(entries), { at: now, ...reading });
  }
  return now;
}

/**
 * The same where Redis is several nodes, each history by itself: whoever is gone by now is known as soon as all that has been
 * promoted can be read, though others reach it, too.
 *
 * @param ownerOf - who has a key
 */
export async function readEachHistory(
  ownerOf: (key: string) => Promise<(...args: string[]) => Promise<unknown>>,
  { rooms }: Truth,
  reading: { readonly kind: "look" } | { readonly kind: "rollback"; readonly at: number },
): Promise<void> {
  for (const room of rooms) {
    const key = historyKey(nameOf(room));
    // Its slot may be on its way.
    const entries = await patiently(
      async () => (await ownerOf(key))("XRANGE", key, "-", "+"),
      () => true,
    );
    room.read(placesIn(entries as Entry[]), reading);
  }
}

function placesIn(entries: readonly Entry[]): [Position, string][] {
  return entries.flatMap(([id, [, json = ""]]): [Position, string][] => {
    const position = parseOffset(id);
    return position ? [[position, idOf(JSON.parse(json) as Record<string, unknown>)]] : [];
  });
}

function nameOf({ session, role }: RoomTruth): RoomName {
  const id = parseSessionId(session);
  if (!id) throw new Error(`${session} is not a session`);
  return roomName(id, role);
}
