import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Deployment, type IDeployment } from "kubernetes-models/apps/v1";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1";
import {
  ConfigMap,
  type IContainer,
  type IContainerPort,
  type IPodSpec,
  Secret,
  Service,
} from "kubernetes-models/v1";
import t from "tap";
import { ENVIRONMENT_VARIABLES, loadConfig } from "../../server/dist/config/config.js";
import { type Manifest, named, nameOf, problemsOf, render } from "./helpers/manifests.js";
import { START_COMMAND, startServer } from "../helpers/processes/server-process.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const server = "inthon-server";
/** As Kubernetes makes it up from the name of the Deployment. */
const podName = `${server}-6d4cf56db6-x2x7k`;

/** The base leaves the Secret to the operator: this stands for it. */
const operatorsSecret = {
  REDIS_URL: "rediss://redis.example:6379",
  JWT_SECRET: "a-secret-of-at-least-32-characters",
  PUBLISH_KEYS: "one,another",
};

type Labels = Readonly<Record<string, string>>;

for (const directory of ["k8s/base", "k8s/overlays/local"]) {
  await t.test(`${directory} renders to a deployment that fits the server`, async (t) => {
    const manifests = await render(directory);
    const deployments = manifests.filter(Deployment.is);
    const deployment = named(deployments, server);
    const pod = podOf(deployment);
    const container = containerOf(deployment);

    await t.test("every object is valid against the schemas of Kubernetes", async (t) => {
      t.strictSame(await problemsOf(manifests), []);
    });

    await t.test("every selector finds the pods of exactly one Deployment", (t) => {
      const selectors: (readonly [string, Labels | undefined])[] = [
        ...deployments.map((it) => [nameOf(it), it.spec?.selector.matchLabels] as const),
        ...manifests.filter(Service.is).map((it) => [nameOf(it), it.spec?.selector] as const),
        ...manifests
          .filter(PodDisruptionBudget.is)
          .map((it) => [nameOf(it), it.spec?.selector?.matchLabels] as const),
        ...(pod.topologySpreadConstraints ?? []).map(
          (it) => [server, it.labelSelector?.matchLabels] as const,
        ),
      ];
      for (const [owner, selector] of selectors) {
        const found = deployments.filter((it) => matches(selector, labelsOf(it))).map(nameOf);
        t.strictSame(found, [owner], `${owner} by ${JSON.stringify(selector)}`);
      }
      t.ok(selectors.length >= 4, "Deployment, Service, disruption budget and spreading");
      t.end();
    });

    await t.test("the Service, the probes, the image and the code agree on the port", async (t) => {
      const { port } = loadConfig({});
      const ports = container.ports ?? [];
      t.equal(loadConfig(environmentOf(manifests, container)).port, port, "the variables");
      t.strictSame([...(await imageSettings()).exposed], [String(port)], "EXPOSE");
      t.strictSame([...ports.map((it) => it.containerPort)], [port], "the container");
      for (const it of named(manifests.filter(Service.is), server).spec?.ports ?? []) {
        t.equal(numberOf(it.targetPort, ports), port, "the Service's target");
      }
      for (const [name, probe] of probesOf(container)) {
        t.equal(numberOf(probe.port, ports), port, name);
      }
    });

    await t.test("the server reads every variable and accepts every value", (t) => {
      const environment = environmentOf(manifests, container);
      const known: readonly string[] = ENVIRONMENT_VARIABLES;
      const names = [...Object.keys(environment), ...secretsOf(manifests).flatMap(Object.keys)];
      t.strictSame(
        names.filter((name) => !known.includes(name)),
        [],
      );
      const config = loadConfig({ ...environment, NODE_ENV: "production" });
      t.equal(config.nodeId, podName, "the pod's name");
      t.equal(config.cluster.kind, "redis");
      t.ok(config.publishKeys, "publishing takes a key");
      t.equal(config.auth.kind, "secret", "coming in takes a token");
      t.end();
    });

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
      const env = { ...environmentOf(manifests, container), REDIS_URL: "" };
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
  const readme = await readFile(join(root, "README.md"), "utf8");
  t.match(readme, `\`${START_COMMAND.join(" ")}\``);
});

await t.test("a local server finds the local Redis", async (t) => {
  const manifests = await render("k8s/overlays/local");
  const container = containerOf(named(manifests.filter(Deployment.is), server));
  const url = new URL(environmentOf(manifests, container)["REDIS_URL"] ?? "");
  const service = named(manifests.filter(Service.is), url.hostname);
  const redis = containerOf(named(manifests.filter(Deployment.is), "redis"));
  const [port] = service.spec?.ports ?? [];
  t.equal(port?.port, Number(url.port));
  t.equal(numberOf(port?.targetPort, redis.ports ?? []), 6379);
});

await t.test("the validation refuses what Kubernetes would refuse", async (t) => {
  const manifests = await render("k8s/base");
  const deployment = named(manifests.filter(Deployment.is), server);
  const mutations: [string, RegExp, (copy: string) => string][] = [
    ["a wrong type", /replicas must be integer/, edit('"replicas":3', '"replicas":"3"')],
    ["a missing field", /must have required property/, edit('"selector":', '"label":')],
    ["an unknown field", /"replica".* does not exist/, edit('"replicas":3', '"replica":3')],
    ["a deep unknown field", /"pth".* does not exist/, edit('"path":"/readyz"', '"pth":"/readyz"')],
    ["a bad quantity", /memory must match format/, edit('"memory":"1Gi"', '"memory":"1GiB"')],
    [
      "an unknown kind",
      /Deploymint is not known/,
      edit('"kind":"Deployment"', '"kind":"Deploymint"'),
    ],
    ["an old version", /v1beta3.Deployment is not known/, edit("apps/v1", "apps/v1beta3")],
  ];
  for (const [name, expected, mutate] of mutations) {
    const mutant = JSON.parse(mutate(JSON.stringify(deployment))) as Manifest;
    t.match((await problemsOf([mutant])).join("\n"), expected, name);
  }

  function edit(from: string, to: string): (json: string) => string {
    return (json) => {
      if (!json.includes(from)) throw new Error(`There is no ${from} to change`);
      return json.replace(from, to);
    };
  }
});

function labelsOf(deployment: IDeployment): Labels {
  return deployment.spec?.template.metadata?.labels ?? {};
}

function matches(selector: Labels | undefined, labels: Labels): boolean {
  const pairs = Object.entries(selector ?? {});
  return pairs.length > 0 && pairs.every(([name, value]) => labels[name] === value);
}

function podOf(deployment: IDeployment): IPodSpec {
  const pod = deployment.spec?.template.spec;
  if (pod === undefined) throw new Error("There is no pod template");
  return pod;
}

function containerOf(deployment: IDeployment): IContainer {
  const [container, ...others] = podOf(deployment).containers;
  if (container === undefined || others.length > 0) throw new Error("One container is expected");
  return container;
}

interface Probe {
  readonly path: string;
  readonly port: string | number;
}

function probesOf({ startupProbe, livenessProbe, readinessProbe }: IContainer): [string, Probe][] {
  return Object.entries({ startupProbe, livenessProbe, readinessProbe }).map(([name, probe]) => {
    if (!probe?.httpGet?.path) throw new Error(`${name} is missing, or asks for nothing`);
    return [name, { path: probe.httpGet.path, port: probe.httpGet.port }];
  });
}

/** A port by its name, as Kubernetes looks it up, or by its number. */
function numberOf(port: string | number | undefined, ports: readonly IContainerPort[]): unknown {
  return typeof port === "string" ? ports.find((it) => it.name === port)?.containerPort : port;
}

function secretsOf(manifests: readonly Manifest[]): Readonly<Record<string, string>>[] {
  return manifests.filter(Secret.is).map((it) => {
    const pairs = Object.entries(it.data ?? {});
    const decoded = pairs.map(([key, text]) => [key, Buffer.from(text, "base64").toString()]);
    return Object.fromEntries(decoded) as Record<string, string>;
  });
}

/** The variables that the container starts with. A reference that leads nowhere is an error. */
function environmentOf(
  manifests: readonly Manifest[],
  { env = [], envFrom = [] }: IContainer,
): Record<string, string> {
  const configMaps = manifests.filter(ConfigMap.is);
  const secrets = manifests.filter(Secret.is);
  const environment: Record<string, string> = {};
  for (const { configMapRef } of envFrom) {
    Object.assign(environment, named(configMaps, configMapRef?.name ?? "").data);
  }
  for (const { name, value, valueFrom } of env) {
    const { fieldRef, secretKeyRef } = valueFrom ?? {};
    let found = value;
    if (fieldRef?.fieldPath === "metadata.name") found = podName;
    if (secretKeyRef) {
      const index = secrets.findIndex((it) => it.metadata?.name === secretKeyRef.name);
      const data: Partial<Record<string, string>> | undefined =
        secrets.length === 0 ? operatorsSecret : secretsOf(manifests)[index];
      found = data?.[secretKeyRef.key];
    }
    if (found === undefined) throw new Error(`${name} has no value`);
    environment[name] = found;
  }
  return environment;
}

interface ImageSettings {
  readonly base: string;
  readonly command: readonly string[];
  readonly exposed: readonly string[];
  readonly user: string | undefined;
  /** What is copied from the repository. */
  readonly copied: readonly string[];
}

async function imageSettings(): Promise<ImageSettings> {
  const text = await readFile(join(root, "server", "Dockerfile"), "utf8");
  const all = (name: string): string[] =>
    [...text.matchAll(new RegExp(`^${name} (.*)$`, "gm"))].map(([, rest = ""]) => rest);
  const [base = ""] = all("FROM")[0]?.split(" ") ?? [];
  return {
    base,
    command: JSON.parse(all("CMD").at(-1) ?? "[]") as string[],
    exposed: all("EXPOSE"),
    user: all("USER").at(-1),
    copied: all("COPY")
      .filter((rest) => !rest.startsWith("--"))
      .flatMap((rest) => rest.split(" ").slice(0, -1)),
  };
}
