import t from "tap";
import {
  START_COMMAND,
  Launched,
  minimalEnvironment,
} from "../helpers/processes/server-process.js";

/** Sends the process SIGTERM when it begins to load what serves, or when that has been loaded half-way. */
const MOMENTS = {
  "before the server has been loaded": `
    export async function resolve(specifier, context, next) {
      if (specifier.includes("/serve.")) process.kill(process.pid, "SIGTERM");
      return next(specifier, context);
    }`,
  "while it is being loaded": `
    export async function load(url, context, next) {
      const loaded = await next(url, context);
      if (!url.includes("/serve.")) return loaded;
      return { ...loaded, source: 'process.kill(process.pid, "SIGTERM");' + loaded.source };
    }`,
};

for (const [moment, hooks] of Object.entries(MOMENTS)) {
  void t.test(`SIGTERM ${moment} is not lost`, async (t) => {
    const register = `import { register } from "node:module"; register(${JSON.stringify(moduleOf(hooks))});`;
    const [node = "", ...args] = START_COMMAND;
    const server = await Launched.start(node, ["--import", moduleOf(register), ...args], {
      env: { ...minimalEnvironment(), HOST: "127.0.0.1", PORT: "0" },
    });
    t.teardown(() => {
      server.kill("SIGKILL");
    });
    // Without a listener it would end by the signal; and process 1 of a container not at all.
    t.match(await server.exited, { code: 0, signal: null });
  });
}

function moduleOf(text: string): string {
  return `data:text/javascript,${encodeURIComponent(text)}`;
}
