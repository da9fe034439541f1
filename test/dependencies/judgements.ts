/** What came out, in words. */
export interface Judgement {
  readonly isFine: boolean;
  readonly text: string;
}

/** Licences that ask for no more than to be named. SPDX identifiers. */
const ALLOWED: ReadonlySet<string> = new Set([
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "CC0-1.0",
  "ISC",
  "MIT",
  "Unlicense",
]);

interface Component {
  readonly name: string;
  readonly version: string;
  readonly licenses?: readonly {
    readonly license?: { readonly id?: string; readonly name?: string };
    readonly expression?: string;
  }[];
}

/** @param sbom - what `npm sbom --sbom-format=cyclonedx` prints */
export function judgeLicences(sbom: string): Judgement {
  const components = (parse(sbom) as { components?: readonly Component[] } | undefined)?.components;
  if (!components?.length) return { isFine: false, text: "licences: npm did not list any package" };
  const counts = new Map<string, number>();
  const refused: string[] = [];
  for (const { name, version, licenses = [] } of components) {
    const names = licenses.map(
      (one) => one.license?.id ?? one.expression ?? one.license?.name ?? "",
    );
    const licence = names.join(" AND ") || "none";
    counts.set(licence, (counts.get(licence) ?? 0) + 1);
    if (!names.length || !names.every(isAllowed)) refused.push(`${name}@${version} (${licence})`);
  }
  const list = [...counts].map(([name, count]) => `${name} ${String(count)}`).join(", ");
  const text = `licences of production dependencies: ${list}`;
  if (refused.length === 0) return { isFine: true, text };
  return { isFine: false, text: `${text}\nnot allowed: ${refused.join(", ")}` };
}

/** Of several to choose from, one is enough. */
function isAllowed(expression: string): boolean {
  return expression
    .replace(/^\(|\)$/g, "")
    .split(" OR ")
    .some((licence) => ALLOWED.has(licence));
}

interface Audit {
  readonly vulnerabilities?: Readonly<Record<string, { readonly severity: string }>>;
}

/** @param audit - what `npm audit --json` prints */
export function judgeAudit(audit: string): Judgement {
  const { vulnerabilities } = (parse(audit) as Audit | undefined) ?? {};
  if (!vulnerabilities) {
    return { isFine: true, text: "known vulnerabilities: this registry does not answer npm audit" };
  }
  const found = Object.entries(vulnerabilities).map(
    ([name, { severity }]) => `${name} (${severity})`,
  );
  if (found.length === 0) return { isFine: true, text: "known vulnerabilities: none" };
  return { isFine: false, text: `known vulnerabilities: ${found.join(", ")}: see npm audit` };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
