import { EmitterError, parseRedisState, type Fault } from "../errors.js";
import { isCutOff, problemIn, type Answer, type Problem } from "./answer.js";

/** What passes by itself, whoever says so: 5xx does too, but for those that say that it is no HTTP API there. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429]);
const NO_API: ReadonlySet<number> = new Set([404, 405, 501, 505]);

/**
 * What an answer means that does not say what became of the events.
 *
 * @param base - the target
 * @param asked - the URL that was asked
 */
export function refusalOf(answer: Answer, base: URL, asked: URL): EmitterError {
  const problem = problemIn(answer);
  if (problem && (answer.status !== 404 || problem.code === "invalid_session_id")) {
    return ofServer(answer.status, problem);
  }
  return ofSomethingElse(answer, base, asked);
}

function ofServer(status: number, problem: Problem): EmitterError {
  const { code } = problem;
  const detail =
    typeof problem.detail === "string" ? problem.detail : `HTTP status ${String(status)}`;
  if (status === 401 || status === 403) return new EmitterError("unauthorized", detail);
  if (status === 413) return new EmitterError("event_too_large", detail);
  if (status === 400 && code === "invalid_event") {
    return new EmitterError("invalid_event", detail, { faults: faultsIn(problem) });
  }
  if (code === "redis_refuses_part") {
    const cause = new EmitterError("rejected", detail);
    return new EmitterError("unavailable", detail, { cause });
  }
  const isFinal = code === "redis_denies_access" || code === "redis_refuses";
  const isPassing = !isFinal && mayPass(status);
  if (!isPassing) return new EmitterError("rejected", detail);
  return new EmitterError(parseRedisState(code) ?? "unavailable", detail);
}

function mayPass(status: number): boolean {
  return PASSING.has(status) || (status >= 500 && !NO_API.has(status));
}

/** What a server says is wrong with an event; what is no such thing is left out. */
function faultsIn({ errors }: Problem): Fault[] {
  if (!Array.isArray(errors)) return [];
  return (errors as readonly unknown[]).flatMap((error) => {
    const { path, message } = (error ?? {}) as Partial<Record<keyof Fault, unknown>>;
    return typeof path === "string" && typeof message === "string" ? [{ path, message }] : [];
  });
}

/** A proxy, a login page, another program: told as what it is, for whoever has to look there. */
function ofSomethingElse(answer: Answer, base: URL, asked: URL): EmitterError {
  const { status, type } = answer;
  const where = base.origin + base.pathname;
  const what = `${String(status)}, ${type === "" ? "without a type" : type}`;
  if (isCutOff(answer)) {
    return new EmitterError("unavailable", `${base.origin} answered with JSON that is not whole`);
  }
  // Nobody knows what became of the events, and no repetition finds out before the target has been mended.
  if (status < 300) {
    const message = `${where} answered as no server of the classroom does (${what}): see that the target is its URL, and that what is before it leaves its answers as they are`;
    const cause = new EmitterError("rejected", message);
    return new EmitterError("unavailable", message, { cause });
  }
  if (status < 400) {
    const to = answer.location === undefined ? "" : ` to ${targetOf(answer.location, asked)}`;
    const message = `${where} redirects${to} (${String(status)}), where no key is sent: give that as the target`;
    return new EmitterError("rejected", message);
  }
  if (status === 401 || status === 403 || status === 407) {
    const message = `something before the server at ${where} refuses (${what}): see to who may pass there, the key has not been judged`;
    return new EmitterError("unauthorized", message);
  }
  if (NO_API.has(status)) {
    const message = `${where} is not where a server is (${what}): the target is its URL without the paths below it`;
    return new EmitterError("rejected", message);
  }
  if (status === 413) {
    const message = `something before the server at ${where} takes no body of this length (${what}): raise its limit, or publish less at once`;
    return new EmitterError("event_too_large", message);
  }
  if (mayPass(status)) {
    const message = `something before the server at ${where} answered (${what}): see whether it reaches the server`;
    return new EmitterError("unavailable", message);
  }
  const hint =
    base.protocol === "http:" && status === 400 ? ", and whether it is https:// there" : "";
  const message = `${where} refuses as no server of the classroom does (${what}): see that the target is its URL${hint}`;
  return new EmitterError("rejected", message);
}

/** What would have been the target. Without a query, which may hold a secret. */
function targetOf(location: string, asked: URL): string {
  if (!URL.canParse(location, asked.href)) return "what is no URL";
  const { origin, pathname } = new URL(location, asked);
  return origin + pathname.replace(/sessions\/[^/]*\/events\/?$/, "");
}
