import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import t from "tap";
import { minimalEnvironment } from "../helpers/processes/server-process.js";

const MAIN = fileURLToPath(new URL("../../server/dist/main.js", import.meta.url));

void t.test("SIGTERM ends a server whose log nobody reads any more", async (t) => {
  const env = { ...minimalEnvironment(), HOST: "127.0.0.1", PORT: "0", NODE_OPTIONS: "" };
  const server = spawn(process.execPath, [MAIN], { env, stdio: ["ignore", "pipe", "ignore"] });
  t.teardown(() => server.kill("SIGKILL"));
  const exited = once(server, "exit");
  const lines = createInterface({ input: server.stdout });
  for await (const line of lines) if (line.includes('"listening"')) break;
  server.stdout.destroy();
  server.kill("SIGTERM");
  t.strictSame(await exited, [0, null]);
});
