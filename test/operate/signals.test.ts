import t from "tap";
import {
  START_COMMAND,
  Launched,
  minimalEnvironment,
} from "../helpers/processes/server-process.js";

/** What the process does when it has read what serves: SIGTERM then, or when half of that has been loaded. */
const MOMENTS = {
  "before the server has been loaded": `process.kill(process.pid, "SIGTERM"); return text;`,
  "while it is being loaded": `return text.replace("\\n", '\\nprocess.kill(process.pid, "SIGTERM");');`,
};

for (const [moment, onRead] of Object.entries(MOMENTS)) {
  void t.test(`SIGTERM ${moment} is not lost`, async (t) => {
    const register = `
      import fs from "node:fs";
      import { syncBuiltinESMExports } from "node:module";
      const { readFileSync } = fs;
      const on = (text) => { ${onRead} };
      fs.readFileSync = (path, ...options) => {
        const read = readFileSync(path, ...options);
        return String(path).endsWith("/serve.bundle.cjs") ? on(read) : read;
      };
      syncBuiltinESMExports();`;
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

const END_IN_ORDER = new URL("../../server/dist/end-in-order.js", import.meta.url).href;

/** What a process prints that ends, and by which code: with what it does then, and what happens to it. */
const ENDS = {
  "that takes longer than it may": {
    close: "() => new Promise(() => {})",
    happens: "",
    told: /^overtime$/m,
  },
  "that fails": {
    close: "() => Promise.reject(new Error('of closing'))",
    happens: "",
    told: /^while closing: of closing$/m,
  },
  "during which something else fails": {
    close:
      "() => { setImmediate(() => { throw new Error('another one'); }); return new Promise(() => {}); }",
    happens: "",
    told: /^while closing: another one$/m,
  },
  "by another signal": {
    close: "() => { process.kill(process.pid, 'SIGINT'); return new Promise(() => {}); }",
    happens: "",
    told: /^told once more: SIGINT$/m,
  },
  "by a signal of supervisors, which comes twice": {
    close: "() => { process.kill(process.pid, 'SIGHUP'); return new Promise(() => {}); }",
    happens: "process.kill(process.pid, 'SIGHUP');",
    told: /^told once more: SIGHUP$/m,
  },
  "for a promise that is rejected without a reason": {
    close: "async ({ err }) => console.log('closes for ' + err?.message)",
    happens: "Promise.reject(undefined);",
    told: /^closes for a promise was rejected that nobody awaits$/m,
  },
  "for an error": {
    close: "async ({ err }) => console.log('closes for ' + err?.message)",
    happens: "Promise.reject(new Error('its own'));",
    told: /^closes for its own$/m,
  },
} as const;

for (const [what, { close, happens, told }] of Object.entries(ENDS)) {
  void t.test(`an end ${what} is told, and has code 1`, async (t) => {
    const program = `
      import { endInOrder } from ${JSON.stringify(END_IN_ORDER)};
      const forever = setInterval(() => {}, 1_000);
      endInOrder(200, {
        close: ${close},
        onSecondSignal: (signal) => console.log("told once more: " + signal),
        onOvertime: () => console.log("overtime"),
        onErrorWhileClosing: ({ message }) => console.log("while closing: " + message),
      });
      console.log("ready");
      ${happens}`;
    const args = ["--import", moduleOf(program), "-e", ""];
    const ending = await Launched.start(process.execPath, args);
    t.teardown(() => {
      ending.kill("SIGKILL");
    });
    if (happens === "") {
      await ending.waitForLine((line) => line === "ready" || undefined);
      ending.kill("SIGTERM");
    }
    t.match(await ending.exited, { code: 1, signal: null });
    t.match(ending.output(), told);
  });
}

function moduleOf(text: string): string {
  return `data:text/javascript,${encodeURIComponent(text)}`;
}
