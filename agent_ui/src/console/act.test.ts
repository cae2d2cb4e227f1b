import { describe, expect, it } from "vitest";
import { Problem, Unreachable } from "@/api/problem.ts";
import { explain, useAct } from "./act.ts";

describe("an act", () => {
  it("keeps its key while nobody knows whether it arrived, and takes a new one afterwards", async () => {
    const keys: string[] = [];
    const outcomes: (Error | null)[] = [new Unreachable("?"), null, null];
    const act = useAct((key, subject: string) => {
      expect(subject).toBe("a");
      keys.push(key);
      const outcome = outcomes.shift() ?? null;
      return outcome === null ? Promise.resolve() : Promise.reject(outcome);
    });
    expect([await act.run("a"), await act.run("a"), await act.run("a")]).toEqual([false, true, true]);
    expect(keys[0]).toBe(keys[1]);
    expect(keys[2]).not.toBe(keys[1]);
  });

  it("takes a new key when the person changed what is to be done, or the server refused", async () => {
    const keys: string[] = [];
    const failures: Error[] = [new Unreachable("?"), new Problem(422, { code: "validation" }), new Unreachable("?")];
    const act = useAct((key, subject: string) => {
      expect(subject).not.toBe("");
      keys.push(key);
      return Promise.reject(failures.shift() ?? new Error("no more"));
    });
    await act.run("a");
    await act.run("b");
    await act.run("b");
    expect(new Set(keys).size).toBe(3);
  });

  it("runs once at a time and shows it", async () => {
    let finish = (): void => undefined;
    let runs = 0;
    const act = useAct(() => {
      runs += 1;
      return new Promise<void>((resolve) => {
        finish = resolve;
      });
    });
    const first = act.run();
    expect(act.busy.value).toBe(true);
    expect(await act.run()).toBe(false);
    finish();
    expect(await first).toBe(true);
    expect([runs, act.busy.value]).toEqual([1, false]);
  });
});

it("explains failures in words that say what to do", () => {
  expect(explain(new Unreachable("x"))).toContain("try again");
  expect(explain(new Problem(412, { code: "stale_version", detail: "version 3" }))).toContain("Somebody else");
  expect(explain(new Problem(500, { detail: "Traceback" }))).not.toContain("Traceback");
  expect(explain(new Problem(422, { code: "validation", detail: "subject is too long." }))).toBe("subject is too long.");
});
