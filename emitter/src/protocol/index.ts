/**
 * The classroom contract: names, types, schemas and Socket.IO event maps. Imports no Redis client and no server, so
 * that browsers can use it too.
 *
 * @packageDocumentation
 */
export * from "./events.js";
export * from "./ids.js";
export * from "./names.js";
