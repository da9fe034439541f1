import { setFlagsFromString } from "node:v8";

/**
 * Options by the major version of V8, which names and meanings of them come and go with. Measured is the CPU of the main
 * thread for each of the first 500 clients of a fresh replica (which is what they wait for); of all threads together in
 * parentheses, as V8 compiles beside it.
 */
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  // Node.js 20: bytes of bytecode that a function may run before V8 asks whether to optimize it, by default 67,584; and
  // how much of others may be optimized within it, by default 920: with less, V8 compiles half as long beside the main
  // thread. 287 µs (601) for each of 500 clients, 199 (416) of 1,250, 134 (203) of 5,000; with 30,000 and 920 353 (656),
  // 226 (515), 143 (261). With 15,000 the first 500 cost 639 together. Fan-out costs the same with either.
  11: ["--interrupt-budget=20000", "--max-inlined-bytecode-size-cumulative=100"],
  // Node.js 22: calls until TurboFan takes a function, by default 3,000. 245 µs instead of 279 (429, not 371); for each
  // of 2,000 clients 150 instead of 182 (265, not 259).
  12: ["--invocation-count-for-turbofan=1000"],
  // Node.js 24 and 26: calls until Maglev takes a function, by default 400, and how long it has to have been called with
  // the same types, by default 500. 174 µs instead of 231 (313, not 319) and 172 instead of 214 (309, not 301).
  13: ["--invocation-count-for-maglev=100", "--minimum-invocations-after-ic-update=100"],
  14: ["--invocation-count-for-maglev=100", "--minimum-invocations-after-ic-update=100"],
};

/**
 * Has V8 optimize sooner: a server runs little code, and runs all of it often. A class that comes to a fresh replica
 * at once runs in the interpreter else, for its first thousand clients or so.
 *
 * To be called before anything else is. A V8 that has not been measured is left alone: it might not know the options.
 */
export function optimizeSooner(): void {
  const [major = ""] = process.versions.v8.split(".");
  for (const option of OPTIONS[major] ?? []) setFlagsFromString(option);
}
