import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ClassroomEventInput } from "@inthon/emitter/protocol";
import type { Deployment } from "../../helpers/deployments/deployment.js";
import type { Outcome } from "../../helpers/processes/run.js";
import type { EmptyProject } from "../../publish/helpers/package.js";
import { PRIMARY_NAME } from "../../helpers/topologies/sentinels.js";

/** Publishes the same events by each way of connecting, and says of each which roles it went to. */
const SCRIPT = `
import { readFile } from "node:fs/promises";
import { createClient, createCluster, createSentinel } from "redis";
import { connect } from "@inthon/emitter";
const { kind, url, name, seen, files, session, rounds } = JSON.parse(process.argv[2]);
const [ca, cert, key] = await Promise.all(files.map((file) => readFile(file)));
const [, user, password, hosts] = /\\/\\/(\\w+):([^@]+)@([^/]+)/.exec(url);
const places = hosts.split(",").map((place) => place.split(":"));
const tls = { tls: true, ca, cert, key };
const own = { username: user, password, socket: tls };
const existing = {
  standalone: () => createClient({ ...own, socket: { ...tls, host: places[0][0], port: Number(places[0][1]) } }),
  sentinel: () => createSentinel({
    name,
    sentinelRootNodes: places.map(([host, port]) => ({ host, port: Number(port) })),
    nodeClientOptions: own,
    sentinelClientOptions: { ...own, ...seen },
  }),
  cluster: () => createCluster({
    rootNodes: places.map(([host, port]) => ({ url: "rediss://" + host + ":" + port })),
    defaults: own,
  }),
};
const client = await existing[kind]().connect();
const targets = [[url, { tls: { ca, cert, key } }], [client, {}]];
for (const [index, [target, options]] of targets.entries()) {
  const emitter = await connect(target, options);
  for (const { event, ...payload } of rounds[index]) {
    const { offsets, duplicate } = await emitter.emit(session, event, payload);
    console.log(JSON.stringify({ event, roles: Object.keys(offsets), duplicate }));
  }
  await emitter.close();
}
if (!client.isOpen) throw new Error("it was not ours to close");
await (client.close ?? client.destroy).call(client);
`;

/** What the packed emitter, as a process of its own, says of events that it publishes: some by the URL, then some by a client. */
export async function publishPacked(
  project: EmptyProject,
  { kind, emitterUrl: url, tls = {} }: Deployment,
  session: string,
  rounds: readonly (readonly ClassroomEventInput[])[],
): Promise<Pick<Outcome, "code" | "stderr"> & { readonly told: readonly unknown[] }> {
  await project.write("every.js", SCRIPT);
  const files: string[] = [];
  for (const [name, pem] of Object.entries(tls)) {
    const file = join(project.dir, `${kind}.${name}`);
    await writeFile(file, String(pem));
    files.push(file);
  }
  // A client of Sentinels that is passed asks them for more than an emitter does.
  const seen = { username: "admin" };
  const asked = { kind, url, name: PRIMARY_NAME, seen, files, session, rounds };
  const { code, stderr, stdout } = await project.run("every.js", [JSON.stringify(asked)]);
  const lines = stdout.split("\n").filter((line) => line !== "");
  return { code, stderr, told: lines.map((line) => JSON.parse(line) as unknown) };
}
