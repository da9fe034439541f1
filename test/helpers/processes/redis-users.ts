import { createClient } from "redis";
import type { Owner } from "../topologies/ends.js";
import { blocksOf, readDocuments } from "../documents.js";

/** A connection that may do everything, closed with the test. */
export async function adminOf(t: Owner, { url }: { readonly url: string }) {
  const client = createClient({ url });
  // Some of those that it leads to are killed.
  client.on("error", () => undefined);
  await client.connect();
  t.teardown(() => {
    client.destroy();
  });
  return client;
}

export type Admin = Awaited<ReturnType<typeof adminOf>>;

/** The rules of the README's users, as words of a command: those of `server`, then those of `emitter`. */
export async function rulesOfReadme(): Promise<readonly (readonly string[])[]> {
  const blocks = blocksOf(await readDocuments()).filter(({ language }) => language === "redis");
  return blocks.flatMap(({ text }) => text.trim().split("\n")).map((line) => line.split(" "));
}

/** Makes the README's users. */
export async function makeUsers(admin: Admin, ...more: readonly string[]): Promise<void> {
  for (const rules of await rulesOfReadme()) await admin.sendCommand([...rules, ...more]);
}

/** The URL for one of these users, or for another one. */
export function urlAs(url: string, user: string, password = "change-me"): string {
  return url.replace("//", `//${user}:${password}@`);
}
