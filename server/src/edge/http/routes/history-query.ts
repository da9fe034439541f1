import { parseOffset, parseRole, type Position, type Role } from "@inthon/emitter/protocol";
import { HttpProblem } from "../problems.js";

/** The events of a page, where its reader does not say how many. */
export const DEFAULT_LIMIT = 100;
/** The events of a page, at most. */
export const MAX_LIMIT = 1_000;

/** What stands behind the `?` of a request for a history. */
export interface HistoryQuery {
  role?: string;
  after?: string;
  limit?: string;
}

/** @throws HttpProblem 400 that names the first parameter that is wrong */
export function readHistoryQuery(query: HistoryQuery): {
  role: Role;
  after: Position | undefined;
  limit: number;
} {
  const role = parseRole(query.role);
  if (!role) throw invalid("/role", 'must be "teacher" or "student"');
  const after = query.after === undefined ? undefined : parseOffset(query.after);
  if (query.after !== undefined && !after) {
    throw invalid("/after", "must be an offset, such as 1700000000000-42");
  }
  const limit = query.limit === undefined ? DEFAULT_LIMIT : Number(query.limit);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
    throw invalid("/limit", `must be a whole number from 1 to ${String(MAX_LIMIT)}`);
  }
  return { role, after, limit };
}

function invalid(path: string, message: string): HttpProblem {
  const detail = `the query's ${path.slice(1)} ${message}`;
  return new HttpProblem(400, "invalid_request", detail, { errors: [{ path, message }] });
}
