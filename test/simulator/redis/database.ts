import { Stream } from "./stream.js";

/** What a key holds. Characters of strings are bytes. */
export type Value =
  | { readonly kind: "string"; text: string }
  | { readonly kind: "set"; readonly members: Set<string> }
  | { readonly kind: "hash"; readonly fields: Map<string, string> }
  | { readonly kind: "zset"; readonly scores: Map<string, number> }
  | { readonly kind: "stream"; readonly stream: Stream };

type Kind = Value["kind"];
type ValueOf<K extends Kind> = Extract<Value, { readonly kind: K }>;

interface Entry {
  readonly value: Value;
  /** By Redis's wall clock. */
  expiresAt: number | undefined;
}

/** Thrown by a command, and answered. */
export class CommandError extends Error {}

const WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value";

const EMPTY: { readonly [K in Kind]: () => ValueOf<K> } = {
  string: () => ({ kind: "string", text: "" }),
  set: () => ({ kind: "set", members: new Set() }),
  hash: () => ({ kind: "hash", fields: new Map() }),
  zset: () => ({ kind: "zset", scores: new Map() }),
  stream: () => ({ kind: "stream", stream: new Stream() }),
};

/** The keys of one Redis. */
export class Database {
  readonly #entries: Map<string, Entry>;
  readonly #now: () => number;

  /** @param now - Redis's wall clock */
  constructor(now: () => number, entries = new Map<string, Entry>()) {
    this.#now = now;
    this.#entries = entries;
  }

  get keys(): readonly string[] {
    return [...this.#entries.keys()].filter((key) => this.find(key));
  }

  find(key: string): Value | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    if (entry.expiresAt === undefined || entry.expiresAt > this.#now()) return entry.value;
    this.#entries.delete(key);
    return undefined;
  }

  /** @throws CommandError where it holds something else */
  get<K extends Kind>(key: string, kind: K): ValueOf<K> | undefined {
    const value = this.find(key);
    if (value && value.kind !== kind) throw new CommandError(WRONG_TYPE);
    return value as ValueOf<K> | undefined;
  }

  /** The same, and begins one where there is none. */
  make<K extends Kind>(key: string, kind: K): ValueOf<K> {
    const found = this.get(key, kind);
    if (found) return found;
    const value = EMPTY[kind]();
    this.#entries.set(key, { value, expiresAt: undefined });
    return value;
  }

  set(key: string, value: Value, expiresAt?: number): void {
    this.#entries.set(key, { value, expiresAt });
  }

  delete(key: string): boolean {
    return this.find(key) !== undefined && this.#entries.delete(key);
  }

  /** Takes a key with its expiry to another one. */
  give(key: string, to: Database): void {
    const entry = this.find(key) && this.#entries.get(key);
    if (!entry) return;
    const { value, expiresAt } = entry;
    this.#entries.delete(key);
    const leftMs = expiresAt === undefined ? undefined : expiresAt - this.#now();
    to.#entries.set(key, {
      value,
      expiresAt: leftMs === undefined ? undefined : to.#now() + leftMs,
    });
  }

  rename(key: string, to: string): boolean {
    const entry = this.find(key) && this.#entries.get(key);
    if (!entry) return false;
    this.#entries.delete(key);
    this.#entries.set(to, entry);
    return true;
  }

  /** A collection without anything in it is none. */
  dropIfEmpty(key: string, size: number): void {
    if (size === 0) this.#entries.delete(key);
  }

  expiry(key: string): number | undefined {
    return this.#entries.get(key)?.expiresAt;
  }

  expireAt(key: string, at: number): void {
    const entry = this.#entries.get(key);
    if (entry) entry.expiresAt = at;
  }

  /** Another one with the same in it, with a clock of its own. */
  copy(now = this.#now): Database {
    const entries = new Map<string, Entry>();
    for (const [key, { value, expiresAt }] of this.#entries) {
      entries.set(key, { value: copyOf(value), expiresAt });
    }
    return new Database(now, entries);
  }
}

function copyOf(value: Value): Value {
  switch (value.kind) {
    case "string":
      return { ...value };
    case "set":
      return { kind: "set", members: new Set(value.members) };
    case "hash":
      return { kind: "hash", fields: new Map(value.fields) };
    case "zset":
      return { kind: "zset", scores: new Map(value.scores) };
    case "stream":
      return { kind: "stream", stream: value.stream.copy() };
  }
}
