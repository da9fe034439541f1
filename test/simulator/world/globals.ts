import { createRequire, syncBuiltinESMExports } from "node:module";
import { Timer, type Immediate } from "./timer.js";
import type { ProcessInTurn } from "./whose-turn.js";

/*
 * What code asks of the time and of chance is answered by the simulated process whose turn it is. Where it is nobody's turn,
 * Node.js itself answers: so a test's own time-outs work beside.
 */

const require = createRequire(import.meta.url);
const timers = require("node:timers") as Record<string, unknown>;
const timersPromises = require("node:timers/promises") as Record<string, unknown>;
const crypto = require("node:crypto") as Record<string, unknown>;

/** Node's own. */
export const outside = {
  setImmediate: globalThis.setImmediate,
  setTimeout: globalThis.setTimeout,
  Date: globalThis.Date,
  now: performance.now.bind(performance),
};

/** What Node.js itself does after each callback: all of `process.nextTick`, all microtasks, and what was rejected for nobody. */
const { _tickCallback: finish } = process as unknown as { readonly _tickCallback: () => void };

let current: ProcessInTurn | undefined;

export function enter(process: ProcessInTurn): void {
  current = process;
}

export function leave(): void {
  current = undefined;
}

/**
 * Does all that a callback has left to microtasks.
 *
 * @NOTE By the function that Node.js has for it, which is not documented: a turn of the real event loop for each callback
 *   took most of the time of a world.
 */
export function finishTurn(): void {
  finish.call(process);
}

/** Whose turn it is. */
export function currentProcess(): ProcessInTurn | undefined {
  return current;
}

class AbortError extends Error {
  override readonly name = "AbortError";
  readonly code = "ABORT_ERR";

  constructor(cause: unknown) {
    super("The operation was aborted", { cause });
  }
}

interface WaitOptions {
  readonly signal?: AbortSignal;
}

/** A wait that an `AbortSignal` ends. */
function wait<T>(
  value: T,
  signal: AbortSignal | undefined,
  begin: (done: () => void) => () => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(new AbortError(signal.reason));
      return;
    }
    const onAbort = () => {
      stop();
      reject(new AbortError(signal?.reason));
    };
    const stop = begin(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve(value);
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

type Callback = (...args: unknown[]) => void;
type Original = (...args: readonly unknown[]) => unknown;

/** @param simulated - what happens where it is somebody's turn */
function replace(
  owner: Record<string, unknown>,
  name: string,
  simulated: (process: ProcessInTurn, ...args: unknown[]) => unknown,
): void {
  const original = owner[name] as Original;
  owner[name] = function (this: unknown, ...args: unknown[]) {
    return current ? simulated(current, ...args) : original.apply(this, args);
  };
}

const startTimer =
  (isRepeated: boolean) =>
  (process: ProcessInTurn, run: unknown, ms: unknown, ...args: unknown[]) =>
    process.setTimer(
      () => {
        (run as Callback)(...args);
      },
      Number(ms ?? 1),
      isRepeated,
    );

const stopTimer = (_process: ProcessInTurn, timer: unknown) => {
  if (timer instanceof Timer) timer.isActive = false;
};

for (const owner of [globalThis as unknown as Record<string, unknown>, timers]) {
  replace(owner, "setTimeout", startTimer(false));
  replace(owner, "setInterval", startTimer(true));
  replace(owner, "clearTimeout", stopTimer);
  replace(owner, "clearInterval", stopTimer);
  replace(owner, "setImmediate", (process, run, ...args) =>
    process.setImmediate(() => {
      (run as Callback)(...args);
    }),
  );
  replace(owner, "clearImmediate", (_process, immediate) => {
    if (immediate) (immediate as Immediate).run = undefined;
  });
}

replace(timersPromises, "setTimeout", (process, ms, value, options) =>
  wait(value, (options as WaitOptions | undefined)?.signal, (done) => {
    const timer = process.setTimer(done, Number(ms ?? 1), false);
    return () => {
      timer.isActive = false;
    };
  }),
);
replace(timersPromises, "setImmediate", (process, value, options) =>
  wait(value, (options as WaitOptions | undefined)?.signal, (done) => {
    const immediate = process.setImmediate(done);
    return () => {
      immediate.run = undefined;
    };
  }),
);

replace(performance as unknown as Record<string, unknown>, "now", (process) => process.monotonic);
replace(Math as unknown as Record<string, unknown>, "random", (process) =>
  process.random.fraction(),
);
replace(crypto, "randomBytes", (process, length, callback) => {
  const bytes = process.random.bytes(Number(length));
  if (typeof callback !== "function") return bytes;
  process.setImmediate(() => {
    (callback as Callback)(null, bytes);
  });
  return undefined;
});
replace(crypto, "randomUUID", ({ random }) => {
  const hex = random.hex(32);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20),
  ].join("-");
});
syncBuiltinESMExports();

globalThis.Date = class extends outside.Date {
  constructor(...args: unknown[]) {
    if (args.length > 0) super(...(args as [number]));
    else super(current ? Math.floor(current.wall) : outside.Date.now());
  }

  static override now(): number {
    return current ? Math.floor(current.wall) : outside.Date.now();
  }
} as DateConstructor;
