import { readFileSync } from "node:fs";
import { parseRedisUrl, tlsProblem, type RedisTarget, type RedisTls } from "@inthon/emitter";
import { wholeNumber, type Reader } from "./readers.js";

/** Files with PEM, by their names; read anew for each connection, so that a certificate can be renewed. */
export interface TlsFiles {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

/** Where the replicas meet. */
export type ClusterConfig =
  | { readonly kind: "memory" }
  | {
      readonly kind: "redis";
      readonly target: RedisTarget;
      readonly tls: TlsFiles;
      /** So many replicas of Redis must have an event before its publisher is told so; 0 for none. */
      readonly waitReplicas: number;
    };

const file: Reader<string | undefined> = (text) => {
  if (text === undefined) return undefined;
  // It never appears in a message: it may be the key itself.
  if (text.includes("-----BEGIN")) throw new Error("must be the name of a file, not what it holds");
  try {
    readFileSync(text);
    return text;
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    throw new Error(`must be the name of a file that can be read (${code})`, { cause: error });
  }
};

/** The variables. What they hold never appears in a message. */
export const REDIS_READERS = {
  REDIS_URL: (text): RedisTarget | undefined => {
    if (text === undefined) return undefined;
    const target = parseRedisUrl(text);
    if ("problem" in target) throw new Error(target.problem);
    return target;
  },
  REDIS_TLS_CA: file,
  REDIS_TLS_CERT: file,
  REDIS_TLS_KEY: file,
  REDIS_WAIT_REPLICAS: wholeNumber(0, 0, 100),
} satisfies Record<string, Reader<unknown>>;

type Variable = keyof typeof REDIS_READERS;

/** @returns what the variables say together, or what is wrong with one of them */
export function toCluster(
  read: <Name extends Variable>(variable: Name) => ReturnType<(typeof REDIS_READERS)[Name]>,
): ClusterConfig | { readonly variable: Variable; readonly problem: string } {
  const target = read("REDIS_URL");
  const files = {
    REDIS_TLS_CA: read("REDIS_TLS_CA"),
    REDIS_TLS_CERT: read("REDIS_TLS_CERT"),
    REDIS_TLS_KEY: read("REDIS_TLS_KEY"),
  } as const;
  const { REDIS_TLS_CA: ca, REDIS_TLS_CERT: cert, REDIS_TLS_KEY: key } = files;
  const tls: TlsFiles = { ca, cert, key };
  const waitReplicas = read("REDIS_WAIT_REPLICAS");
  if (target?.isTls !== true) {
    const idle = Object.entries(files).find(([, name]) => name !== undefined);
    if (idle) {
      return {
        variable: idle[0] as Variable,
        problem: "is for a REDIS_URL that begins with rediss",
      };
    }
    if (target) return { kind: "redis", target, tls, waitReplicas };
    if (waitReplicas === 0) return { kind: "memory" };
    return { variable: "REDIS_WAIT_REPLICAS", problem: "is for a Redis, and REDIS_URL names none" };
  }
  const { ca: authorities, ...own } = tlsFrom(tls)();
  const problemOfCa = tlsProblem(authorities === undefined ? {} : { ca: authorities });
  if (problemOfCa !== undefined) return { variable: "REDIS_TLS_CA", problem: problemOfCa };
  const problem = tlsProblem(own);
  if (problem === undefined) return { kind: "redis", target, tls, waitReplicas };
  return { variable: cert === undefined ? "REDIS_TLS_KEY" : "REDIS_TLS_CERT", problem };
}

/** What the files hold, whenever that is asked. */
export function tlsFrom({ ca, cert, key }: TlsFiles): () => RedisTls {
  return () => ({
    ...(ca !== undefined && { ca: readFileSync(ca) }),
    ...(cert !== undefined && { cert: readFileSync(cert) }),
    ...(key !== undefined && { key: readFileSync(key) }),
  });
}
