import type { EventEmitter } from "node:events";
import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";
import { parseAddress, type Identity } from "../../classroom/address.js";
import { guard, type Drop } from "../guard.js";
import type { FullPlace, Refusals } from "../../telemetry/refusals.js";
import { HttpProblem } from "../http/problems.js";
import type { ClientAddresses } from "./client-addresses.js";
import { NOBODYS, Owners, type Owner, type Place } from "./owners.js";

export interface ConnectionLimits {
  /** Connections of this replica; and as many sockets on which there is none. */
  readonly maxConnections: number;
  /** The same of one address, where it is known whose address it is; 0 for any number. */
  readonly maxConnectionsPerAddress: number;
  /** New connections of one address in a second, over a longer time. */
  readonly newConnectionsPerS: number;
  /** New connections of one address at once. */
  readonly newConnectionsBurst: number;
}

/** Sockets above a limit that are not cut: of probes, and of those who have been refused and are about to go. */
const SPARE_SOCKETS = 16;
/** When to come back, in seconds: to a replica or for an address that is full, somebody has to go first. */
const FULL = { "retry-after": "5" };
const TOO_FAST = { "retry-after": "1" };

const place = Symbol("place");

interface Placed {
  [place]?: Place | undefined;
}

/**
 * Counts sockets, and connections of clients: a WebSocket is one, and so is a session of long polling. What comes beyond a
 * limit is not let in, and whatever ends is let go of, however early: nothing is counted that does not end by itself.
 */
export class Doorkeeper {
  readonly #limits: ConnectionLimits;
  readonly #addresses: ClientAddresses;
  readonly #refusals: Refusals;
  readonly #owners: Owners;
  #connections = 0;
  #sockets = 0;
  /** One for all: a listener of its own for each connection would be memory for each. */
  readonly #onEnd: (this: object) => void;

  constructor(limits: ConnectionLimits, addresses: ClientAddresses, refusals: Refusals) {
    this.#limits = limits;
    this.#addresses = addresses;
    this.#refusals = refusals;
    this.#owners = new Owners({
      perS: limits.newConnectionsPerS,
      burst: limits.newConnectionsBurst,
    });
    const letGo = (ended: object) => {
      this.#letGo(ended);
    };
    this.#onEnd = function () {
      letGo(this);
    };
  }

  /** Counts the sockets of a server. One too many is cut, without a word, as it has asked for nothing yet. */
  watch(server: Server, drop: Drop): void {
    const come = (socket: Socket) => {
      const name = this.#addresses.ownerOfPeer(socket.remoteAddress);
      const owner = name === undefined ? undefined : this.#owners.find(name);
      const { maxConnections, maxConnectionsPerAddress } = this.#limits;
      if (
        this.#sockets >= maxConnections + SPARE_SOCKETS ||
        isFull(owner?.sockets, maxConnectionsPerAddress, SPARE_SOCKETS)
      ) {
        const { remoteAddress: address } = socket;
        this.#refusals.note("too_many_connections", { address, limit: "sockets" });
        socket.destroy();
        return;
      }
      this.#take(socket, placeOf("socket", owner));
      socket.on("close", this.#onEnd);
    };
    server.on(
      "connection",
      guard(drop, (socket) => socket, come),
    );
  }

  /** A client of long polling gets a WebSocket: its place ends with that one's socket, which may outlast the connection. */
  moveToSocket(connection: object, socket: Socket): void {
    const upgraded = connection as Placed;
    const taken = upgraded[place];
    if (!taken || socket.destroyed) return;
    upgraded[place] = undefined;
    this.#letGo(socket);
    (socket as Placed)[place] = taken;
  }

  /**
   * Lets in a client by WebSocket, whose connection ends with its socket.
   *
   * @returns why it is not let in, if so
   */
  enterBySocket(request: IncomingMessage): HttpProblem | undefined {
    const entered = this.#enter(request);
    if (entered instanceof HttpProblem) return entered;
    this.#letGo(request.socket);
    this.#take(request.socket, entered);
    return undefined;
  }

  /**
   * Lets in a client by long polling, as long as its first request lasts, or the connection that comes of it.
   *
   * @param response - ends when the request does
   * @returns why it is not let in, if so
   */
  enterByRequest(request: IncomingMessage, response: EventEmitter): HttpProblem | undefined {
    const entered = this.#enter(request);
    if (entered instanceof HttpProblem) return entered;
    this.#take(request, entered);
    response.once("close", () => {
      this.#letGo(request);
    });
    return undefined;
  }

  /** A connection has come of a request: it has its place until it emits `close`, unless that moves to a socket. */
  keep(connection: EventEmitter, request: object): void {
    const asked = request as Placed;
    const taken = asked[place];
    if (!taken) return;
    asked[place] = undefined;
    (connection as Placed)[place] = taken;
    connection.on("close", this.#onEnd);
  }

  #enter(request: IncomingMessage): Place | HttpProblem {
    const { maxConnections, maxConnectionsPerAddress } = this.#limits;
    if (this.#connections >= maxConnections) {
      return new HttpProblem(503, "too_many_connections", "this replica is full: come back later", {
        headers: FULL,
        known: { limit: "replica" },
      });
    }
    const name = this.#addresses.ownerOf(request);
    const owner = name === undefined ? undefined : this.#owners.find(name);
    if (owner && !this.#owners.takeNew(owner)) {
      const detail = "your address opens connections too quickly: come back later";
      return new HttpProblem(429, "too_many_new_connections", detail, { headers: TOO_FAST });
    }
    if (isFull(owner?.connections, maxConnectionsPerAddress)) {
      return tooMany("address", "your address has as many connections as it may: come back later");
    }
    return placeOf("connection", owner);
  }

  #take(holder: object, taken: Place): void {
    (holder as Placed)[place] = taken;
    this.#count(taken, 1);
  }

  #letGo(holder: object): void {
    const placed = holder as Placed;
    const taken = placed[place];
    if (!taken) return;
    placed[place] = undefined;
    this.#count(taken, -1);
    if (taken.owner) this.#owners.forgetIfIdle(taken.owner);
  }

  #count({ kind, owner }: Place, by: 1 | -1): void {
    if (kind === "socket") {
      this.#sockets += by;
      if (owner) owner.sockets += by;
    } else {
      this.#connections += by;
      if (owner) owner.connections += by;
    }
  }
}

/** One for all of the same kind and owner: an object for each connection would be memory for each. */
function placeOf(kind: Place["kind"], owner: Owner | undefined): Place {
  return (owner?.places ?? NOBODYS)[kind];
}

/** Why nobody can come in by a URL that names a role room, where that is full. */
export function findFullRoom(
  url: string,
  isRoomFull: (identity: Identity) => boolean,
): HttpProblem | undefined {
  const address = parseAddress(url);
  if (address?.kind !== "session" || !isRoomFull(address.identity)) return undefined;
  const detail = "this role in this session has as many connections as it may: come back later";
  return tooMany("room", detail);
}

/** What somebody is told who comes back when others of his have gone. */
function tooMany(limit: FullPlace, detail: string): HttpProblem {
  const known = { limit };
  return new HttpProblem(429, "too_many_connections", detail, { headers: FULL, known });
}

function isFull(count: number | undefined, limit: number, spare = 0): boolean {
  return count !== undefined && limit > 0 && count >= limit + spare;
}
