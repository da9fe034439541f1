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

void t.test("an end that takes longer than it may is told", async (t) => {
  const place = new URL("../../server/dist/end-in-order.js", import.meta.url).href;
  const never = `
    import { endInOrder } from ${JSON.stringify(place)};
    const forever = setInterval(() => {}, 1_000);
    endInOrder(200, () => new Promise(() => {}), () => console.log("overtime"));
    console.log("ready");`;
  const hanging = await Launched.start(process.execPath, ["--import", moduleOf(never), "-e", ""]);
  t.teardown(() => {
    hanging.kill("SIGKILL");
  });
  await hanging.waitForLine((line) => line === "ready" || undefined);
  hanging.kill("SIGTERM");
  t.match(await hanging.exited, { code: 1, signal: null });
  t.match(hanging.output(), "overtime");
});

function moduleOf(text: string): string {
  return `data:text/javascript,${encodeURIComponent(text)}`;
}
