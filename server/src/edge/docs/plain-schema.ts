import type { JsonSchema } from "@inthon/emitter/validate";
import type { TSchema } from "typebox";

/** What we write means the same by the drafts from 7, which AsyncAPI has, to 2020-12, which OpenAPI has. */
export type { JsonSchema };

/**
 * A schema that the code checks by, as a document has it. What a document cannot say (a date that is on no calendar, a URL
 * that leads to another scheme, a lone surrogate) is in its description.
 */
export function plainSchema(schema: TSchema | JsonSchema): JsonSchema {
  const text = JSON.stringify(schema, (name, value: unknown) => {
    if (name.startsWith("~")) return undefined;
    return value instanceof RegExp ? value.source : value;
  });
  return JSON.parse(text) as JsonSchema;
}

/** Where another part of a document is. */
export function ref(...path: readonly string[]): JsonSchema {
  const escaped = path.map((part) => part.replaceAll("~", "~0").replaceAll("/", "~1"));
  return { $ref: `#/${escaped.join("/")}` };
}

/** An object by what is made of each name. */
export function byName<Name extends string, T>(
  names: readonly Name[],
  make: (name: Name) => T,
): Record<Name, T> {
  return Object.fromEntries(names.map((name) => [name, make(name)])) as Record<Name, T>;
}
