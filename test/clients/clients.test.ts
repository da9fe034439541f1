/** The short form of `npm run clients`: the clients that are there anyway. And what the guides show is what is run. */
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import t from "tap";
import { blocksOf } from "../helpers/documents.js";
import { ensureTool } from "../helpers/tools/tools.js";
import { CLIENTS, PUBLISHERS } from "./clients.js";
import { blocksOfPage } from "./from-django.js";
import { STEPS, teach } from "./lesson.js";
import { publishAll } from "./publishers.js";
import { PROGRAMS } from "./where/program.js";

const guide = new URL("../../server/clients.md", import.meta.url);
/** What the guide shows and says that nobody has run it: it lacks the means here. */
const NOT_RUN = ["dart", "swift", "kotlin"];

void t.test("real clients hear, resume on another replica, and stay away", async (t) => {
  await Promise.all([ensureTool("chromium"), ensureTool("curl")]);
  const results = await teach(
    CLIENTS.filter(({ isAtHand }) => isAtHand),
    (line) => {
      t.comment(line);
    },
  );
  t.ok(results.length >= 10);
  for (const { name, shown, missing, fault } of results) {
    await t.test(name, (t) => {
      t.strictSame({ missing, fault }, { missing: undefined, fault: undefined });
      t.strictSame(Object.keys(shown).sort(), [...STEPS].sort());
      t.end();
    });
  }
});

void t.test("whoever speaks HTTP publishes", async (t) => {
  for (const { name, missing, fault } of await publishAll(
    PUBLISHERS.filter(({ isAtHand }) => isAtHand),
  )) {
    t.strictSame({ missing, fault }, { missing: undefined, fault: undefined }, name);
  }
});

void t.test("each program is run, and the guide shows it as it is", async (t) => {
  const folder = fileURLToPath(PROGRAMS);
  const files = (await readdir(folder, { recursive: true })).filter((name) => name.includes("."));
  t.strictSame(
    files.sort(),
    [...new Set([...CLIENTS, ...PUBLISHERS].map(({ program }) => program))].sort(),
  );
  const blocks = blocksOf(await readFile(guide, "utf8"));
  const run = blocks.filter(({ language }) => !NOT_RUN.includes(language));
  const texts = await Promise.all(files.map((file) => readFile(new URL(file, PROGRAMS), "utf8")));
  t.strictSame(run.map(({ text }) => text).sort(), texts.sort());
  t.strictSame(
    blocks.map(({ language }) => language).filter((language) => NOT_RUN.includes(language)),
    NOT_RUN,
  );
});

void t.test("each block of the page for Django is a step of `npm run clients`", async (t) => {
  await t.resolves(blocksOfPage());
});
