import { readFile } from "node:fs/promises";

/** Where the programs are, which the guides show. */
export const PROGRAMS = new URL("../programs/", import.meta.url);

/** What somebody changes in a program, such as the package of a class; `from` nothing puts a line in front. */
export interface Change {
  readonly from: string;
  readonly to: string;
}

/** A program, and whom it is to reach. */
export interface Task {
  /** Below `programs/`. */
  readonly program: string;
  readonly changes?: readonly Change[] | undefined;
  /** The server's. */
  readonly url: string;
  readonly session: string;
}

/** The text of a program, as somebody has changed it who has another server and another lecture. */
export async function textOf({ program, changes = [], url, session }: Task): Promise<string> {
  let text = await readFile(new URL(program, PROGRAMS), "utf8");
  for (const { from, to } of changes) {
    if (!text.includes(from)) throw new Error(`${program} has no ${from}`);
    text = text.replace(from, to);
  }
  return text.replaceAll("localhost:3000", new URL(url).host).replaceAll("lecture-1", session);
}
