import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import fc from "fast-check";
import t from "tap";
import { ClientAddresses } from "../../server/dist/edge/gate/client-addresses.js";
import { RawBytes, requestHead, upgradeHead } from "../helpers/clients/raw-bytes.js";
import { startServer } from "../helpers/processes/server-process.js";

type TrustProxy = ConstructorParameters<typeof ClientAddresses>[0];

/** A request from an address, with what stands in its header. */
function requestFrom(remoteAddress: string | undefined, said?: string): IncomingMessage {
  const headers = said === undefined ? {} : { "x-forwarded-for": said };
  return { headers, socket: { remoteAddress } } as unknown as IncomingMessage;
}

const PRIVATE = ["10.0.0.0/8", "127.0.0.0/8"];

/** Who is taken for the client, and whom what it opens is put down to. */
const CASES: readonly (readonly [
  TrustProxy,
  from: string,
  said: string | undefined,
  is: string,
  owner: string,
])[] = [
  [false, "fe80::1%eth0.100", undefined, "fe80::1", "fe80:0:0:0::/64"],
  [false, "fe80::1%br-lan", "1.2.3.4", "fe80::1", "fe80:0:0:0::/64"],
  [true, "10.0.0.1", "fe80::1%a.b", "fe80::1", "fe80:0:0:0::/64"],
  [true, "10.0.0.1", `fe80::1%${"A".repeat(12_000)}`, "10.0.0.1", "10.0.0.1"],
  [1, "10.0.0.1", "fe80::1%a-b", "fe80::1", "fe80:0:0:0::/64"],
  [PRIVATE, "10.0.0.1", "fe80::1%a.b, 127.0.0.9", "fe80::1", "fe80:0:0:0::/64"],
  [PRIVATE, "10.0.0.1", "8.8.8.8, 10.0.0.2", "8.8.8.8", "8.8.8.8"],
  [PRIVATE, "10.0.0.1", "1.1.1.1, 8.8.8.8, 10.0.0.2", "8.8.8.8", "8.8.8.8"],
  [PRIVATE, "8.8.8.8", "1.1.1.1", "8.8.8.8", "8.8.8.8"],
  [PRIVATE, "::ffff:10.0.0.1", "8.8.8.8:4711", "8.8.8.8", "8.8.8.8"],
  [PRIVATE, "10.0.0.1", "[2001:db8::1]:443", "2001:db8::1", "2001:db8:0:0::/64"],
  [false, "64:ff9b::203.0.113.7", undefined, "64:ff9b::203.0.113.7", "203.0.113.7"],
  [false, "64:ff9b:1:102:3:400::", undefined, "64:ff9b:1:102:3:400::", "64:ff9b:1:102::/64"],
  [false, "64:ff9b::203.0.113.8", undefined, "64:ff9b::203.0.113.8", "203.0.113.8"],
  [true, "10.0.0.1", "::ffff:0:203.0.113.7", "::ffff:0:203.0.113.7", "203.0.113.7"],
  [true, "10.0.0.1", "unknown", "10.0.0.1", "10.0.0.1"],
  [2, "10.0.0.1", "1.1.1.1, 8.8.8.8, 9.9.9.9", "8.8.8.8", "8.8.8.8"],
];

void t.test("a client's address is read as what it is, whatever stands beside it", (t) => {
  for (const [trust, from, said, is, owner] of CASES) {
    const addresses = new ClientAddresses(trust);
    const request = requestFrom(from, said);
    const what = `${JSON.stringify(trust)}: ${from}, ${String(said).slice(0, 60)}`;
    t.equal(addresses.of(request), is, what);
    t.equal(addresses.ownerOf(request), owner, what);
  }
  const peers = new ClientAddresses(false);
  t.equal(peers.ownerOfPeer("fe80::1%eth0.100"), "fe80:0:0:0::/64");
  t.equal(peers.ownerOfPeer("no address"), undefined);
  t.end();
});

void t.test("who speaks for others and is not trusted is told of, once", async (t) => {
  const told: string[] = [];
  const addresses = new ClientAddresses(["10.0.0.0/8"], (address) => told.push(address));
  addresses.of(requestFrom("192.0.2.1"));
  addresses.of(requestFrom("10.0.0.1", "192.0.2.1, 8.8.8.8"));
  t.strictSame(told, [], "a client that says nothing, or whom a proxy speaks for");
  addresses.of(requestFrom("192.0.2.1", "8.8.8.8"));
  addresses.of(requestFrom("192.0.2.2", "8.8.8.8"));
  t.strictSame(told, ["192.0.2.1"]);

  const env = { TRUST_PROXY: "10.0.0.0/8", PUBLISH_KEYS: "a-key-of-a-service" };
  const server = await startServer({ env });
  t.teardown(() => server.stop());
  const headers = { "x-forwarded-for": "8.8.8.8" };
  for (const session of ["a", "b"]) await fetch(`${server.url}/sessions/${session}`, { headers });
  await server.stop();
  const lines = server
    .output()
    .split("\n")
    .filter((line) => line.includes("forwarded headers"));
  t.equal(lines.length, 1);
  t.match(lines[0], /"level":40.*"address":"127\.0\.0\.1"/);
});

void t.test(
  "a limit of an address without TRUST_PROXY is told at the start to do nothing",
  async (t) => {
    const warningsOf = async (env: Record<string, string>) => {
      const server = await startServer({ env });
      await server.stop();
      return server
        .output()
        .split("\n")
        .filter((line) => line.includes("without effect"));
    };
    const limits = { MAX_CONNECTIONS_PER_ADDRESS: "5", NEW_CONNECTIONS_PER_S: "2" };
    const warnings = await warningsOf(limits);
    t.equal(warnings.length, 1);
    t.match(
      warnings[0],
      /"level":40.*MAX_CONNECTIONS_PER_ADDRESS, NEW_CONNECTIONS_PER_S: without effect/,
    );
    t.strictSame(await warningsOf({ ...limits, TRUST_PROXY: "false" }), []);
    t.strictSame(await warningsOf({}), []);
  },
);

void t.test("no header ends anything, whoever is trusted", (t) => {
  const part = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.tuple(fc.ipV6(), fc.string()).map(([ip, zone]) => `${ip}%${zone}`),
    fc.string(),
  );
  const said = fc.array(part, { maxLength: 40 }).map((parts) => parts.join(", "));
  const trust = fc.constantFrom<TrustProxy>(undefined, true, false, 0, 1, 3, PRIVATE);
  fc.assert(
    fc.property(trust, part, said, (trusted, from, header) => {
      const addresses = new ClientAddresses(trusted);
      const address = addresses.of(requestFrom(from, header));
      addresses.ownerOf(requestFrom(from, header));
      addresses.ownerOfPeer(from);
      return address === undefined || address.length <= 45;
    }),
    { numRuns: 5_000 },
  );
  t.end();
});

void t.test("a header with a zone costs nobody the replica", async (t) => {
  const server = await startServer({ env: { TRUST_PROXY: "true" } });
  t.teardown(() => server.stop());
  const path = `/ws/session/${randomUUID()}/student/`;
  const zone = "X-Forwarded-For: fe80::1%a.b";
  const withZone = (head: string) => head.replace("\r\n\r\n", `\r\n${zone}\r\n\r\n`);
  for (const [head, status] of [
    [upgradeHead(path), 101],
    [upgradeHead(`${path}?EIO=4&transport=websocket`), 101],
    [requestHead("GET", `${path}?EIO=4&transport=polling`, []), 200],
    [requestHead("GET", "/nowhere", []), 404],
  ] as const) {
    const client = await RawBytes.open(server.url);
    client.send(withZone(head));
    await client.until(`HTTP/1.1 ${String(status)}`);
    client.socket.destroy();
  }
  t.equal((await fetch(`${server.url}/healthz`)).status, 200);
});
