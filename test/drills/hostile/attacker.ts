/** A process of its own: one attack on one replica, until it is ended. */
import { ATTACKS } from "./attacks.js";

const [, , name, url = ""] = process.argv;
const attack = ATTACKS.find((one) => one.name === name);
if (!attack) throw new Error(`there is no attack "${String(name)}"`);
const { hostname, port } = new URL(url);
await attack.run({ host: hostname, port: Number(port) });
