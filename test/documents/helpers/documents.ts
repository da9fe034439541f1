import { Ajv } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";

/** A document, as far as tests look into it. */
export type Document = Readonly<Record<string, unknown>>;

/** Whether a value is what a part of a document says; what is wrong, where it is not. */
export type PartCheck = (value: unknown, ...path: readonly string[]) => string | undefined;

/** Fetches a document as its readers do. */
export async function fetchDocument(url: string, name: "openapi" | "asyncapi"): Promise<Document> {
  const response = await fetch(`${url}/docs/${name}.json`);
  if (response.status !== 200) throw new Error(`${name}: ${response.status}`);
  return (await response.json()) as Document;
}

/** What is at a path of a document. */
export function partOf(document: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((part, name) => (part as Document | undefined)?.[name], document);
}

/**
 * Checks values by schemas that are in a document. An object has no fields but those that are named there: what is
 * answered, and is in no document, is found.
 *
 * @param options - `coerces`: values are texts, such as those of a query
 */
export function partCheck(
  document: Document,
  draft: "2020-12" | "draft-07",
  { coerces = false } = {},
): PartCheck {
  const options = { strict: false, coerceTypes: coerces } as const;
  const ajv = draft === "2020-12" ? new Ajv2020(options) : new Ajv(options);
  ajv.addSchema(closed(document) as object, "document");
  return (value, ...path) => {
    const pointer = path.map((part) =>
      encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1")),
    );
    const validate = ajv.getSchema(`document#/${pointer.join("/")}`);
    if (!validate) throw new Error(`the document has no ${path.join(" ")}`);
    // Where it coerces, it does so in what it lies in.
    if (validate({ value }.value) === true) return undefined;
    return `${ajv.errorsText(validate.errors)}: ${JSON.stringify(value)}`;
  };
}

function closed(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(closed);
  if (typeof part !== "object" || part === null) return part;
  const inside = Object.fromEntries(Object.entries(part).map(([k, v]) => [k, closed(v)]));
  const isObject = inside["type"] === "object" && "properties" in inside;
  return isObject ? { additionalProperties: false, ...inside } : inside;
}
