/** What a row's figure is made of. */
export type Figure =
  /** One variant by the other. */
  | { readonly kind: "ratio"; readonly of: string; readonly to: string }
  /** One variant alone, in the row's unit. */
  | { readonly kind: "alone"; readonly of: string }
  /** The highest variant by the lowest. */
  | { readonly kind: "extremes" };

/** One row of the benchmark: what is compared, and what it may be at most. */
export interface Row {
  readonly title: string;
  readonly measures: string;
  readonly unit: string;
  readonly figure: Figure;
  readonly limit: number;
}

const oursToStock: Figure = { kind: "ratio", of: "ours", to: "stock" };
/** What it costs to have metrics, and to be asked for them each second. */
const withMetrics: Figure = { kind: "ratio", of: "with metrics", to: "without" };

export const ROWS = {
  "fan-out": {
    title: "One room, single events",
    measures: "server CPU per delivery",
    unit: "µs",
    figure: oursToStock,
    limit: 0.6,
  },
  "fan-out-plain": {
    title: "The same, plain WebSocket clients of ours",
    measures: "server CPU per delivery",
    unit: "µs",
    figure: oursToStock,
    limit: 0.6,
  },
  "fan-out-floor": {
    title: "The same, against a raw socket.write",
    measures: "server CPU per delivery",
    unit: "µs",
    figure: { kind: "ratio", of: "ours", to: "floor" },
    limit: 1.3,
  },
  bursts: {
    title: "One room, bursts of 20 within 2 ms",
    measures: "server CPU per delivery",
    unit: "µs",
    figure: oursToStock,
    limit: 0.1,
  },
  "big-room": {
    title: "One big room",
    measures: "p99, emitter to client",
    unit: "ms",
    figure: oursToStock,
    limit: 0.6,
  },
  "many-sessions": {
    title: "Many sessions, events at random ones",
    measures: "server CPU per delivery",
    unit: "µs",
    figure: oursToStock,
    limit: 0.65,
  },
  "other-traffic": {
    title: "20,000 events/s for sessions held elsewhere",
    measures: "a replica's CPU",
    unit: "% of a core",
    figure: { kind: "alone", of: "ours" },
    limit: 1,
  },
  latency: {
    title: "Three replicas, 100 events/s",
    measures: "p99, emitter to client",
    unit: "ms",
    figure: oursToStock,
    limit: 1,
  },
  publish: {
    title: "Publishing with history, against a bare PUBLISH",
    measures: "Redis CPU per event",
    unit: "µs",
    figure: oursToStock,
    limit: 3,
  },
  masters: {
    title: "Publishing over three masters, against one",
    measures: "CPU of all masters per event",
    unit: "µs",
    figure: { kind: "ratio", of: "three masters", to: "one master" },
    limit: 1.5,
  },
  memory: {
    title: "Idle Socket.IO connections",
    measures: "server memory per connection",
    unit: "KB",
    figure: oursToStock,
    limit: 0.8,
  },
  "memory-plain": {
    title: "Idle plain WebSockets of ours",
    measures: "server memory per connection",
    unit: "KB",
    figure: oursToStock,
    limit: 0.65,
  },
  connect: {
    title: "Connecting clients",
    measures: "server CPU per connection",
    unit: "µs",
    figure: oursToStock,
    limit: 0.9,
  },
  replicas: {
    title: "The same room on 1, 2 and 3 replicas",
    measures: "server CPU per delivery",
    unit: "µs",
    figure: { kind: "extremes" },
    limit: 1.15,
  },
  "metrics-room": {
    title: "Metrics: one room, single events",
    measures: "server CPU per delivery",
    unit: "µs",
    figure: withMetrics,
    limit: 1.02,
  },
  "metrics-sessions": {
    title: "Metrics: many sessions",
    measures: "server CPU per delivery",
    unit: "µs",
    figure: withMetrics,
    limit: 1.02,
  },
  "metrics-connect": {
    title: "Metrics: connecting clients",
    measures: "server CPU per connection",
    unit: "µs",
    figure: withMetrics,
    limit: 1.02,
  },
} as const satisfies Record<string, Row>;

export type RowId = keyof typeof ROWS;

export const ROW_IDS = Object.keys(ROWS) as readonly RowId[];

export function isRowId(text: string): text is RowId {
  return Object.hasOwn(ROWS, text);
}
