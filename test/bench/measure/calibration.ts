import type { Lab } from "../lab.js";
import { System, type Audience } from "../system.js";
import { measureWindow } from "./window.js";

/** What the stock server can do on this machine. */
export interface Calibration {
  /** Deliveries a second at which its core would be full. */
  readonly deliveriesPerSecond: number;
}

/** Slow enough for any machine. */
const FIRST_EVENTS_PER_SECOND = 10;
const MS_PER_S = 1_000;
const NS_PER_S = 1e9;

/**
 * Finds how much the stock server takes with one room: at a low rate first, then at half of what that promises, where
 * a busy server does somewhat better.
 *
 * @param stock - with all clients connected
 */
export async function calibrate(lab: Lab, stock: System, audience: Audience): Promise<Calibration> {
  let eventsPerSecond = FIRST_EVENTS_PER_SECOND;
  let deliveriesPerSecond = 0;
  for (let i = 0; i < 2; i++) {
    const stream = {
      sessions: [audience.session],
      events: audience.events,
      bursts: Math.ceil((eventsPerSecond * lab.options.sizes.calibrationMs) / MS_PER_S),
      burstsPerSecond: eventsPerSecond,
      burst: 1,
    };
    const { serverNs, seen } = await measureWindow(lab, stock, stream, () => undefined);
    deliveriesPerSecond = (seen.deliveries / serverNs) * NS_PER_S;
    eventsPerSecond = deliveriesPerSecond / audience.clients / 2;
  }
  return { deliveriesPerSecond };
}

/** Calibrates with a system of its own, where no other is at hand. */
export async function calibrateAlone(lab: Lab): Promise<Calibration> {
  const audience: Audience = {
    session: "calibration",
    role: "student",
    clients: lab.options.sizes.roomClients,
    events: ["question_capture"],
  };
  const stock = await System.open(lab, { dialect: "stock" });
  try {
    await stock.connect([audience]);
    return await calibrate(lab, stock, audience);
  } finally {
    await stock.stop();
  }
}
