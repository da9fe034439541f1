import { formatOffset, roomName, type Position } from "@inthon/emitter/protocol";
import type { Static } from "typebox";
import type { Distribution } from "../../../telemetry/distribution.js";
import {
  isReadable,
  type Broker,
  type HistoryPage,
  type PageLimit,
} from "../../../cluster/ports.js";
import { isInHistory } from "../../../cluster/standing.js";
import type { Authorize } from "../../gate/http-access.js";
import { READ_HISTORY } from "../../docs/operations.js";
import type { HistoryHead } from "../../docs/schemas.js";
import type { Http } from "../fastify.js";
import { HttpProblem } from "../problems.js";
import { readHistoryQuery, type HistoryQuery } from "./history-query.js";
import type { Readings } from "./readings.js";
import { sessionIdOf, type SessionParams } from "./session-id.js";
import { unavailable } from "./unavailable.js";

/** A page is put together from so many bytes at once. */
const PIECE_BYTES = 128 * 1024;
/** As Fastify says it. */
const JSON_CONTENT_TYPE = "application/json; charset=utf-8";
const COMMA = Buffer.from(",");
/** Before every event of every epoch. */
const THE_BEGINNING: Position = { epoch: 0, n: 0 };

/** What is answered, but for its `events`: `{ offset, event }` for each. */
type HistoryAnswer = Static<typeof HistoryHead>;

/** What has been read, as it is answered: each piece was encoded when it came, as all of them at once would hold everybody else up. */
interface Reading {
  readonly head: Position;
  readonly isComplete: boolean;
  readonly pieces: readonly Buffer[];
}

/**
 * `GET /sessions/:session_id/events?role=&after=&limit=` reads what a role was told.
 *
 * @param options - `authorize`: lets through who may read it; `readings`: how many do at the same time; `pageBytes`: of events in one answer; `historyReadSeconds`: what
 *   reading took
 */
export function historyRoutes(
  http: Http,
  broker: Broker,
  options: {
    authorize: Authorize;
    readings: Readings;
    pageBytes: number;
    historyReadSeconds: Distribution;
  },
): void {
  http.get<{ Params: SessionParams; Querystring: HistoryQuery }>(
    "/sessions/:session_id/events",
    { onRequest: options.authorize, config: { operation: READ_HISTORY } },
    async (request, reply) => {
      const sessionId = sessionIdOf(request);
      const { role, after, limit } = readHistoryQuery(request.query);
      const room = roomName(sessionId, role);
      try {
        const most = { events: limit, bytes: options.pageBytes };
        const { head, isComplete, pieces } = await options.readings.among(request, (rest) => {
          const look: Look = async (from, most) => {
            const page = await options.historyReadSeconds.time(broker.look(room, from, most));
            await rest(bytesOf(page));
            return page;
          };
          return readAfter(look, after, most);
        });
        const answer: HistoryAnswer = {
          session_id: sessionId,
          role,
          head: formatOffset(head),
          complete: isComplete,
        };
        void reply.type(JSON_CONTENT_TYPE);
        return toJson(answer, pieces);
      } catch (cause) {
        throw cause instanceof HttpProblem ? cause : unavailable(cause);
      }
    },
  );
}

/** Looks at a room's history, for somebody who still waits for it. */
type Look = (after: Position, limit: PageLimit) => Promise<HistoryPage>;

/** What comes after a position; where the history does not reach back to it, all that there is. */
async function readAfter(
  look: Look,
  after: Position | undefined,
  limit: PageLimit,
): Promise<Reading> {
  // Who has seen nothing, of a history that there was not yet, begins at the beginning.
  const isBeginning = !after || (after.epoch === 0 && after.n === 0);
  let page = await look(after ?? THE_BEGINNING, pieceOf(limit));
  const isReachable = isBeginning || isInHistory(page, after);
  if (!isReachable) page = await look(THE_BEGINNING, pieceOf(limit));
  const from = isReachable && after ? after : THE_BEGINNING;
  const first = page.events[0]?.position.n ?? page.head.n + 1;
  const pieces = encode(page);
  let left = less(limit, page);
  for (let last = page.events.at(-1); last && last.position.n < page.head.n;) {
    // Who reads on from the last event of an answer needs one.
    if ((left.events <= 0 || left.bytes <= 0) && pieces.length > 0) break;
    const next = await look(last.position, pieceOf(left));
    // What has been forgotten meanwhile is missed by whoever reads on, who is told so.
    if (next.events[0]?.position.n !== last.position.n + 1) break;
    // One event is in it in any case: it may be too much.
    const isTooMuch = pieces.length > 0 && bytesOf(next) > left.bytes;
    if (isTooMuch) break;
    page = next;
    pieces.push(...encode(page));
    left = less(left, page);
    last = page.events.at(-1);
  }
  return { head: page.head, pieces, isComplete: isReachable && first === from.n + 1 };
}

/** @returns the events of a page as JSON, with commas between them; nothing where there are none */
function encode({ events }: HistoryPage): Buffer[] {
  const texts = events
    .filter(isReadable)
    .map(({ offset, event }) => JSON.stringify({ offset, event }));
  return texts.length === 0 ? [] : [Buffer.from(texts.join(","))];
}

function toJson(answer: HistoryAnswer, pieces: readonly Buffer[]): Buffer {
  const head = JSON.stringify(answer).slice(0, -1);
  const events = pieces.flatMap((piece, index) => (index === 0 ? [piece] : [COMMA, piece]));
  return Buffer.concat([Buffer.from(`${head},"events":[`), ...events, Buffer.from("]}")]);
}

/** What Redis is asked for in one go: whatever else it is asked for waits until that has come. */
function pieceOf({ events, bytes }: PageLimit): PageLimit {
  return { events: Math.max(events, 1), bytes: Math.max(Math.min(bytes, PIECE_BYTES), 1) };
}

function less({ events, bytes }: PageLimit, page: HistoryPage): PageLimit {
  return { events: events - page.events.length, bytes: bytes - bytesOf(page) };
}

function bytesOf({ events }: HistoryPage): number {
  return events.reduce((sum, entry) => sum + (isReadable(entry) ? entry.bytes : 0), 0);
}
