import { readFile } from "node:fs/promises";

/** A fenced block of the README. */
export interface Block {
  readonly language: string;
  readonly text: string;
}

/** The fenced blocks of a Markdown file that have a language, in order. */
export async function readBlocks(file: URL): Promise<Block[]> {
  const markdown = await readFile(file, "utf8");
  return [...markdown.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language, text]) => ({
    language: language ?? "",
    text: text ?? "",
  }));
}
