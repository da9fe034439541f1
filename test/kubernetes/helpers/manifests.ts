import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import ts from "typescript";
import { parseAllDocuments } from "yaml";
import { ensureTool } from "../../helpers/tools/tools.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** An object with a name. */
export interface Named {
  readonly metadata?: { readonly name?: string };
}
/** What every Kubernetes object has. */
export interface Manifest extends Named {
  readonly apiVersion: string;
  readonly kind: string;
}
const compilerOptions: ts.CompilerOptions = {
  module: ts.ModuleKind.NodeNext,
  target: ts.ScriptTarget.ES2022,
  strict: true,
  skipLibCheck: true,
  noEmit: true,
  types: [],
};
const readSources = new Map<string, ts.SourceFile | undefined>();

/** Every folder that can be rendered, as a path from the root. */
export async function kustomizations(): Promise<string[]> {
  const files = await readdir(join(root, "k8s"), { recursive: true });
  return files
    .filter((file) => file.endsWith("kustomization.yaml"))
    .map((file) => join("k8s", dirname(file)))
    .sort();
}

/** What `kubectl apply -k` would send. */
export async function render(directory: string): Promise<Manifest[]> {
  const kubectl = await ensureTool("kubectl");
  const run = promisify(execFile)(kubectl, ["kustomize", join(root, directory)]);
  const { stdout } = await run.catch((cause: unknown) => {
    throw new Error(`${kubectl} cannot render ${directory}`, { cause });
  });
  return parseAllDocuments(stdout).map((document) => {
    const [error] = document.errors;
    if (error) throw error;
    return document.toJS() as Manifest;
  });
}

/** One line for each fault: by the schemas, and for fields that the schemas do not name. */
export async function problemsOf(manifests: readonly Manifest[]): Promise<string[]> {
  const problems: string[] = [];
  const known: Manifest[] = [];
  for (const manifest of manifests) {
    const { apiVersion, kind } = manifest;
    const Model = await modelOf(manifest);
    if (Model === undefined) {
      problems.push(`${apiVersion} ${kind} is not known`);
      continue;
    }
    known.push(manifest);
    try {
      new Model(manifest).validate();
    } catch (error) {
      problems.push(`${kind} ${nameOf(manifest)}: ${String(error)}`);
    }
  }
  return [...problems, ...typeFaults(known)];
}

type Model = new (data: Manifest) => { validate(): void };

/** The package that knows the objects of an API group; those of Kubernetes itself are in one. */
const PACKAGES: Partial<Record<string, string>> = {
  "gateway.networking.k8s.io": "@kubernetes-models/gateway-api",
  "monitoring.coreos.com": "@kubernetes-models/prometheus-operator",
};

function moduleOf({ apiVersion, kind }: Manifest): string {
  const [group = ""] = apiVersion.split("/");
  return `${PACKAGES[group] ?? "kubernetes-models"}/${apiVersion}/${kind}`;
}

async function modelOf(manifest: Manifest): Promise<Model | undefined> {
  try {
    const module = (await import(moduleOf(manifest))) as Partial<Record<string, Model>>;
    return module[manifest.kind];
  } catch {
    return undefined;
  }
}

/**
 * The schemas take any field; the types of the same package do not. So the compiler looks at each
 * object as a literal of its type, in a file that exists in memory only.
 */
function typeFaults(manifests: readonly Manifest[]): string[] {
  const file = join(root, "test", "manifests.in-memory.ts");
  const lines = manifests.map((manifest, index) => {
    const type = `import("${moduleOf(manifest)}").I${manifest.kind}`;
    return `export const object${index}: ${type} = ${JSON.stringify(manifest)};`;
  });
  const host = ts.createCompilerHost(compilerOptions);
  const read = host.getSourceFile.bind(host);
  host.getSourceFile = (name, version) => {
    if (name === file) return ts.createSourceFile(name, lines.join("\n"), version);
    if (!readSources.has(name)) readSources.set(name, read(name, version));
    return readSources.get(name);
  };
  const program = ts.createProgram([file], compilerOptions, host);
  const diagnostics = ts.getPreEmitDiagnostics(program);
  return diagnostics.map((it) => ts.flattenDiagnosticMessageText(it.messageText, " "));
}

/** The object of that name; an error where there is none. */
export function named<T extends Named>(objects: readonly T[], name: string): T {
  const found = objects.find((it) => it.metadata?.name === name);
  if (found === undefined) throw new Error(`There is no object named ${name}`);
  return found;
}

/** The object's name. */
export function nameOf(object: Named): string {
  return object.metadata?.name ?? "";
}
