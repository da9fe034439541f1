/** What the benchmark knows of processes, and does with its own. */
import { readdir, readFile } from "node:fs/promises";
import t from "tap";
import { busyByCore, cpuOf } from "../machine/cpu.js";
import { haveHelpersGiveWay } from "../machine/give-way.js";
import type { Group, LoadApi } from "../load/api.js";
import { Worker } from "../worker.js";
import { freePort } from "../../helpers/processes/ports.js";

void t.test("a process's CPU time grows, and one that is gone has none", (t) => {
  const before = cpuOf(process.pid);
  const core = busyByCore(() => true).get(0) ?? 0;
  let looks = 0;
  while (cpuOf(process.pid) <= before && looks < 1_000) looks++;
  t.ok(before > 0);
  t.ok(cpuOf(process.pid) > before, `in ${looks} looks`);
  t.equal(cpuOf(2 ** 30), 0);
  t.ok(core > 0);
  t.ok((busyByCore(() => true).get(0) ?? 0) >= core);
  t.end();
});

/** As in the kernel's sched.h. */
const SCHED_IDLE = 5;

/** The scheduling policy of each thread: field 41 of its stat (proc(5)), where the name in front may have spaces. */
async function policyByThread(pid: number): Promise<Map<number, number>> {
  const threads = (await readdir(`/proc/${pid}/task`)).map(Number);
  const policyOf = async (thread: number) => {
    const stat = await readFile(`/proc/${pid}/task/${thread}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[41 - 3]);
  };
  return new Map(
    await Promise.all(threads.map(async (thread) => [thread, await policyOf(thread)] as const)),
  );
}

void t.test("helpers give way to the main thread", async (t) => {
  const { pid } = process;
  // One may come while it is looked.
  const before = await policyByThread(pid);
  haveHelpersGiveWay();
  const policies = new Map(
    [...(await policyByThread(pid))].filter(([thread]) => before.has(thread)),
  );
  t.not(policies.get(pid), SCHED_IDLE);
  policies.delete(pid);
  t.ok(policies.size > 0, "there are helpers");
  t.ok([...policies.values()].every((it) => it === SCHED_IDLE));
});

void t.test("a worker's error comes back, and so does its end", async (t) => {
  const worker = await Worker.start<LoadApi>(new URL("../load/main.ts", import.meta.url), []);
  t.teardown(() => worker.stop());
  const group: Group = {
    dialect: "stock",
    port: await freePort(),
    path: "/",
    session: "nobody",
    pattern: [true],
    clients: 1,
  };
  const groups = [group];
  await t.rejects(
    worker.call("connect", { groups }),
    /0 of 1 clients are connected: .*ECONNREFUSED/,
  );
  await worker.stop();
  await t.rejects(worker.call("watch", { oneOf: 1 }), /load\/main\.ts has ended/);
});
