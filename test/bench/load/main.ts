/** The load process: holds the clients of one server under test, asked over IPC. */
import { serve } from "../worker.js";
import type { LoadApi } from "./api.js";
import { Crowd } from "./crowd.js";
import { Subscribers } from "./subscribers.js";

const crowd = new Crowd();
const subscribers = new Subscribers();

serve<LoadApi>({
  connect: ({ groups }) => crowd.connect(groups),
  expect: ({ lasts }) => crowd.expect(lasts),
  watch: ({ oneOf }) => {
    crowd.watch(oneOf);
  },
  unwatch: ({ lasts, oneOf }) => crowd.unwatch(lasts, oneOf),
  latencies: ({ emittedAtNs, first }) => crowd.latencies(emittedAtNs, first),
  subscribe: ({ subscriptions }) => subscribers.subscribe(subscriptions),
  messages: ({ expected }) => subscribers.messages(expected),
  close: () => {
    crowd.close();
    subscribers.close();
  },
});
