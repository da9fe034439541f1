/** Something that goes wrong. Times in milliseconds. */
export type Fault =
  | { readonly kind: "kill replica"; readonly replica: number; readonly backAfterMs: number }
  | { readonly kind: "drain replica"; readonly replica: number; readonly backAfterMs: number }
  | { readonly kind: "freeze replica"; readonly replica: number; readonly ms: number }
  | { readonly kind: "kill publisher"; readonly publisher: number; readonly backAfterMs: number }
  | { readonly kind: "freeze publisher"; readonly publisher: number; readonly ms: number }
  | { readonly kind: "step clock"; readonly replica: number; readonly ms: number }
  | { readonly kind: "step Redis's clock"; readonly ms: number }
  | { readonly kind: "drift"; readonly replica: number; readonly rate: number }
  | {
      readonly kind: "restart Redis";
      /** How old what it remembers is; infinite for nothing at all. */
      readonly lostMs: number;
      readonly downMs: number;
      readonly loadingMs: number;
    }
  | {
      readonly kind: "fail over";
      readonly lostMs: number;
      /** How long the old primary does not know it. */
      readonly splitMs: number;
      readonly isOldGone: boolean;
    }
  | { readonly kind: "freeze Redis"; readonly ms: number }
  | { readonly kind: "evict"; readonly count: number }
  | { readonly kind: "fill Redis"; readonly ms: number }
  | { readonly kind: "deny"; readonly command: string; readonly ms: number }
  | { readonly kind: "flush scripts" }
  | { readonly kind: "cut"; readonly link: number; readonly part: number; readonly isTold: boolean }
  | {
      readonly kind: "hang";
      readonly link: number;
      readonly direction: "to Redis" | "from Redis" | "both";
      readonly ms: number;
    }
  | { readonly kind: "slow"; readonly usualMs: number; readonly ms: number }
  | { readonly kind: "silence"; readonly ms: number };

/** How long it lasts, in milliseconds. */
export function durationOf(fault: Fault): number {
  if (fault.kind === "restart Redis") return fault.downMs + fault.loadingMs;
  if (fault.kind === "fail over") return fault.splitMs;
  if ("backAfterMs" in fault) return fault.backAfterMs;
  return "ms" in fault && !fault.kind.startsWith("step") ? fault.ms : 0;
}
