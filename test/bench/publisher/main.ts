/** The publisher process: emits events, by our emitter, the stock one, or none, asked over IPC. */
import { haveHelpersGiveWay } from "../machine/give-way.js";
import { serve } from "../worker.js";
import type { PublisherApi } from "./api.js";
import { Publisher } from "./publisher.js";
import { openTarget } from "./targets.js";

const publishers = new Map<string, Publisher>();

function publisher(name: string): Publisher {
  const found = publishers.get(name);
  if (found === undefined) throw new Error(`no target is called ${name}`);
  return found;
}

serve<PublisherApi>({
  open: async (target) => {
    publishers.set(target.name, new Publisher(await openTarget(target)));
  },
  stream: (stream) => publisher(stream.target).stream(stream),
  flood: (flood) => publisher(flood.target).flood(flood),
  close: async ({ target }) => {
    await publisher(target).close();
    publishers.delete(target);
  },
});

// The load does not: it would have to wait for those that collect its garbage, and would time that.
haveHelpersGiveWay();
