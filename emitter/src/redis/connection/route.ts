import type { ConnectionOptions } from "./client.js";
import { hostAndPort, type RedisAddress, type RedisTarget } from "./redis-url.js";
import { tlsOptions, type TlsSource } from "./tls.js";

/** Told that connections have to be left, and why. */
export type MoveListener = (cause: Error) => void;

/** Those who say where the way leads. Connections stay where they are without them, but nobody hears of another primary. */
export interface Guides {
  /** Why none of them says so; `undefined` where one does. */
  readonly trouble: Error | undefined;
  /** Told when that begins, once, and with `undefined` when it ends. */
  onChange(listener: (trouble: Error | undefined) => void): void;
  /** Each of them, and why it does not answer. */
  each(): readonly { readonly name: string; readonly trouble: Error | undefined }[];
  /** Told when one of them ceases to answer, once, and with `undefined` when it answers again. */
  onOne(listener: (name: string, trouble: Error | undefined) => void): void;
}

/** The way to a Redis. */
export interface RedisRoute {
  /** Not there where nobody has to be asked. */
  readonly guides?: Guides;
  /** Where it leads, in words: no password is in them. */
  readonly name: string;
  /**
   * Where the next connection goes, and by which user.
   *
   * @param signal - aborts when nobody waits for it any more
   */
  next(signal: AbortSignal): Promise<ConnectionOptions>;
  /** Told when the connections that were made lead to the wrong Redis by now. */
  onMove(listener: MoveListener): void;
  close(): Promise<void>;
}

/** Always to the same address: whoever listens there is right. */
export class DirectRoute implements RedisRoute {
  readonly name: string;
  readonly #target: RedisTarget & { readonly kind: "standalone" };
  readonly #tls: TlsSource;

  constructor(target: RedisTarget & { readonly kind: "standalone" }, tls: TlsSource) {
    this.name = hostAndPort(target.address);
    this.#target = target;
    this.#tls = tls;
  }

  next(): Promise<ConnectionOptions> {
    return connectionTo(this.#target.address, this.#target, this.#tls);
  }

  onMove(): void {
    // It never does.
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Rejects where the certificates are none by now. */
export function connectionTo(
  address: RedisAddress,
  { username, password, isTls }: Partial<RedisTarget>,
  tls: TlsSource,
): Promise<ConnectionOptions> {
  return Promise.resolve()
    .then(() => (isTls === true ? tls() : undefined))
    .then((certificates) => ({
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      socket: { ...address, ...(certificates && tlsOptions(certificates, address)) },
    }));
}
