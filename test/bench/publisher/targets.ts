import { connect, type EmitArguments } from "@inthon/emitter";
import {
  EVENTS,
  parseSessionId,
  roomName,
  type EventPayloads,
  type SessionId,
} from "@inthon/emitter/protocol";
import { Emitter as StockEmitter } from "@socket.io/redis-emitter";
import { createClient } from "redis";
import type { CountedEvent } from "../load/event-number.js";
import type { Target } from "./api.js";

/** Publishes one counted event. Resolves when Redis has confirmed it. */
export interface Publishing {
  emit(session: string, event: CountedEvent, number: number): Promise<unknown>;
  close(): Promise<void>;
}

const CAPTURE_URL = "https://captures.example.com/2026/03/lecture-42/slide-17.png";
const QUESTION = "Why is the time complexity of a heap insertion logarithmic and not constant?";
/** As long as one of our offsets, so that the floor writes as many bytes as we do. */
const OFFSET = "1767225600000-1";

export async function openTarget({ kind, redisUrl }: Target): Promise<Publishing> {
  switch (kind) {
    case "ours":
      return openOurs(redisUrl);
    case "stock":
      return openStock(redisUrl);
    case "floor":
      return openFloor(redisUrl);
  }
}

async function openOurs(redisUrl: string): Promise<Publishing> {
  const emitter = await connect(redisUrl);
  return {
    emit: (session, event, number) =>
      emitter.emit(session, event, ...([payloadOf(event, number)] as EmitArguments<typeof event>)),
    close: () => emitter.close(),
  };
}

async function openStock(redisUrl: string): Promise<Publishing> {
  const client = createClient({ url: redisUrl });
  client.on("error", () => undefined);
  await client.connect();
  let published: Promise<unknown> = Promise.resolve();
  // The emitter does not await what it publishes; we want to know when Redis has it.
  const emitter = new StockEmitter({
    publish: (channel: string, message: Buffer) => {
      published = client.publish(channel, message);
    },
  });
  return {
    emit: (session, event, number) => {
      emitter.to(roomsOf(session, event)).emit(event, bodyOf(event, number));
      return published;
    },
    close: () => client.close(),
  };
}

async function openFloor(redisUrl: string): Promise<Publishing> {
  const client = createClient({ url: redisUrl });
  client.on("error", () => undefined);
  await client.connect();
  return {
    emit: (_, event, number) =>
      client.publish("floor", `42${JSON.stringify([event, bodyOf(event, number), OFFSET])}`),
    close: () => client.close(),
  };
}

const sessionIds = new Map<string, SessionId>();

/** The rooms that our emitter would choose. */
function roomsOf(session: string, event: CountedEvent): string[] {
  const id = sessionIds.get(session) ?? parseSessionId(session);
  if (!id) throw new Error(`${session} is no session id`);
  sessionIds.set(session, id);
  return EVENTS[event].audience.map((role) => roomName(id, role));
}

/** The payload of each event as the contract has it; `question_id` comes first, and counts. */
const PAYLOADS: {
  readonly [Name in CountedEvent]: (question_id: number, created_at: string) => EventPayloads[Name];
} = {
  question_capture: (question_id, created_at) => ({
    question_id,
    capture_url: CAPTURE_URL,
    created_at,
  }),
  question_intent: (question_id, created_at) => ({ question_id, created_at }),
  new_question: (question_id, created_at) => ({
    question_id,
    cleaned_text: QUESTION,
    capture_url: CAPTURE_URL,
    created_at,
  }),
  question_like_update: (question_id) => ({ question_id, like_count: question_id }),
};

function payloadOf<Name extends CountedEvent>(event: Name, number: number): EventPayloads[Name] {
  return PAYLOADS[event](number, new Date().toISOString());
}

/** What a client receives, for a target that does not add the event's name by itself. */
function bodyOf(event: CountedEvent, number: number): object {
  return { event, ...payloadOf(event, number) };
}
