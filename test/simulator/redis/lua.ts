import { Lua } from "wasmoon-lua5.1";
import { Double, ErrorReply, FlatMap, Status, type Reply } from "./replies.js";

/** What a script asks of the Redis that runs it. */
export interface ScriptHost {
  /** A command of `redis.call` and `redis.pcall`. */
  call(words: readonly string[]): Reply;
  /** Told of what no command has answered: the script itself is wrong. */
  onFault(message: string): void;
  /** Whether it lets its user do everything. */
  readonly mayCallAll: boolean;
  /** `redis.acl_check_cmd` */
  mayCall(words: readonly string[]): boolean;
}

/** A function of WebAssembly that takes numbers and answers with one. */
type Native = (...args: number[]) => number;

/** The part of wasmoon's module that is used: Lua's own C interface. Pinned by a test. */
interface LuaModule {
  readonly HEAPU8: Uint8Array;
  readonly HEAPU32: Uint32Array;
  readonly addFunction: (run: Native, signature: string) => number;
  readonly [name: `_${string}`]: Native;
}

const REGISTRY = -10_000;
const GLOBALS = -10_002;
const [NIL, BOOLEAN, NUMBER, STRING, TABLE] = [0, 1, 3, 4, 5] as const;
/** Of the buffer by which strings come and go; longer ones get one of their own. */
const SCRATCH_BYTES = 1 << 16;

/** In front of all scripts: what Redis puts there, and what it leaves out. */
const PRELUDE = `
local call, may, real_error, real_type = __call, __may, error, type
redis = {
  call = function(...)
    local reply = call(...)
    if real_type(reply) == 'table' and reply.err then real_error(reply) end
    return reply
  end,
  pcall = function(...) return call(...) end,
  acl_check_cmd = function(...) return __may_all or may(...) end,
  error_reply = function(text) return { err = (string.gsub(text, '^%-', '')) } end,
  status_reply = function(text) return { ok = text } end,
}
__call, __may, io, os, package, require, dofile, loadfile, debug, print, module = nil
`;

/** Lua 5.1, as Redis has it, for all Redis of all worlds: a script leaves nothing behind but its compiled text. */
export class LuaScripts {
  static #one: Promise<LuaScripts> | undefined;
  readonly #lua: LuaModule;
  readonly #state: number;
  readonly #scratch: number;
  readonly #length: number;
  /** By text: where Lua keeps what it has compiled. */
  readonly #compiled = new Map<string, number>();
  #host: ScriptHost | undefined;

  /** One for the process. */
  static load(): Promise<LuaScripts> {
    this.#one ??= Lua.create().then((lua) => new LuaScripts(lua));
    return this.#one;
  }

  private constructor(lua: Lua) {
    this.#lua = lua.luaApi.module as unknown as LuaModule;
    this.#state = Number(lua.global.address);
    const { _malloc: allocate } = this.#lua;
    this.#scratch = allocate?.(SCRATCH_BYTES) ?? 0;
    this.#length = allocate?.(4) ?? 0;
    this.#setFunction("__call", () => {
      this.#push(this.#host?.call(this.#arguments()) ?? null);
      return 1;
    });
    this.#setFunction("__may", () => {
      this.#do("lua_pushboolean", this.#host?.mayCall(this.#arguments()) === true ? 1 : 0);
      return 1;
    });
    this.#compile(PRELUDE, "prelude");
    this.#do("lua_pcall", 0, 0, 0);
  }

  /** Runs a script to its end. */
  run(text: string, keys: readonly string[], args: readonly string[], host: ScriptHost): Reply {
    const before = this.#host;
    this.#host = host;
    try {
      return this.#run(text, keys, args);
    } finally {
      this.#host = before;
      this.#do("lua_settop", 0);
    }
  }

  #run(text: string, keys: readonly string[], args: readonly string[]): Reply {
    let reference = this.#compiled.get(text);
    if (reference === undefined) {
      if (this.#compile(text, "@user_script") !== 0)
        return new ErrorReply(`ERR Error compiling script (new function): ${this.#string(-1)}`);
      reference = this.#do("luaL_ref", REGISTRY);
      this.#compiled.set(text, reference);
    }
    for (const [name, list] of [
      ["KEYS", keys],
      ["ARGV", args],
    ] as const) {
      this.#pushList(list);
      this.#setField(GLOBALS, name);
    }
    this.#do("lua_pushboolean", this.#host?.mayCallAll === true ? 1 : 0);
    this.#setField(GLOBALS, "__may_all");
    this.#do("lua_rawgeti", REGISTRY, reference);
    if (this.#do("lua_pcall", 0, 1, 0) === 0) return this.#value(-1);
    const error = this.#do("lua_type", -1) === TABLE ? this.#field(-1, "err") : undefined;
    if (error === undefined) this.#host?.onFault(this.#string(-1));
    const message = error ?? `ERR ${this.#string(-1)}`;
    return new ErrorReply(`${message} script: 0, on @user_script:0.`);
  }

  #do(name: string, ...args: number[]): number {
    const native = this.#lua[`_${name}`];
    if (!native) throw new Error(`Lua has no ${name}`);
    return native(this.#state, ...args);
  }

  #setFunction(name: string, run: () => number): void {
    this.#do("lua_pushcclosure", this.#lua.addFunction(run, "ii"), 0);
    this.#setField(GLOBALS, name);
  }

  #compile(text: string, name: string): number {
    return this.#withBytes(text, (at) =>
      this.#withBytes(`${name}\0`, (nameAt) =>
        this.#do("luaL_loadbuffer", at, text.length, nameAt),
      ),
    );
  }

  /** What a script gave to `redis.call`. */
  #arguments(): string[] {
    const count = this.#do("lua_gettop");
    const words: string[] = [];
    for (let i = 1; i <= count; i++) words.push(this.#string(i));
    return words;
  }

  #string(index: number): string {
    // Lua would turn the number on its stack into a string, as a table's key too: Redis prints it, with 17 digits.
    if (this.#do("lua_type", index) === NUMBER) return numberText(this.#do("lua_tonumber", index));
    const at = this.#do("lua_tolstring", index, this.#length);
    const length = this.#lua.HEAPU32[this.#length >> 2] ?? 0;
    const { buffer } = this.#lua.HEAPU8;
    return Buffer.from(buffer, at, length).toString("latin1");
  }

  #pushString(text: string): void {
    this.#withBytes(text, (at) => this.#do("lua_pushlstring", at, text.length));
  }

  #withBytes<T>(text: string, use: (at: number) => T): T {
    const { length } = text;
    const isLong = length > SCRATCH_BYTES / 2;
    const { _malloc: allocate, _free: release } = this.#lua;
    // A name may stand beside a text.
    const at = isLong
      ? (allocate?.(length) ?? 0)
      : this.#scratch + (text.endsWith("\0") ? SCRATCH_BYTES / 2 : 0);
    Buffer.from(this.#lua.HEAPU8.buffer, at, length).write(text, "latin1");
    try {
      return use(at);
    } finally {
      if (isLong) release?.(at);
    }
  }

  #setField(index: number, name: string): void {
    this.#withBytes(`${name}\0`, (at) => this.#do("lua_setfield", index, at));
  }

  #pushList(list: readonly Reply[]): void {
    this.#do("lua_createtable", list.length, 0);
    for (const [i, item] of list.entries()) {
      this.#push(item);
      this.#do("lua_rawseti", -2, i + 1);
    }
  }

  /** As scripts see replies: RESP2. */
  #push(reply: Reply): void {
    if (typeof reply === "string") this.#pushString(reply);
    else if (typeof reply === "number") this.#do("lua_pushnumber", reply);
    else if (reply === null || reply === false) this.#do("lua_pushboolean", 0);
    else if (reply === true) this.#do("lua_pushboolean", 1);
    else if (reply instanceof Double) this.#pushString(reply.text);
    else if (reply instanceof FlatMap) this.#pushList(reply.entries);
    else if (reply instanceof Status || reply instanceof ErrorReply) {
      this.#do("lua_createtable", 0, 1);
      this.#pushString(reply instanceof Status ? reply.text : reply.message);
      this.#setField(-2, reply instanceof Status ? "ok" : "err");
    } else this.#pushList(reply);
  }

  #field(index: number, name: string): string | undefined {
    this.#pushString(name);
    this.#do("lua_rawget", index < 0 ? index - 1 : index);
    const text = this.#do("lua_type", -1) === STRING ? this.#string(-1) : undefined;
    this.#do("lua_settop", -2);
    return text;
  }

  /** What a script returns. */
  #value(index: number): Reply {
    const type = this.#do("lua_type", index);
    if (type === NIL) return null;
    if (type === BOOLEAN) return this.#do("lua_toboolean", index) === 1 ? 1 : null;
    if (type === NUMBER) return Math.trunc(this.#do("lua_tonumber", index));
    if (type === STRING) return this.#string(index);
    if (type !== TABLE) return null;
    const error = this.#field(index, "err");
    if (error !== undefined) return new ErrorReply(error);
    const ok = this.#field(index, "ok");
    if (ok !== undefined) return new Status(ok);
    const list: Reply[] = [];
    for (let i = 1; ; i++) {
      this.#do("lua_rawgeti", index < 0 ? index : index, i);
      const isOver = this.#do("lua_type", -1) === NIL;
      if (!isOver) list.push(this.#value(-1));
      this.#do("lua_settop", -2);
      if (isOver) return list;
    }
  }
}

/** As `%.17g`, and whole numbers as they are. */
function numberText(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e17) return String(value);
  return String(value);
}
