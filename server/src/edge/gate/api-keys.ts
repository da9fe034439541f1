import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyRequest } from "fastify";
import { HttpProblem } from "../http/problems.js";

/**
 * A Fastify hook that lets through who sends one of the keys as a bearer token.
 *
 * @param publishKeys - `undefined` lets anyone through
 */
export function requireKey(publishKeys: readonly string[] | undefined) {
  const digests = publishKeys?.map(digest);
  return (request: FastifyRequest): Promise<void> => {
    if (!digests) return Promise.resolve();
    const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
    const given = token === undefined ? undefined : digest(token);
    // Digests have one length, and comparing them takes one time: neither says anything of a key.
    const matches = digests.filter((known) => given && timingSafeEqual(known, given));
    if (matches.length > 0) return Promise.resolve();
    const problem = new HttpProblem(
      401,
      "unauthorized",
      "send one of the server's publish keys: Authorization: Bearer <key>",
      { headers: { "www-authenticate": "Bearer" } },
    );
    return Promise.reject(problem);
  };
}

function digest(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}
