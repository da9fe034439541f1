import { createHash } from "node:crypto";
import type { Random } from "../world/random.js";
import { COMMANDS } from "./commands/commands.js";
import type { CommandContext } from "./commands/command.js";
import { CommandError, Database } from "./database.js";
import type { LuaScripts, ScriptHost } from "./lua.js";
import { idText } from "./stream.js";
import { ErrorReply, FlatMap, Later, OK, Status, encodePush, type Reply } from "./replies.js";

/** A client of it, as far as it is told something without having asked. */
export interface Subscriber {
  readonly channels: Set<string>;
  /** Those that belong to a slot. */
  readonly shardChannels: Set<string>;
  /** Whether its next command goes where an ASK has sent it. */
  isAsking: boolean;
  push(bytes: string): void;
  /** Somebody has published something to one of its channels. */
  message(bytes: string): void;
}

/** What a Redis knows as a node of a cluster. */
export interface Membership {
  /** Why it is not this node that does it, if it is not. */
  refusalOf(words: readonly string[], isAsking: boolean): ErrorReply | undefined;
  /** `CLUSTER` */
  answer(args: readonly string[]): Reply;
}

/** Who answers at an address. */
export interface Listening {
  readonly isFrozen: boolean;
  execute(words: readonly string[], client: Subscriber): Reply | Later | undefined;
  leave(client: Subscriber): void;
}

/** What judges are told of a Redis. */
export interface RedisObserver {
  /** An entry has been added to a stream, behind another one. */
  onAppend(key: string, id: string, fields: readonly string[], before: string | undefined): void;
  /** A script has ended by a fault of its own. */
  onScriptFault(message: string): void;
  /** A message has been published; the keys are as they are after that. */
  onPublish(redis: RedisServer, channel: string, message: string): void;
}

/** What it does before it has loaded its data. */
const WHILE_LOADING: ReadonlySet<string> = new Set([
  "HELLO",
  "CLIENT",
  "INFO",
  "TIME",
  "SUBSCRIBE",
  "UNSUBSCRIBE",
  "SSUBSCRIBE",
  "SUNSUBSCRIBE",
  "PUBLISH",
  "SPUBLISH",
]);
const OUT_OF_MEMORY = "OOM command not allowed when used memory > 'maxmemory'.";
const READ_ONLY = "READONLY You can't write against a read only replica.";

export interface ServerParts {
  /** The world's wall clock. */
  readonly clock: () => number;
  readonly random: Random;
  readonly scripts: LuaScripts;
  readonly observer: RedisObserver;
}

/**
 * A Redis: one command after the other, on keys that it can lose. Scripts are run by a real Lua.
 *
 * It answers what Redis 7.0 answers to what the product asks of it; a test compares the two on random calls.
 */
export class RedisServer implements CommandContext, Listening {
  readonly name: string;
  readonly #scripts: LuaScripts;
  readonly #observer: RedisObserver;
  readonly #random: Random;
  readonly #clock: () => number;
  readonly #known = new Map<string, string>();
  readonly port: number;
  readonly #subscribers = new Map<string, Set<Subscriber>>();
  readonly #shardSubscribers = new Map<string, Set<Subscriber>>();
  #member: Membership | undefined;
  #broadcast: (channel: string, message: string) => void = () => undefined;
  /** How long a replica takes to acknowledge; `undefined` where there is none. */
  replicaLagMs: number | undefined;
  /** Told when it gets a key of another Redis, which no replica has acknowledged. */
  onGain: () => void = () => undefined;
  /** Told what replicas have acknowledged, and when it was so. */
  onAcknowledged: (database: Database, at: number) => void = () => undefined;
  readonly #followers = new Set<RedisServer>();
  #primary: RedisServer | undefined;
  #database: Database;
  /** Changes whenever it begins anew. */
  incarnation: string;
  isFull = false;
  isFrozen = false;
  isLoading = false;
  /** Commands that its users may not use. */
  readonly denied = new Set<string>();
  clockAheadMs = 0;
  /** So many commands so far. */
  served = 0;

  constructor(name: string, port: number, { clock, random, scripts, observer }: ServerParts) {
    this.name = name;
    this.port = port;
    this.#clock = clock;
    this.#random = random;
    this.#scripts = scripts;
    this.#observer = observer;
    this.#database = new Database(() => this.now);
    this.incarnation = random.hex(40);
  }

  get isReplica(): boolean {
    return this.#primary !== undefined;
  }

  /** Its keys; a replica's are its primary's. */
  get database(): Database {
    return this.#primary?.database ?? this.#database;
  }

  /** Is told that another one is the primary: has its keys from now on, and passes on what it publishes. */
  follow(primary: RedisServer): void {
    this.#primary = primary;
    primary.#followers.add(this);
  }

  /** Its wall clock. */
  get now(): number {
    return this.#clock() + this.clockAheadMs;
  }

  /** Another process, or another role: with the keys that are given. Nobody is subscribed to anything. */
  beginAnew(database: Database): void {
    this.#database = database.copy(() => this.now);
    this.incarnation = this.#random.hex(40);
    this.#known.clear();
    this.#subscribers.clear();
    this.#shardSubscribers.clear();
    this.#primary = undefined;
    this.#followers.clear();
  }

  forgetScripts(): void {
    this.#known.clear();
  }

  /** Takes away keys, as `maxmemory` does. */
  evict(count: number, of: string): readonly string[] {
    const gone: string[] = [];
    for (let i = 0; i < count; i++) {
      const keys = this.database.keys.filter((key) => key.startsWith(of));
      if (keys.length === 0) break;
      const key = this.#random.of(keys);
      this.database.delete(key);
      gone.push(key);
    }
    return gone;
  }

  /** @returns what to answer; `undefined` where the answer has been pushed */
  execute(words: readonly string[], client: Subscriber): Reply | Later | undefined {
    this.served++;
    const [given = "", ...args] = words;
    const name = given.toUpperCase();
    if (this.isLoading && !WHILE_LOADING.has(name))
      return new ErrorReply("LOADING Redis is loading the dataset in memory");
    const isAsking = client.isAsking;
    client.isAsking = false;
    const refusal = this.#member?.refusalOf(words, isAsking);
    if (refusal) return refusal;
    switch (name) {
      case "HELLO":
        return new FlatMap([
          "server",
          "redis",
          "version",
          "7.0.15",
          "proto",
          3,
          "mode",
          this.#member ? "cluster" : "standalone",
        ]);
      case "CLIENT":
        if (args[0]?.toUpperCase() !== "INFO") return OK;
        return `id=1 sub=${String(client.channels.size)} ssub=${String(client.shardChannels.size)}\n`;
      case "ASKING":
        client.isAsking = true;
        return OK;
      case "CLUSTER":
        return (
          this.#member?.answer(args) ??
          new ErrorReply("ERR This instance has cluster support disabled")
        );
      case "PING":
        return new Status("PONG");
      case "SUBSCRIBE":
      case "SSUBSCRIBE":
        if (this.denied.has(name)) return this.#denial(name);
        this.#subscribe(args, client, name.toLowerCase());
        return undefined;
      case "UNSUBSCRIBE":
      case "SUNSUBSCRIBE":
        this.#unsubscribe(args, client, name.toLowerCase());
        return undefined;
      case "EVAL":
      case "EVALSHA":
        return this.#evaluate(name, args, isAsking);
      case "SCRIPT":
        this.forgetScripts();
        return OK;
      case "WAIT":
        return this.#wait(Number(args[0]), Number(args[1]));
      default:
        return this.#call(words, { wrote: true, isScript: false });
    }
  }

  #wait(count: number, timeoutMs: number): Reply | Later {
    if (count === 0) return this.replicaLagMs === undefined ? 0 : 1;
    const lagMs = this.replicaLagMs ?? Infinity;
    if (count > 1 || lagMs > timeoutMs || this.isReplica) return new Later(timeoutMs, () => 0);
    const [database, at] = [this.database.copy(), this.#clock()];
    const { incarnation } = this;
    return new Later(this.#random.between(0, lagMs), () => {
      if (incarnation !== this.incarnation || this.isReplica) return 0;
      this.onAcknowledged(database, at);
      return 1;
    });
  }

  leave(client: Subscriber): void {
    for (const isSharded of [false, true]) {
      const { own, all } = this.#listsOf(client, isSharded);
      for (const channel of own) all.get(channel)?.delete(client);
      own.clear();
    }
  }

  /** Has become a node of a cluster. @param broadcast - tells all others */
  join(member: Membership, broadcast: (channel: string, message: string) => void): void {
    this.#member = member;
    this.#broadcast = broadcast;
  }

  /** Another node of its cluster has published something. */
  hear(channel: string, message: string): void {
    this.#tell(this.#subscribers, channel, encodePush(["message", channel, message]));
  }

  /** Lets go of channels by itself, and says so. */
  dropShardChannels(isDropped: (channel: string) => boolean): void {
    for (const [channel, clients] of this.#shardSubscribers) {
      if (!isDropped(channel)) continue;
      for (const client of clients) this.#unsubscribe([channel], client, "sunsubscribe");
    }
  }

  /** Sends a key to another Redis, as `MIGRATE` does: it is there from then on, and not here. */
  giveKey(key: string, to: RedisServer): void {
    to.onGain();
    this.database.give(key, to.database);
  }

  #listsOf(client: Subscriber, isSharded: boolean) {
    return isSharded
      ? { own: client.shardChannels, all: this.#shardSubscribers }
      : { own: client.channels, all: this.#subscribers };
  }

  #subscribe(channels: readonly string[], client: Subscriber, kind: string): void {
    const { own, all } = this.#listsOf(client, kind === "ssubscribe");
    for (const channel of channels) {
      own.add(channel);
      const listeners = all.get(channel) ?? new Set();
      all.set(channel, listeners.add(client));
      client.push(encodePush([kind, channel, own.size]));
    }
  }

  #unsubscribe(channels: readonly string[], client: Subscriber, kind: string): void {
    const { own, all } = this.#listsOf(client, kind === "sunsubscribe");
    for (const channel of channels) {
      own.delete(channel);
      all.get(channel)?.delete(client);
      client.push(encodePush([kind, channel, own.size]));
    }
  }

  #evaluate(name: string, args: readonly string[], isAsking: boolean): Reply {
    const [script = "", count = "0", ...rest] = args;
    let text = this.#known.get(script.toLowerCase());
    if (name === "EVAL") {
      text = script;
      this.#known.set(createHash("sha1").update(script, "latin1").digest("hex"), script);
    }
    if (text === undefined) return new ErrorReply("NOSCRIPT No matching script. Please use EVAL.");
    if (this.denied.has(name)) return this.#denial(name);
    const state = { wrote: false, isScript: true, isAsking };
    const host: ScriptHost = {
      call: (words) => this.#call(words, state),
      onFault: (message) => {
        this.#observer.onScriptFault(message);
      },
      mayCallAll: this.denied.size === 0,
      mayCall: ([command = ""]) => !this.denied.has(command.toUpperCase()),
    };
    const keys = rest.slice(0, Number(count));
    return this.#scripts.run(text, keys, rest.slice(Number(count)), host);
  }

  /** @param state - whether a script has written: then it may go on, also where memory is full */
  #call(
    words: readonly string[],
    state: { wrote: boolean; readonly isScript: boolean; readonly isAsking?: boolean },
  ): Reply {
    const [given = "", ...args] = words;
    const name = given.toUpperCase();
    const command = COMMANDS.get(name);
    if (!command) {
      return new ErrorReply(
        state.isScript
          ? "ERR Unknown Redis command called from script"
          : `ERR unknown command '${given}', with args beginning with: `,
      );
    }
    if (state.isScript && this.#member?.refusalOf(words, state.isAsking === true))
      return new ErrorReply("ERR Script attempted to access a non local key in a cluster node");
    if (this.denied.has(name)) {
      if (!state.isScript) return this.#denial(name);
      return new ErrorReply(
        "ERR The user executing the script can't run this command or subcommand",
      );
    }
    if (command.isWrite && this.isReplica) return new ErrorReply(READ_ONLY);
    const isRefused = command.needsMemory && this.isFull && !(state.isScript && state.wrote);
    if (isRefused) return new ErrorReply(OUT_OF_MEMORY);
    if (command.isWrite) state.wrote = true;
    try {
      const reply = command.run(args, this);
      if (name === "XADD" && typeof reply === "string") this.#tellAppend(args[0] ?? "");
      return reply;
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      return new ErrorReply(error.message);
    }
  }

  #tellAppend(key: string): void {
    const entries = this.database.get(key, "stream")?.stream.entries ?? [];
    const [before, entry] = [entries.at(-2), entries.at(-1)];
    if (entry) this.#observer.onAppend(key, idText(entry), entry.fields, before && idText(before));
  }

  #denial(name: string): ErrorReply {
    return new ErrorReply(
      `NOPERM this user has no permissions to run the '${name.toLowerCase()}' command`,
    );
  }

  /** {@link CommandContext} */
  publish(channel: string, message: string, isSharded: boolean): number {
    const bytes = encodePush([isSharded ? "smessage" : "message", channel, message]);
    const heard = this.#tell(this.#listenersOf(isSharded), channel, bytes);
    if (this.#member && !isSharded) this.#broadcast(channel, message);
    else for (const one of this.#followers) one.#tell(one.#listenersOf(isSharded), channel, bytes);
    if (!this.isReplica) this.#observer.onPublish(this, channel, message);
    return heard;
  }

  #listenersOf(isSharded: boolean): ReadonlyMap<string, Set<Subscriber>> {
    return isSharded ? this.#shardSubscribers : this.#subscribers;
  }

  #tell(all: ReadonlyMap<string, Set<Subscriber>>, channel: string, bytes: string): number {
    const listeners = all.get(channel) ?? new Set<Subscriber>();
    for (const listener of listeners) listener.message(bytes);
    return listeners.size;
  }

  /** {@link CommandContext} */
  info(section: string): string {
    if (section === "server") return `# Server\r\nrun_id:${this.incarnation}\r\n`;
    const role = this.isReplica ? "slave" : "master";
    return `# Replication\r\nrole:${role}\r\nconnected_slaves:0\r\nmaster_replid:${this.#primary?.incarnation ?? this.incarnation}\r\nmaster_replid2:${"0".repeat(40)}\r\n`;
  }
}
