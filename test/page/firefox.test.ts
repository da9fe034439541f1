import { EventEmitter } from "node:events";
import t from "tap";
import { startCluster } from "../helpers/processes/cluster.js";
import { startFirefox } from "./lecture/firefox.js";
import { playLecture } from "./lecture/play.js";

t.test("in Firefox a lecture is the same, cut and killed in between", async (t) => {
  const restarts = new EventEmitter();
  const cluster = await startCluster({
    loadBalancer: true,
    door: {
      restartAfterMs: 500,
      onRestart: (replica, error) => restarts.emit(error ? "error" : replica.nodeId, error),
    },
  });
  t.teardown(async () => cluster.stop());
  const firefox = await startFirefox({ language: "ko", scheme: "light" });
  t.teardown(async () => firefox.stop());
  const told: string[] = [];
  await playLecture({
    browser: firefox,
    reader: { language: "ko", scheme: "light" },
    cluster,
    restarts,
    keepsPictures: false,
    print: (line) => told.push(line),
  });
  t.equal(told.length, 6, told.join("\n"));
});
