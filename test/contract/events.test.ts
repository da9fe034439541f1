import { randomUUID } from "node:crypto";
import t from "tap";
import type { Emitter } from "@inthon/emitter";
import { ROLES, type ClassroomEventInput, type Role } from "@inthon/emitter/protocol";
import { CLIENT_KINDS, join, type Client } from "../helpers/clients/clients.js";
import { ROWS } from "../helpers/samples/contract.js";
import { ENVIRONMENTS, post, type Environment } from "../helpers/processes/environments.js";

interface Seat {
  readonly name: string;
  readonly role: Role;
  readonly session: string;
  readonly client: Client;
}

/** One client of each kind and role on each replica, in both sessions. */
async function fillSeats(urls: readonly string[], sessions: readonly string[]): Promise<Seat[]> {
  const seats = sessions.flatMap((session) =>
    urls.flatMap((url, replica) =>
      CLIENT_KINDS.flatMap((kind) =>
        ROLES.map(async (role): Promise<Seat> => {
          const client = await join({ url, session, role, kind });
          return {
            name: `${kind} ${role} on replica ${String(replica + 1)}`,
            role,
            session,
            client,
          };
        }),
      ),
    ),
  );
  return Promise.all(seats);
}

type Publish = (session: string, event: ClassroomEventInput) => Promise<void>;

const PUBLISHERS: readonly [string, (environment: Environment) => Publish][] = [
  [
    "the emitter",
    ({ emitter }) =>
      async (session, { event, ...payload }) => {
        // The row's types are checked where it is written; here it is any of them.
        const emit = emitter.emit.bind(emitter) as (
          ...args: unknown[]
        ) => ReturnType<Emitter["emit"]>;
        await emit(session, event, payload);
      },
  ],
  [
    "HTTP",
    ({ urls }) =>
      async (session, event) => {
        const response = await post(urls.at(-1) ?? "", session, event);
        if (response.status !== 202) throw new Error(await response.text());
      },
  ],
];

let sentinels = 0;

for (const environment of ENVIRONMENTS) {
  void t.test(`every event of the contract, with ${environment.name}`, async (t) => {
    const running = await environment.start();
    t.teardown(() => running.stop());
    const session = randomUUID();
    const seats = await fillSeats(running.urls, [session, randomUUID()]);
    t.teardown(() => Promise.all(seats.map(({ client }) => client.close())));

    for (const [by, publisher] of PUBLISHERS) {
      const publish = publisher(running);
      for (const row of ROWS) {
        await t.test(`${row.what} by ${by} reaches its audience and nobody else`, async (t) => {
          await settle(publish, seats);
          const before = seats.map(({ client }) => client.inbox.items.length);
          await publish(session, row.publish);
          await settle(publish, seats);
          for (const [index, seat] of seats.entries()) {
            const received = seat.client.inbox.items
              .slice(before[index], -1)
              .map(({ json }) => json);
            const isAudience = seat.session === session && row.audience.includes(seat.role);
            t.strictSame(received, isAudience ? [row.json] : [], seat.name);
          }
        });
      }
    }

    await t.test("a time that is left out is the time of publishing", async (t) => {
      const before = Date.now();
      await running.emitter.emit(session, "important", { note: "now", capture_url: null });
      for (const { client, ...seat } of seats) {
        if (seat.session !== session || seat.role !== "student") continue;
        const { object } = await client.inbox.next(({ json }) => json.includes('"note":"now"'));
        const at = String(object["created_at"]);
        t.match(at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, seat.name);
        t.ok(Date.parse(at) >= before && Date.parse(at) <= Date.now(), seat.name);
      }
    });
  });
}

/** Publishes to everybody and waits until everybody has it: what was published before has then arrived, or never will. */
async function settle(publish: Publish, seats: readonly Seat[]): Promise<void> {
  const id = ++sentinels;
  const sessions = new Set(seats.map(({ session }) => session));
  const sentinel = { event: "question_like_update", question_id: id, like_count: id } as const;
  await Promise.all([...sessions].map((session) => publish(session, sentinel)));
  const json = JSON.stringify(sentinel);
  await Promise.all(
    seats.map(({ client }) => client.inbox.until((items) => items.at(-1)?.json === json)),
  );
}
