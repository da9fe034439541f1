import { generateKeyPairSync } from "node:crypto";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Deployment } from "kubernetes-models/apps/v1";
import { NetworkPolicy } from "kubernetes-models/networking.k8s.io/v1";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1";
import { PriorityClass } from "kubernetes-models/scheduling.k8s.io/v1";
import { Service, ServiceAccount } from "kubernetes-models/v1";
import t from "tap";
import { ConfigError, ENVIRONMENT_VARIABLES, loadConfig } from "../../server/dist/config/config.js";
import { START_COMMAND, startServer } from "../helpers/processes/server-process.js";
import { imageSettings } from "./helpers/image.js";
import { named, nameOf, render } from "./helpers/manifests.js";
import {
  containerOf,
  environmentOf,
  type Labels,
  labelsOf,
  matches,
  numberOf,
  OPERATORS_SECRET,
  POD_NAME,
  podOf,
  probesOf,
  secretsOf,
  SERVER,
  type Variables,
} from "./helpers/workload.js";
import { readDocuments } from "../helpers/documents.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

for (const directory of ["k8s/base", "k8s/overlays/local", "k8s/overlays/production"]) {
  await t.test(`${directory} renders to a deployment that fits the server`, async (t) => {
    const manifests = await render(directory);
    const deployments = manifests.filter(Deployment.is);
    const deployment = named(deployments, SERVER);
    const pod = podOf(deployment);
    const container = containerOf(deployment);

    await t.test("every selector finds the pods of exactly one Deployment", (t) => {
      const selectors: (readonly [string, Labels | undefined])[] = [
        ...deployments.map((it) => [nameOf(it), it.spec?.selector.matchLabels] as const),
        ...manifests.filter(Service.is).map((it) => [nameOf(it), it.spec?.selector] as const),
        ...manifests
          .filter(PodDisruptionBudget.is)
          .map((it) => [nameOf(it), it.spec?.selector?.matchLabels] as const),
        ...manifests
          .filter(NetworkPolicy.is)
          .map((it) => [nameOf(it), it.spec?.podSelector.matchLabels] as const),
        ...(pod.topologySpreadConstraints ?? []).map(
          (it) => [SERVER, it.labelSelector?.matchLabels] as const,
        ),
      ];
      for (const [owner, selector] of selectors) {
        const found = deployments.filter((it) => matches(selector, labelsOf(it))).map(nameOf);
        // What is about its metrics is the server's.
        t.strictSame(
          found,
          [owner.replace(/-metrics$/, "")],
          `${owner} by ${JSON.stringify(selector)}`,
        );
      }
      t.ok(selectors.length >= 6, "Deployment, Service, budget, network, zones and hosts");
      t.end();
    });

    await t.test("what the pod names is there: its account and its priority", (t) => {
      const account = named(manifests.filter(ServiceAccount.is), pod.serviceAccountName ?? "");
      t.equal(account.automountServiceAccountToken, false, "it has no use for a token");
      const priority = named(manifests.filter(PriorityClass.is), pod.priorityClassName ?? "");
      t.ok(priority.value > 0 && priority.value < 1_000_000_000, "below the cluster's own parts");
      t.end();
    });

    await t.test(
      "the Service, the probes, the network, the image and the code agree on the port",
      async (t) => {
        const { port } = loadConfig({});
        const ports = container.ports ?? [];
        t.equal(loadConfig(environmentOf(manifests, container)).port, port, "the variables");
        t.strictSame([...(await imageSettings()).exposed], [String(port)], "EXPOSE");
        t.equal(numberOf("http", ports), port, "the container");
        for (const it of named(manifests.filter(Service.is), SERVER).spec?.ports ?? []) {
          t.equal(numberOf(it.targetPort, ports), port, "the Service's target");
        }
        for (const [name, probe] of probesOf(container)) {
          t.equal(numberOf(probe.port, ports), port, name);
        }
        const policy = named(manifests.filter(NetworkPolicy.is), SERVER);
        const open = (policy.spec?.ingress ?? []).flatMap((it) => it.ports ?? []);
        t.strictSame(
          open.map((it) => numberOf(it.port, ports)),
          [port],
          "what clients may reach",
        );
        const { metricsPort } = loadConfig(environmentOf(manifests, container));
        t.equal(numberOf("metrics", ports), metricsPort, "another one for Prometheus");
      },
    );

    await t.test("the server reads every variable and accepts every value", (t) => {
      const environment = environmentOf(manifests, container);
      const known: readonly string[] = ENVIRONMENT_VARIABLES;
      const names = [
        ...Object.keys(environment),
        ...[...secretsOf(manifests).values()].flatMap(Object.keys),
      ];
      t.strictSame(
        names.filter((name) => !known.includes(name)),
        [],
      );
      const config = loadConfig(environment);
      t.equal(config.nodeId, POD_NAME, "the pod's name");
      t.equal(config.cluster.kind, "redis");
      t.ok(config.publishKeys, "publishing takes a key");
      t.equal(config.auth.kind, "secret", "coming in takes a token");
      t.end();
    });

    await t.test(
      "a replica may drain for as long as its settings say, from when a balancer knows",
      (t) => {
        const { drain } = loadConfig(environmentOf(manifests, container));
        const graceMs = (pod.terminationGracePeriodSeconds ?? 0) * 1_000;
        t.ok(graceMs >= drain.graceMs, `${String(graceMs)} of ${String(drain.graceMs)} ms`);
        t.ok(drain.graceMs >= drain.delayMs + drain.spreadMs, "delay, spread and a reserve");
        t.equal(container.lifecycle?.preStop, undefined, "nothing waits twice");
        const { periodSeconds = 10, failureThreshold = 3 } = container.readinessProbe ?? {};
        t.ok(drain.delayMs >= periodSeconds * failureThreshold * 1_000, "the probe has noticed");
        t.end();
      },
    );

    await t.test("the image runs the built server, as the user that the pod demands", async (t) => {
      const image = await imageSettings();
      t.strictSame(
        image.command,
        START_COMMAND,
        "what npm start runs, as a list: Node gets SIGTERM",
      );
      t.match(image.base, /^node:24\.\d+\.\d+-[a-z]+-slim$/, "an LTS, by its exact version");
      t.equal(image.user, "node");
      t.equal(pod.securityContext?.runAsUser, 1000, "the number of that user");
      t.equal(container.command ?? container.args, undefined, "the image says what runs");
      t.ok(image.copied.includes("package-lock.json"), "npm ci installs what was tested");
      for (const source of image.copied) {
        await t.resolves(access(join(root, source)), `${source} is there to be copied`);
      }
    });

    await t.test("the probes ask for what a started server answers", async (t) => {
      // In memory: a Redis of its own would prove nothing more about the paths.
      const settings = Object.entries(environmentOf(manifests, container));
      const inMemory = Object.fromEntries(settings.filter(([name]) => name !== "REDIS_URL"));
      const env = { ...inMemory, HOST: "127.0.0.1" };
      const replica = await startServer({ env });
      t.teardown(async () => replica.stop());
      for (const [name, probe] of probesOf(container)) {
        const answer = await fetch(new URL(probe.path, replica.url));
        t.equal(answer.status, 200, `${name}: ${probe.path}`);
      }
      t.equal((await fetch(new URL("/no-such-probe", replica.url))).status, 404);
    });
  });
}

await t.test("the README says what npm start runs", async (t) => {
  const readme = await readDocuments();
  t.match(readme, `\`${START_COMMAND.join(" ")}\``);
});

await t.test(
  "the operator's Secret decides how tokens are checked, and without a way nothing starts",
  async (t) => {
    const manifests = await render("k8s/base");
    const container = containerOf(named(manifests.filter(Deployment.is), SERVER));
    const { JWT_SECRET = "", ...rest } = OPERATORS_SECRET;
    const withKeys = (keys: Variables): Record<string, string> =>
      environmentOf(manifests, container, { ...rest, ...keys });
    const { publicKey } = generateKeyPairSync("ed25519");
    const ways: readonly (readonly [string, Variables])[] = [
      ["secret", { JWT_SECRET }],
      [
        "public-key",
        { JWT_PUBLIC_KEY: publicKey.export({ type: "spki", format: "pem" }).toString() },
      ],
      ["jwks", { JWKS_URL: "https://accounts.example/.well-known/jwks.json" }],
      ["off", { AUTH: "off" }],
    ];
    for (const [kind, keys] of ways) t.equal(loadConfig(withKeys(keys)).auth.kind, kind);
    t.throws(() => loadConfig(withKeys({})), ConfigError, "nobody may be let in by mistake");
    t.throws(
      () => environmentOf(manifests, container, { JWT_SECRET }),
      /REDIS_URL has no value/,
      "a replica is never a cluster of its own",
    );
  },
);

await t.test("a local server finds the local Redis", async (t) => {
  const manifests = await render("k8s/overlays/local");
  const container = containerOf(named(manifests.filter(Deployment.is), SERVER));
  const url = new URL(environmentOf(manifests, container)["REDIS_URL"] ?? "");
  const service = named(manifests.filter(Service.is), url.hostname);
  const redis = containerOf(named(manifests.filter(Deployment.is), "redis"));
  const [port] = service.spec?.ports ?? [];
  t.equal(port?.port, Number(url.port));
  t.equal(numberOf(port?.targetPort, redis.ports ?? []), 6379);
});
