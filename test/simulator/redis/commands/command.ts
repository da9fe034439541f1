import { CommandError, type Database } from "../database.js";
import type { Reply } from "../replies.js";

/** What a command can reach besides the keys. */
export interface CommandContext {
  readonly database: Database;
  /** Redis's wall clock, in milliseconds with their fraction. */
  readonly now: number;
  publish(channel: string, message: string, isSharded: boolean): number;
  info(section: string): string;
}

/** A command as scripts and clients give it: `args` has no name in it. */
export interface Command {
  readonly isWrite: boolean;
  /** Whether it is refused while memory is full. */
  readonly needsMemory: boolean;
  readonly run: (args: readonly string[], context: CommandContext) => Reply;
}

type Run = Command["run"];

export const reads = (run: Run): Command => ({ isWrite: false, needsMemory: false, run });
export const writes = (run: Run): Command => ({ isWrite: true, needsMemory: false, run });
export const grows = (run: Run): Command => ({ isWrite: true, needsMemory: true, run });

/** An argument that must be there. */
export function need(args: readonly string[], index: number): string {
  const arg = args[index];
  if (arg === undefined) throw new CommandError("ERR wrong number of arguments");
  return arg;
}

const INTEGER = /^-?(0|[1-9]\d*)$/;

export function integer(text: string): number {
  if (!INTEGER.test(text)) throw new CommandError("ERR value is not an integer or out of range");
  return Number(text);
}

export function float(text: string): number {
  const value = /^[+-]?inf(inity)?$/i.test(text)
    ? Infinity * (text.startsWith("-") ? -1 : 1)
    : Number(text);
  if (text.trim() === "" || Number.isNaN(value))
    throw new CommandError("ERR value is not a valid float");
  return value;
}

/** Order of bytes. */
export function compareBytes(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
