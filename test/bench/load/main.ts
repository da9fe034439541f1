/** The load process: holds the clients of one server under test, asked over IPC. */
import { serve } from "../worker.js";
import type { LoadApi } from "./api.js";
import { Crowd } from "./crowd.js";
import { Naps } from "./naps.js";
import { Subscribers } from "./subscribers.js";

const crowd = new Crowd();
const subscribers = new Subscribers();
const naps = new Naps();

serve<LoadApi>({
  connect: ({ groups }) => crowd.connect(groups),
  expect: ({ lasts }) => crowd.expect(lasts),
  watch: ({ oneOf }) => {
    crowd.watch(oneOf);
  },
  reach: ({ lasts, oneOf }) => crowd.reach(lasts, oneOf),
  unwatch: ({ lasts, oneOf }) => crowd.unwatch(lasts, oneOf),
  nap: ({ ms }) => {
    naps.take(ms);
  },
  latencies: ({ emittedAtNs, first }) => crowd.latencies(emittedAtNs, first),
  subscribe: ({ subscriptions }) => subscribers.subscribe(subscriptions),
  messages: ({ expected }) => subscribers.messages(expected),
  close: () => {
    crowd.close();
    subscribers.close();
  },
});
