import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { cachedDataVersionTag } from "node:v8";
import { constants, Script } from "node:vm";
import type * as ToServe from "./serve.js";

const PLACE = fileURLToPath(new URL("serve.bundle.cjs", import.meta.url));
/** What V8 has compiled of it, behind a digest: `rehearse.mjs` writes it. */
const COMPILED = `${PLACE}.compiled`;
/** The lengths of a SHA-256 in bytes, and as the bundle's first line has it, behind `//`. */
const DIGEST_LENGTH = 32;
const ID_END = 2 + 2 * DIGEST_LENGTH;

/** Newer than the bundle is whatever has been compiled, or installed, since it was made. An image may give all one time. */
const CONTENTS = [
  "tsconfig.tsbuildinfo",
  "../../emitter/dist/tsconfig.tsbuildinfo",
  "../../package-lock.json",
];

/** The server in one file, as `bundle.mjs` makes it. */
export interface Bundle {
  readonly exports: typeof ToServe;
  /** Whether V8 has taken compiled code from file: it refuses that of another version, or of other options. */
  readonly isCompiled: boolean;
  /** What V8 has compiled so far, as the file has it. */
  compiled(): Buffer;
}

/**
 * Loads the bundle, with what V8 compiled of it at the rehearsal: compiling is a third of a start, and part of what the
 * first clients wait for.
 *
 * @returns `undefined` where there is none that holds what has been compiled, of the packages that are installed
 */
export function loadBundle(): Bundle | undefined {
  const madeAtMs = modifiedMs(PLACE);
  if (madeAtMs === 0 || CONTENTS.some((name) => modifiedMs(beside(name)) > madeAtMs)) {
    return undefined;
  }
  const text = readFileSync(PLACE, "utf8");
  const id = text.slice(0, ID_END);
  const cachedData = readCompiled(id);
  // As Node.js itself wraps what it loads as CommonJS.
  const script = new Script(`(function(exports,require,module,__filename,__dirname){${text}\n})`, {
    filename: PLACE,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    ...(cachedData && { cachedData }),
  });
  const run = script.runInThisContext() as (...names: unknown[]) => void;
  const module = { exports: {} as typeof ToServe };
  run(module.exports, createRequire(PLACE), module, PLACE, dirname(PLACE));
  return {
    exports: module.exports,
    isCompiled: script.cachedDataRejected === false,
    compiled() {
      const data = script.createCachedData();
      return Buffer.concat([digestOf(id, data), data]);
    },
  };
}

function readCompiled(id: string): Buffer | undefined {
  try {
    const file = readFileSync(COMPILED);
    const data = file.subarray(DIGEST_LENGTH);
    return digestOf(id, data).equals(file.subarray(0, DIGEST_LENGTH)) ? data : undefined;
  } catch {
    return undefined; // Nothing was rehearsed: it is compiled as it is needed.
  }
}

/**
 * Of compiled code, and of what it is for: V8 knows a script by its length alone, and its own version by less than what
 * Node.js changes in it. It crashes by code of another Node.js, and by code that is damaged.
 */
function digestOf(id: string, data: Buffer): Buffer {
  const { version, arch, platform } = process;
  const forWhom = `${id} ${version} ${arch} ${platform} ${String(cachedDataVersionTag())}\n`;
  return createHash("sha256").update(forWhom).update(data).digest();
}

function beside(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

function modifiedMs(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
