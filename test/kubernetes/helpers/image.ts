import { readFile } from "node:fs/promises";

const DOCKERFILE = new URL("../../../server/Dockerfile", import.meta.url);

export interface ImageSettings {
  readonly base: string;
  readonly command: readonly string[];
  readonly exposed: readonly string[];
  readonly user: string | undefined;
  /** What is copied from the repository. */
  readonly copied: readonly string[];
}

/** What the server's Dockerfile says. */
export async function imageSettings(): Promise<ImageSettings> {
  const text = await readFile(DOCKERFILE, "utf8");
  const all = (name: string): string[] =>
    [...text.matchAll(new RegExp(`^${name} (.*)$`, "gm"))].map(([, rest = ""]) => rest);
  const [base = ""] = all("FROM")[0]?.split(" ") ?? [];
  return {
    base,
    command: JSON.parse(all("CMD").at(-1) ?? "[]") as string[],
    exposed: all("EXPOSE"),
    user: all("USER").at(-1),
    copied: all("COPY")
      .filter((rest) => !rest.startsWith("--"))
      .flatMap((rest) => rest.split(" ").slice(0, -1)),
  };
}
