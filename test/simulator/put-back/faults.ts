/** A piece of the source, and what stands in its place where the fault is put back. */
export interface Edit {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** A fault that the product had once, or could have. */
export interface MendedFault {
  readonly name: string;
  readonly edits: readonly Edit[];
}

const ROOM = "server/src/cluster/room.ts";
const LEASE = "server/src/cluster/redis/node-lease.ts";
const PRESENCE = "server/src/classroom/presence/presence.ts";
const UPKEEP = "server/src/classroom/presence/upkeep.ts";
const CHANNELS = "server/src/cluster/redis/shards/channel-subscriptions.ts";
const PUBLISH = "emitter/src/redis/lua/publish.lua";

/** Each of them is to be found. Where a piece of the source is not there any more, that is told: the list is kept true. */
export const MENDED_FAULTS: readonly MendedFault[] = [
  {
    name: "history older under one epoch",
    edits: [
      {
        file: "emitter/src/redis/lua/standing.lua",
        from: "  return string.sub(info, before + 1, before + 40)\n",
        to: "  return string.rep('0', 40)\n",
      },
    ],
  },
  {
    name: "retried UNSUBSCRIBE after SUBSCRIBE",
    edits: [
      {
        file: CHANNELS,
        from: "        this.#onFailure(client, channels, error);\n        return;\n      }\n    }\n    for (const channel of channels) this.#refused.delete(channel);\n    if (client !== this.#client) return;\n    for (const channel of channels) this.#state.delete(channel);",
        to: "        const again = () => {\n          if (this.#isClosed) return;\n          this.#client?.unsubscribe(channels, this.#dispatch, true).catch(() => setTimeout(again, 1_000));\n        };\n        setTimeout(again, 1_000);\n        return;\n      }\n    }\n    for (const channel of channels) this.#refused.delete(channel);\n    if (client !== this.#client) return;\n    for (const channel of channels) this.#state.delete(channel);",
      },
    ],
  },
  {
    name: "backfill with a hole",
    edits: [
      {
        file: ROOM,
        from: "        if (event.position.n !== from.n + 1) older.clear();\n",
        to: "",
      },
    ],
  },
  {
    name: "claim after close",
    edits: [
      {
        file: PRESENCE,
        from: 'if (isWanted()) await this.#claim(sessionId, socketId, "join");',
        to: 'await this.#claim(sessionId, socketId, "join");',
      },
    ],
  },
  {
    name: "presence not checked after a restart",
    edits: [
      {
        file: LEASE,
        from: "      this.#incarnation !== renewal.incarnation;\n    if (",
        to: "      this.#incarnation !== renewal.incarnation &&\n      false;\n    if (",
      },
      {
        file: UPKEEP,
        from: "  #once(task: () => Promise<void>): void {\n    if (this.#isBusy) return;",
        to: "  #once(task: () => Promise<void>): void {\n    if (this.#isBusy || this.#turn >= 0) return;",
      },
    ],
  },
  {
    name: "gap repair off",
    edits: [
      {
        file: ROOM,
        from: "else if (n > position.n) this.#readUpTo(event.position);",
        to: "else if (n > position.n) this.#apply(event, postmark);",
      },
    ],
  },
  {
    name: "PUBLISH refused after the append",
    edits: [
      {
        file: PUBLISH,
        from: "if not mayPublish(redis.acl_check_cmd, PUBLISH, channel, KEYS) then",
        to: "if false then",
      },
    ],
  },
  {
    name: "a promise without a handler in the lease",
    edits: [
      {
        file: LEASE,
        from: "{ signal: this.#wake.signal }).catch(\n        () => undefined,\n      );",
        to: "{ signal: this.#wake.signal });",
      },
      {
        file: LEASE,
        from: "      await next;\n",
        to: "      await next.catch(() => undefined);\n",
      },
    ],
  },
  {
    name: "a rejoin that does not catch up",
    edits: [
      {
        file: ROOM,
        from: "if (this.#position) void this.#catchUp();",
        to: "if (this.#position) this.#isLive = true;",
      },
    ],
  },
  {
    name: "idempotency key not looked for before the append",
    edits: [
      { file: PUBLISH, from: "  local seen = find(kind, name)\n", to: "  local seen = nil\n" },
    ],
  },
  {
    name: "epochs evicted alone",
    edits: [
      {
        file: PUBLISH,
        from: "if isThere and not epoch then\n",
        to: "if false then\n",
      },
    ],
  },
  {
    name: "earlier epochs forgotten with their key",
    edits: [
      {
        file: "emitter/src/redis/lua/standing.lua",
        from: "  for _ = 1, MAX_ENDS do\n    -- No number",
        to: "  for _ = 1, 0 do\n    -- No number",
      },
    ],
  },
  {
    name: "a room counts as heard whose channel was refused",
    edits: [
      {
        file: "server/src/cluster/redis/shards/one-redis.ts",
        from: "    return subscriber.isUp && channels.isSubscribed(channel);",
        to: "    return subscriber.isUp && channel !== '' && channels !== undefined;",
      },
    ],
  },
  {
    name: "slots that moved leave rooms as they were",
    edits: [
      {
        file: "server/src/cluster/redis/cluster/sharded-channels.ts",
        from: "    this.#tell(false, interrupted);\n  }\n\n  /** Told by links of what",
        to: "  }\n\n  /** Told by links of what",
      },
      {
        file: "server/src/cluster/redis/cluster/sharded-channels.ts",
        from: "    this.#tell(true, heard);\n",
        to: "",
      },
    ],
  },
  {
    name: "a member is told live events before what it missed",
    edits: [
      {
        file: "server/src/classroom/classroom.ts",
        from: "      if (this.#catchUps.has(id)) return;\n",
        to: "",
      },
    ],
  },
];
