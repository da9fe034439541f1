import type { EventName } from "../protocol/index.js";
import { schemaOf } from "./schemas.js";

/** A schema of JSON Schema. Not a type of typebox's: that has ES modules only, which TypeScript does not take for `require`. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** The JSON schema of an event as a publisher may write it: of the same object that checks it. */
export function eventSchema(name: EventName): JsonSchema {
  return { ...schemaOf(name) };
}
