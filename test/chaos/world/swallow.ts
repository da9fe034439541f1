import { connect, type Emitter, type RedisCommands } from "@inthon/emitter";
import { createClient } from "redis";

/** Where the publish script (`publish.lua`) finds out the channel. */
const CHANNEL = "string.sub(history, 10, -2)";
const NOWHERE = "'chaos:nowhere'";

/**
 * An emitter whose events are accepted and in history, but whose Pub/Sub messages reach nobody, as if they had been
 * lost on their way without a sign: replicas notice only by the hole in front of the next event.
 */
export async function connectSwallowing(
  url: string,
  historyLimit: number,
): Promise<{ readonly emitter: Emitter; close(): Promise<void> }> {
  const client = createClient({ url, disableOfflineQueue: true });
  client.on("error", () => undefined);
  await client.connect();
  const commands: RedisCommands = {
    eval: (script, options) => {
      if (!script.includes(CHANNEL)) throw new Error("publish.lua has another channel");
      return client.eval(script.replace(CHANNEL, NOWHERE), options);
    },
    evalSha: () => Promise.reject(new Error("NOSCRIPT so that the text comes")),
  };
  const emitter = await connect(commands, { historyLimit });
  return {
    emitter,
    close: async () => {
      await emitter.close();
      client.destroy();
    },
  };
}
