/**
 * What checks events against the contract: for whoever takes them from strangers, or reads them from elsewhere. Apart from the
 * contract's names and types, because it brings typebox along. Imports no module of Node.
 *
 * @packageDocumentation
 */
export { EmitterError, type Fault } from "../errors.js";
export { isEvent, MAX_EVENT_BYTES, parseEvent, parseEvents } from "./parse-event.js";
export { eventSchema, type JsonSchema } from "./json-schema.js";
