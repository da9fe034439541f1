import { connect, type Emitter, type RedisCommands } from "@inthon/emitter";
import { createClient } from "redis";

/** Where the publish script (`publish.lua`) is told the channel. */
const CHANNEL_ARGUMENT = 3;
const NOWHERE = "chaos:nowhere";

type Options = Parameters<RedisCommands["evalSha"]>[1];

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
  const swallow = (options: Options): Options => {
    const args = [...options.arguments];
    args[CHANNEL_ARGUMENT] = NOWHERE;
    return { ...options, arguments: args };
  };
  const commands: RedisCommands = {
    eval: (script, options) => client.eval(script, swallow(options)),
    evalSha: (sha1, options) => client.evalSha(sha1, swallow(options)),
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
