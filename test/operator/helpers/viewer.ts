import type { Static } from "typebox";
import type { OverviewText, ReplicaLine } from "../../../server/dist/edge/operator/schemas.js";
import { EventStream } from "../../helpers/clients/event-stream.js";
import { Inbox } from "../../helpers/clients/inbox.js";

export type Overview = OverviewText;

/** An operator who looks, as the page does, and writes down what is shown. */
export class Viewer {
  readonly overviews = new Inbox<Overview>();
  readonly session = new Inbox<Readonly<Record<string, unknown>>>();
  readonly told = new Inbox<Readonly<Record<string, unknown>>>();
  readonly stream: EventStream;

  private constructor(stream: EventStream) {
    this.stream = stream;
    stream.events.each(({ event, data }) => {
      const value: unknown = JSON.parse(data);
      if (event === "overview") this.overviews.add(value as Overview);
      else (event === "told" ? this.told : this.session).add(value as Record<string, unknown>);
    });
  }

  static async open(url: string, key: string, session?: string): Promise<Viewer> {
    const query = session === undefined ? "" : `?session=${session}`;
    const headers = { authorization: `Bearer ${key}` };
    const stream = await EventStream.open(url, `/operator/stream${query}`, { headers });
    if (stream.status !== 200) throw new Error(`${String(stream.status)} ${stream.text}`);
    return new Viewer(stream);
  }

  /** The first overview from now on of which this is so. */
  async shows(isSo: (overview: Overview) => boolean): Promise<Overview> {
    return this.overviews.next(isSo, this.overviews.items.length);
  }

  /** Resolves when so many more overviews have come. */
  async seesNext(count: number): Promise<void> {
    const wanted = this.overviews.items.length + count;
    await this.overviews.until((items) => items.length >= wanted);
  }

  async close(): Promise<void> {
    this.stream.close();
    await this.stream.ended;
  }
}

/** The newest process of this name. */
export function lineOf({ replicas }: Overview, node: string): Static<typeof ReplicaLine> {
  const lines = replicas.filter((line) => line.node === node);
  const [newest] = lines.sort((a, b) => (b.started_at ?? 0) - (a.started_at ?? 0));
  if (!newest) throw new Error(`${node} is not shown`);
  return newest;
}

/** Whether so many replicas tell of themselves. */
export function tell(count: number): (overview: Overview) => boolean {
  return ({ total }) => total.replicas === count;
}
