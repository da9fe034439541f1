import { Check } from "typebox/value";
import type { Static } from "typebox";
import { BoardBusy, type Board } from "../../cluster/ports.js";
import { Found, Wanted, type FoundConnection } from "../../classroom/report/report.js";
import { HttpProblem } from "../http/problems.js";
import { RETRY_AFTER, unavailable } from "../http/routes/unavailable.js";
import type { FoundConnections } from "./schemas.js";

/** A replica hears of a question with the renewal of its lease, a tenth of it long. */
const PATIENCE_MS = 4_000;
const MAX_FOUND = 50;

/** Has every replica look among its own connections: one search at a time, as each looks at all of them. */
export class Search {
  readonly #board: Board;
  #isUnderWay = false;

  constructor(board: Board) {
    this.#board = board;
  }

  /** @throws HttpProblem */
  async find(query: {
    readonly id?: unknown;
    readonly user?: unknown;
  }): Promise<Static<typeof FoundConnections>> {
    const wanted = readWanted(query);
    if (this.#isUnderWay) throw busy();
    this.#isUnderWay = true;
    try {
      const { texts, silent } = await this.#board.ask(JSON.stringify(wanted), PATIENCE_MS);
      const all = texts.map(parse);
      const connections = all.flatMap((found): FoundConnection[] => found?.connections ?? []);
      const hasMore = connections.length > MAX_FOUND || all.some((found) => found?.has_more);
      return { connections: connections.slice(0, MAX_FOUND), has_more: hasMore, silent };
    } catch (error) {
      throw error instanceof BoardBusy ? busy() : unavailable(error);
    } finally {
      this.#isUnderWay = false;
    }
  }
}

function readWanted({ id, user }: { readonly id?: unknown; readonly user?: unknown }): Wanted {
  const wanted: unknown = id === undefined ? { user } : { id };
  const isOne = (id === undefined) !== (user === undefined);
  // `renew.lua` hands on no longer ones, and a user has up to three bytes for each character.
  if (isOne && Check(Wanted, wanted) && Buffer.byteLength(JSON.stringify(wanted)) <= 1_000) {
    return wanted;
  }
  const detail = "the query must have one of id (up to 64 characters) and user (up to 255)";
  throw new HttpProblem(400, "invalid_request", detail);
}

function busy(): HttpProblem {
  const detail = "another search is under way in the cluster: try again in a few seconds";
  return new HttpProblem(503, "overloaded", detail, { headers: RETRY_AFTER });
}

function parse(text: string): Found | undefined {
  try {
    const found: unknown = JSON.parse(text);
    return Check(Found, found) ? found : undefined;
  } catch {
    return undefined;
  }
}
