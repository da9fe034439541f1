import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyRequest } from "fastify";
import { parseRole } from "@inthon/emitter/protocol";
import { isForSession, TokenError, type Claims } from "../../classroom/tokens/claims.js";
import { bearerToken } from "./carried-token.js";
import { BEARER_TWICE, BEGINS_WITH_BEARER } from "./token-faults.js";
import { tokenProblem } from "./token-problem.js";
import type { TokenVerifier } from "./token-verifier.js";

/** A Fastify hook that lets through who may do something; it runs before a body is read. */
export type Authorize = (request: FastifyRequest) => Promise<void>;

/** Who may do what over HTTP. Who may publish in a session may read in it. */
export interface HttpAccess {
  readonly toPublish: Authorize;
  /** A teacher or a student may read what its own role was told in its own session. */
  readonly toReadHistory: Authorize;
  /** A teacher or a student may read it of its own session. */
  readonly toReadSession: Authorize;
  /** An operator sees the whole cluster, by a token for every session or by a key. */
  readonly toOperate: Authorize;
  /** When what the token of a request allows is over, in seconds since 1970; `undefined` where it came by none. */
  endOf(request: FastifyRequest): number | undefined;
  /** Who the token of a request was issued to, where it has come by one. */
  userOf(request: FastifyRequest): string | undefined;
}

export interface HttpAccessOptions {
  /** Keys that may do everything. */
  readonly publishKeys: readonly string[] | undefined;
  /** Where tokens are believed. Without it and without keys, anyone may do everything. */
  readonly verifier: TokenVerifier | undefined;
}

/** Whether a request is about what somebody with these claims may do, in a session that they are for. */
type May = (claims: Claims, request: FastifyRequest) => boolean;

const NO_KEY =
  "this is none of the server's publish keys: send one as it is, Authorization: Bearer <key>";
const NEITHER =
  "this is neither one of the server's publish keys nor a right token (JWT, three parts with dots between them): send one of them, Authorization: Bearer <key or token>";
const KEY_ADVICE = "send one of the server's publish keys: Authorization: Bearer <key>";
const TOKEN_ADVICE = "send it, or a publish key: Authorization: Bearer <token>";
const FORBIDDEN =
  "this token is not for this: a publisher's does everything in its session, a teacher's or a student's reads the history of its own role, and the state of its session; an operator's for every session (session_id *) sees the cluster, and reads";

export function httpAccess({ publishKeys, verifier }: HttpAccessOptions): HttpAccess {
  const digests = publishKeys?.map(digest) ?? [];
  const isOpen = !publishKeys && !verifier;
  const claimsOf = new WeakMap<FastifyRequest, Claims>();

  const check = async (request: FastifyRequest, may: May): Promise<void> => {
    const token = bearerToken(request.headers);
    if (token !== undefined && isOneOf(digests, token)) return;
    if (token !== undefined && BEGINS_WITH_BEARER.test(token)) {
      throw new TokenError("unauthorized", BEARER_TWICE);
    }
    if (!verifier) throw new TokenError("unauthorized", token === undefined ? KEY_ADVICE : NO_KEY);
    if (digests.length > 0 && token !== undefined && token.split(".").length !== 3) {
      throw new TokenError("unauthorized", NEITHER);
    }
    const claims = await verifier.verify(token, TOKEN_ADVICE);
    const { session_id } = request.params as { readonly session_id?: unknown };
    if (!may(claims, request) || !isForSession(claims, session_id)) {
      throw new TokenError("forbidden", FORBIDDEN, undefined, claims);
    }
    claimsOf.set(request, claims);
  };

  const authorize = (may: May): Authorize => {
    if (isOpen) return () => Promise.resolve();
    return (request) =>
      check(request, may).catch((error: unknown) => {
        throw tokenProblem(error);
      });
  };

  return {
    toPublish: authorize(({ role }) => role === "publisher"),
    toReadHistory: authorize((claims, request) => {
      if (claims.role === "publisher" || claims.role === "operator") return true;
      // What is no role at all is told so by the route.
      const role = parseRole((request.query as { readonly role?: unknown }).role);
      return role === undefined || role === claims.role;
    }),
    toReadSession: authorize(() => true),
    // Of one session's operator there is nothing that is not of the others, too.
    toOperate: authorize(({ role, sessionId }) => role === "operator" && sessionId === "*"),
    endOf: (request) => claimsOf.get(request)?.endsAtS,
    userOf: (request) => claimsOf.get(request)?.user,
  };
}

function isOneOf(digests: readonly Buffer[], key: string): boolean {
  if (digests.length === 0) return false;
  const given = digest(key);
  // Digests have one length, and comparing them takes one time: neither says anything of a key.
  return digests.filter((known) => timingSafeEqual(known, given)).length > 0;
}

function digest(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}
