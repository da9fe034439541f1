import { eventually } from "../eventually.js";

/** A connection to Redis, as far as asking for its state needs. */
interface Admin {
  info(section: string): Promise<string>;
}

/**
 * Resolves when a replica has all that its primary has now. `WAIT` would not do: it waits for what the connection that
 * asks has written itself.
 */
export async function replicated(primary: Admin, replica: Admin): Promise<void> {
  const written = offsetIn(await primary.info("replication"), "master_repl_offset");
  await eventually(async () => {
    const had = offsetIn(await replica.info("replication"), "slave_repl_offset");
    return had >= written;
  });
}

function offsetIn(info: string, field: string): number {
  return Number(new RegExp(`^${field}:(\\d+)`, "m").exec(info)?.[1] ?? NaN);
}
