import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { randomBytes } from "node:crypto";
import "../world/globals.js";

/*
 * Socket.IO makes the ids of its sockets from random bytes that it keeps for later, and a count, both of them for the whole
 * process: here each simulated process has its own. Pinned by the test of equal traces.
 */
const require = createRequire(import.meta.url);
const file = join(dirname(require.resolve("socket.io")), "contrib/base64id.js");
const { base64id } = require(file) as { base64id: { generateId: () => string } };
base64id.generateId = () => randomBytes(15).toString("base64url");
