import {
  ConfigMap,
  Secret,
  type IContainer,
  type IContainerPort,
  type IPodSpec,
} from "kubernetes-models/v1";
import type { IDeployment } from "kubernetes-models/apps/v1";
import { named, type Manifest } from "./manifests.js";

/** The name of the server's objects: Deployment, Service, ConfigMap, Secret. */
export const SERVER = "inthon-server";
/** As Kubernetes makes it up from the name of the Deployment. */
export const POD_NAME = `${SERVER}-6d4cf56db6-x2x7k`;

/** The base leaves the Secret to the operator: this stands for it. */
export const OPERATORS_SECRET: Variables = {
  REDIS_URL: "rediss://redis.example:6379",
  JWT_SECRET: "a-secret-of-at-least-32-characters",
  PUBLISH_KEYS: "the-key-of-a-service,the-key-of-another",
};

export type Variables = Readonly<Record<string, string>>;
export type Labels = Readonly<Record<string, string>>;

export function labelsOf(deployment: IDeployment): Labels {
  return deployment.spec?.template.metadata?.labels ?? {};
}

/** Whether a selector chooses what has these labels. An empty one chooses nothing here: none of ours may be empty. */
export function matches(selector: Labels | undefined, labels: Labels): boolean {
  const pairs = Object.entries(selector ?? {});
  return pairs.length > 0 && pairs.every(([name, value]) => labels[name] === value);
}

export function podOf(deployment: IDeployment): IPodSpec {
  const pod = deployment.spec?.template.spec;
  if (pod === undefined) throw new Error("There is no pod template");
  return pod;
}

export function containerOf(deployment: IDeployment): IContainer {
  const [container, ...others] = podOf(deployment).containers;
  if (container === undefined || others.length > 0) throw new Error("One container is expected");
  return container;
}

export interface Probe {
  readonly path: string;
  readonly port: string | number;
}

export function probesOf({
  startupProbe,
  livenessProbe,
  readinessProbe,
}: IContainer): [string, Probe][] {
  return Object.entries({ startupProbe, livenessProbe, readinessProbe }).map(([name, probe]) => {
    if (!probe?.httpGet?.path) throw new Error(`${name} is missing, or asks for nothing`);
    return [name, { path: probe.httpGet.path, port: probe.httpGet.port }];
  });
}

/** A port by its name, as Kubernetes looks it up, or by its number. */
export function numberOf(
  port: string | number | undefined,
  ports: readonly IContainerPort[],
): number | undefined {
  return typeof port === "string" ? ports.find((it) => it.name === port)?.containerPort : port;
}

/** What the Secrets among the objects hold, decoded, by their names. */
export function secretsOf(manifests: readonly Manifest[]): ReadonlyMap<string, Variables> {
  return new Map(
    manifests.filter(Secret.is).map((it) => {
      const pairs = Object.entries(it.data ?? {});
      const decoded = pairs.map(([key, text]) => [key, Buffer.from(text, "base64").toString()]);
      return [it.metadata?.name ?? "", Object.fromEntries(decoded) as Variables];
    }),
  );
}

/**
 * The variables that the container starts with, as Kubernetes puts them together: what is named by itself wins over what comes
 * with all others, and of these the later one wins. A reference that leads nowhere is an error.
 *
 * @param operators - what the Secret holds that is not among the objects
 */
export function environmentOf(
  manifests: readonly Manifest[],
  { env = [], envFrom = [] }: IContainer,
  operators: Variables = OPERATORS_SECRET,
): Record<string, string> {
  const configMaps = manifests.filter(ConfigMap.is);
  const secrets = secretsOf(manifests);
  const secretNamed = (name = ""): Variables => {
    const found = secrets.get(name) ?? (name === SERVER ? operators : undefined);
    if (found === undefined) throw new Error(`There is no Secret named ${name}`);
    return found;
  };
  const environment: Record<string, string> = {};
  for (const { configMapRef, secretRef } of envFrom) {
    if (configMapRef) Object.assign(environment, named(configMaps, configMapRef.name ?? "").data);
    if (secretRef) Object.assign(environment, secretNamed(secretRef.name));
  }
  for (const { name, value, valueFrom } of env) {
    const { fieldRef, secretKeyRef } = valueFrom ?? {};
    let found = value;
    if (fieldRef?.fieldPath === "metadata.name") found = POD_NAME;
    if (secretKeyRef) found = secretNamed(secretKeyRef.name)[secretKeyRef.key];
    if (found === undefined) throw new Error(`${name} has no value`);
    environment[name] = found;
  }
  return environment;
}
