import { CommandReader, encode, ErrorReply, Later } from "../redis/replies.js";
import type { Listening, Subscriber } from "../redis/redis-server.js";
import type { ProcessInTurn } from "../world/whose-turn.js";
import type { World } from "../world/world.js";
import type { Moments } from "./moments.js";
import { Pipe, type Pace } from "./pipe.js";
import type { SimulatedSocket } from "./socket.js";

/** As a user is refused who may not do something: nothing has been done. */
const REFUSAL = new ErrorReply("NOPERM this user has no permissions to run it just now");

/** A connection of a process to a Redis: two pipes, and what Redis knows of it. */
export class Connection implements Subscriber {
  readonly process: ProcessInTurn;
  readonly redis: Listening;
  readonly channels = new Set<string>();
  readonly shardChannels = new Set<string>();
  isAsking = false;
  readonly toRedis: Pipe;
  readonly toProcess: Pipe;
  readonly #reader = new CommandReader();
  #isOver = false;
  #waiting = "";
  /** Whether Redis has it wait for an answer. */
  #isBlocked = false;
  #left: (readonly string[])[] = [];
  readonly #world: World;
  readonly #socket: SimulatedSocket;
  readonly #moments: Moments<Connection>;
  readonly #onOver: () => void;
  /** Whether messages are lost on their way to it. */
  isDeaf = false;

  constructor(
    world: World,
    pace: Pace,
    process: ProcessInTurn,
    redis: Listening,
    socket: SimulatedSocket,
    moments: Moments<Connection>,
    onOver: () => void,
  ) {
    this.#world = world;
    this.process = process;
    this.redis = redis;
    this.#socket = socket;
    this.#moments = moments;
    this.#onOver = onOver;
    const arrive = (run: () => void) => {
      process.arrive(run);
    };
    this.toRedis = new Pipe(
      world,
      pace,
      (bytes) => {
        this.#serve(bytes);
      },
      () => {
        this.#end();
      },
    );
    this.toProcess = new Pipe(
      world,
      pace,
      (bytes) => {
        arrive(() => {
          socket.receive(bytes);
        });
      },
      () => {
        arrive(() => {
          socket.endByPeer();
        });
      },
    );
  }

  /** Whether its process has it still; else Redis does not know that it has gone. */
  get isHeld(): boolean {
    return this.process.isAlive && !this.#socket.destroyed;
  }

  /** Its process is gone: a part of what it had written still arrives. */
  abandon(part: number, isTold: boolean): void {
    if (!this.#isOver) this.toRedis.cut(part, isTold);
  }

  push(bytes: string): void {
    this.toProcess.write(bytes);
  }

  message(bytes: string): void {
    if (!this.isDeaf) this.push(bytes);
  }

  /** Redis has ended it, by itself or because its process has ended. */
  closeByRedis(): void {
    this.#end();
    this.toProcess.close();
  }

  /**
   * @param part - of what is under way that still arrives
   * @param isTold - whether the two learn of it
   */
  cut(part: number, isTold: boolean): void {
    this.toRedis.cut(part, isTold);
    this.toProcess.cut(part, isTold);
  }

  /** Redis has been thawed. */
  goOn(): void {
    const bytes = this.#waiting;
    this.#waiting = "";
    this.#serve(bytes);
  }

  #serve(bytes: string): void {
    if (this.#isOver) return;
    if (this.redis.isFrozen) {
      this.#waiting += bytes;
      return;
    }
    this.#left.push(...this.#reader.read(bytes));
    while (this.#left.length > 0 && !this.#isBlocked) {
      const words = this.#left.shift() ?? [];
      const verdict = this.#moments.pass(this, words, false);
      if (verdict === "lose" || this.#isEnded()) return;
      const reply = verdict === "refuse" ? REFUSAL : this.redis.execute(words, this);
      if (reply instanceof Later) this.#block(reply);
      else if (reply !== undefined) this.push(encode(reply));
      if (this.#moments.pass(this, words, true) === "lose" || this.#isEnded()) return;
    }
  }

  #block({ ms, reply }: Later): void {
    this.#isBlocked = true;
    this.#world.after(ms, () => {
      this.#isBlocked = false;
      if (this.#isOver) return;
      this.push(encode(reply()));
      this.#serve("");
    });
  }

  /** Asked again and again: what waits at a moment may end it. */
  #isEnded(): boolean {
    return this.#isOver;
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.redis.leave(this);
    this.#onOver();
  }
}
