import type { CodeOf } from "../http/problem-codes.js";
import type { JsonSchema } from "./plain-schema.js";

/** Who is let through: whoever may publish; also a member of the session; a member alone, who connects; an operator; anyone. */
export type Access = "publisher" | "member" | "connection" | "operator" | "anyone";

/** A parameter that is not in the path. */
export interface Parameter {
  readonly name: string;
  readonly in: "query" | "header";
  readonly required?: boolean;
  readonly description: string;
  readonly schema: JsonSchema;
  readonly example?: unknown;
}

/** An answer that is no problem. */
export interface Answer {
  readonly description: string;
  readonly contentType?: string;
  readonly schema?: JsonSchema;
  readonly examples?: Readonly<Record<string, unknown>>;
}

/** The problems that a route answers with, besides those that any request may meet; by their statuses. */
export type ProblemsByStatus = {
  readonly [
    Status in 400 | 401 | 403 | 404 | 408 | 413 | 415 | 417 | 426 | 429 | 431 | 500 | 503
  ]?: readonly CodeOf<Status>[];
};

/** What a route says of itself for the documents at `/docs`. */
export interface Operation {
  readonly method: "get" | "post";
  /** Unique. */
  readonly id: string;
  readonly tag: "Publish" | "Read" | "Listen" | "Operate";
  readonly summary: string;
  readonly description: string;
  readonly access: Access;
  readonly parameters: readonly Parameter[];
  readonly body?: {
    readonly description: string;
    readonly schema: JsonSchema;
    readonly examples: Readonly<Record<string, unknown>>;
  };
  readonly answers: Readonly<Record<number, Answer>>;
  readonly problems: ProblemsByStatus;
}

/** For a route that is no part of the interface, such as a page. */
export const NO_OPERATION = "none";

declare module "fastify" {
  interface FastifyContextConfig {
    /** What `/docs` says of the route. */
    operation?: Operation | typeof NO_OPERATION;
  }
}
