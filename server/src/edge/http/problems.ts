import { STATUS_CODES } from "node:http";
import type { Fault } from "@inthon/emitter";
import type { RefusalDetail } from "../../telemetry/refusals.js";
import type { ProblemCode, StatusOf } from "./problem-codes.js";

/** An error as HTTP clients get it (RFC 9457). */
export interface Problem {
  readonly type: "about:blank";
  readonly title: string;
  readonly status: number;
  /** What went wrong and what to do, for people. */
  readonly detail: string;
  /** What went wrong, for programs. */
  readonly code: ProblemCode;
  /** The faults of an event, each with its path. */
  readonly errors?: readonly Fault[];
  /** The key under which it was tried to publish: a repetition with it doubles nothing. */
  readonly idempotency_key?: string;
}

export const PROBLEM_CONTENT_TYPE = "application/problem+json; charset=utf-8";

/** What is wrong now may be right a moment later; without it a 404 may be kept on its way (RFC 9111, section 4.2.2). */
const NOT_KEPT = { "cache-control": "no-store" };

/** Where clients connect to, for those who have knocked somewhere else. */
export const NOTHING_HERE =
  "connect to /ws/session/<session_id>/<role>/, where the role is teacher or student and the session id is 1 to 64 characters of A-Z a-z 0-9 _ -";

interface ProblemOptions {
  readonly errors?: readonly Fault[];
  readonly idempotencyKey?: string | undefined;
  readonly headers?: Record<string, string>;
  readonly cause?: unknown;
  readonly known?: RefusalDetail;
}

/** A code has its statuses, and no others. */
type ProblemArguments = {
  [Code in ProblemCode]: [
    status: StatusOf<Code>,
    code: Code,
    detail: string,
    options?: ProblemOptions,
  ];
}[ProblemCode];

/** Thrown by routes; the error handler sends it. */
export class HttpProblem extends Error {
  override readonly name = "HttpProblem";
  readonly problem: Problem;
  readonly headers: Readonly<Record<string, string>>;
  /** What the log is told besides, and the client is not. */
  readonly known: RefusalDetail;

  /** What is sent of it. */
  get body(): string {
    return JSON.stringify(this.problem);
  }

  get contentType(): string {
    return PROBLEM_CONTENT_TYPE;
  }

  constructor(...[status, code, detail, options = {}]: ProblemArguments) {
    // Nobody reads its stack, and taking that would be a good part of what refusing somebody costs.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.headers = { ...NOT_KEPT, ...options.headers };
    this.known = options.known ?? {};
    this.problem = {
      type: "about:blank",
      title: STATUS_CODES[status] ?? "Error",
      status,
      detail,
      code,
      ...(options.errors && { errors: options.errors }),
      ...(options.idempotencyKey !== undefined && { idempotency_key: options.idempotencyKey }),
    };
  }
}

/** @param hasDocs - whether this server has `/docs`, where that is known */
export function nothingThere(hasDocs = false): HttpProblem {
  const where = hasDocs
    ? "see /docs, or the README, for the paths"
    : "see the README for the paths";
  return new HttpProblem(404, "not_found", `there is nothing here: ${where}`);
}
