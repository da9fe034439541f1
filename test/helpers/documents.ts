import { readFile } from "node:fs/promises";

const ROOT = new URL("../../", import.meta.url);
/** What a user reads: the README, and what it leads to. */
const DOCUMENTS = ["README.md", "server/operate.md", "server/redis.md", "test/README.md"];

/** A fenced block of a document. */
export interface Block {
  readonly language: string;
  readonly text: string;
}

/** The README and what it leads to, one behind the other. */
export async function readDocuments(): Promise<string> {
  const texts = await Promise.all(DOCUMENTS.map((path) => readFile(new URL(path, ROOT), "utf8")));
  return texts.join("\n");
}

/** The fenced blocks of a Markdown text that have a language, in order. */
export function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language, text]) => ({
    language: language ?? "",
    text: text ?? "",
  }));
}
