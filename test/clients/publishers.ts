/** Who publishes over HTTP, in the languages that the guides show: once each, with a student who hears it. */
import { join } from "../helpers/clients/clients.js";
import { eventually } from "../helpers/eventually.js";
import { startServer } from "../helpers/processes/server-process.js";
import type { Publisher } from "./clients.js";
import type { Result } from "./lesson.js";
import { Seat } from "./seat.js";

const PATIENCE_MS = 60_000;
const NOTE = "Look at this again";

export async function publishAll(publishers: readonly Publisher[]): Promise<readonly Result[]> {
  if (publishers.length === 0) return [];
  const server = await startServer();
  try {
    return await Promise.all(publishers.map((publisher) => publish(publisher, server.url)));
  } finally {
    await server.stop();
  }
}

async function publish({ name, program, where }: Publisher, url: string): Promise<Result> {
  const result = { name: `${name}, publishing`, version: "", shown: {} };
  const host = await where().catch((error: unknown) => String(error));
  if (typeof host === "string") return { ...result, missing: host };
  const seat = new Seat();
  const { session } = seat;
  const student = await join({ url, session, role: "student", kind: "plain" });
  try {
    await host.start({ program, url, session }, seat);
    await eventually(async () => seat.exit !== undefined, PATIENCE_MS);
    const { object } = await student.inbox.next(({ object }) => object["note"] === NOTE);
    const hasOffset = seat.lines.join("\n").includes('"duplicate":false');
    if (!hasOffset) throw new Error(`a student heard ${JSON.stringify(object)}`);
    return { ...result, version: host.version, shown: { "each once": "published" } };
  } catch (error) {
    return { ...result, fault: `${String(error)}\n    ${seat.newest}` };
  } finally {
    await student.close();
    await host.stop();
  }
}
