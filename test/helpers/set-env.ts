import type { Test } from "tap";

/** Sets a variable of our own environment, until the test is over. */
export function setEnv(t: Test, name: string, value: string): void {
  const before = process.env[name];
  process.env[name] = value;
  t.teardown(() => {
    if (before === undefined) Reflect.deleteProperty(process.env, name);
    else process.env[name] = before;
  });
}
