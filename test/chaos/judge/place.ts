import type { Position } from "@inthon/emitter/protocol";

/** An event at a place, as anybody knows of it. With an offset that was given twice there are two. */
export interface Place {
  readonly position: Position;
  readonly id: string;
  /** When Redis lost it, in milliseconds since 1970. */
  lostAt?: number;
}

/** The server's own announcements have no number: a member who knows already is spared the repetition. */
const PUBLISHED = /^\d+$/;

/** Whether it is an event of a publisher, and not the server's own. */
export function isPublished(id: string): boolean {
  return PUBLISHED.test(id);
}
