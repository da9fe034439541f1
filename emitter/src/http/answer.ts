import { parseOffset, parseRole } from "../protocol/index.js";
import type { PublishResult } from "../publisher.js";

/** Ten times what a thousand events are answered with. */
const MAX_ANSWER_BYTES = 2 * 1024 * 1024;
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json$/;
const PROBLEM_TYPE = "application/problem+json";

/** What came back, from a server or from something before it. */
export interface Answer {
  readonly status: number;
  /** Of its content, without parameters: `""` where none is named. */
  readonly type: string;
  /** What its JSON holds; `undefined` where it is none, such as the page of a proxy, or not whole. */
  readonly json: unknown;
  /** Where a redirect leads. */
  readonly location: string | undefined;
}

/** As a server of ours says what is wrong (RFC 9457, and a code). */
export interface Problem {
  readonly code: string;
  readonly detail?: unknown;
  readonly errors?: unknown;
}

/** Reads an answer, and no more of it than one of ours can be long. */
export async function readAnswer(response: Response): Promise<Answer> {
  const [type = ""] = (response.headers.get("content-type") ?? "").split(";");
  return {
    status: response.status,
    type: type.trim().toLowerCase(),
    json: await readJson(response),
    location: response.headers.get("location") ?? undefined,
  };
}

async function readJson(response: Response): Promise<unknown> {
  if (!response.body) return undefined;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    // Leaving the loop ends the connection.
    if (bytes > MAX_ANSWER_BYTES) return undefined;
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString()) as unknown;
  } catch {
    return undefined;
  }
}

/** What a server of ours says is wrong; `undefined` where somebody else says so. */
export function problemIn({ type, json }: Answer): Problem | undefined {
  return type === PROBLEM_TYPE && isObject(json) && typeof json["code"] === "string"
    ? (json as Partial<Problem> & Pick<Problem, "code">)
    : undefined;
}

/**
 * What became of so many events; `undefined` where the answer does not say that of each.
 *
 * @param count - of them, or `undefined` for one that was not sent in an array
 */
export function resultsIn({ status, json }: Answer, count?: number): PublishResult[] | undefined {
  if (status !== 202) return undefined;
  const results: unknown = count === undefined ? [json] : json;
  if (!Array.isArray(results) || results.length !== (count ?? 1)) return undefined;
  return results.every(isResult) ? results : undefined;
}

/** Whether it began as a server's answer does, and lacks its end. */
export function isCutOff({ status, type, json }: Answer): boolean {
  return status === 202 && json === undefined && JSON_TYPE.test(type);
}

function isResult(value: unknown): value is PublishResult {
  if (!isObject(value) || typeof value["duplicate"] !== "boolean") return false;
  const { offsets } = value;
  if (!isObject(offsets)) return false;
  // Every event has an audience.
  const places = Object.entries(offsets);
  return (
    places.length > 0 && places.every(([role, offset]) => parseRole(role) && parseOffset(offset))
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
