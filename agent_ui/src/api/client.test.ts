import { describe, expect, it } from "vitest";
import { Client, newAct } from "./client.ts";
import { createApi } from "./index.ts";
import { Problem, Unreachable } from "./problem.ts";

interface Seen {
  url: string;
  init: RequestInit;
}

/** A client over a line of prepared answers; an Error stands for no answer. */
function make(answers: (Response | Error)[]) {
  const seen: Seen[] = [];
  const waits: number[] = [];
  const client = new Client({
    fetch: (url, init) => {
      seen.push({ url, init });
      const answer = answers.shift();
      return answer instanceof Response ? Promise.resolve(answer) : Promise.reject(answer ?? new Error("no more"));
    },
    wait: (milliseconds) => {
      waits.push(milliseconds);
      return Promise.resolve();
    },
  });
  return { client, api: createApi(client), seen, waits };
}

const json = (body: unknown, status = 200) =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });
const header = (seen: Seen | undefined, name: string) => new Headers(seen?.init.headers).get(name);

describe("the client", () => {
  it("sends key, token and version where they belong", async () => {
    const { client, api, seen } = make([json({}), json({}), json({})]);
    client.csrf = "token";
    await api.acceptOffer("int_1.2", "key-1");
    await api.chooseState({ state: "ready" }, 7);
    await api.session();
    expect(seen.map(({ url }) => url)).toEqual(["/api/v1/offers/int_1.2/accept", "/api/v1/me/state", "/api/v1/session"]);
    expect([header(seen[0], "Idempotency-Key"), header(seen[0], "X-CSRF-Token")]).toEqual(["key-1", "token"]);
    expect([header(seen[1], "If-Match"), header(seen[1], "Idempotency-Key")]).toEqual(['"7"', null]);
    expect(header(seen[2], "X-CSRF-Token")).toBeNull();
  });

  it("escapes what it puts into a path", async () => {
    const { api, seen } = make([json({})]);
    await api.customer("../x?y");
    expect(seen[0]?.url).toBe("/api/v1/customers/..%2Fx%3Fy");
  });

  it("repeats with the same key when nobody answered or the server is busy", async () => {
    const { api, seen, waits } = make([new TypeError("offline"), json({}, 503), json({ id: "tic_1" })]);
    expect(await api.createTicket({ subject: "s" }, "key-9")).toEqual({ id: "tic_1" });
    expect(seen.map((one) => header(one, "Idempotency-Key"))).toEqual(["key-9", "key-9", "key-9"]);
    expect(waits).toHaveLength(2);
  });

  it("gives up after the third try and says that nobody answered", async () => {
    const { api, seen } = make([new TypeError("a"), new TypeError("b"), new TypeError("c")]);
    await expect(api.session()).rejects.toBeInstanceOf(Unreachable);
    expect(seen).toHaveLength(3);
  });

  it("does not repeat a refusal, nor a sign-in, nor what the outbox sends", async () => {
    const refused = make([json({ code: "validation", detail: "Wrong." }, 422)]);
    await expect(refused.api.end("int_1", "k")).rejects.toMatchObject({ code: "validation", detail: "Wrong." });
    const signIn = make([new TypeError("offline")]);
    await expect(signIn.api.signIn("a", "b")).rejects.toBeInstanceOf(Unreachable);
    const sending = make([new TypeError("offline")]);
    await expect(sending.api.sendMessage("int_1", "hi", "k")).rejects.toBeInstanceOf(Unreachable);
    expect([refused.seen.length, signIn.seen.length, sending.seen.length]).toEqual([1, 1, 1]);
  });

  it("reads a problem document, and makes do with what is none", async () => {
    const document = { status: 409, code: "offer_closed", detail: "Too late.", reason: "accepted", field: null };
    const { api } = make([json(document, 409), new Response("<h1>Bad gateway</h1>", { status: 400 })]);
    const closed = await api.acceptOffer("o", "k").catch((error: unknown) => error);
    expect(closed).toMatchObject({ status: 409, code: "offer_closed", field: null });
    expect((closed as Problem).extras["reason"]).toBe("accepted");
    await expect(api.acceptOffer("o", "k")).rejects.toMatchObject({ status: 400, code: "http_400" });
  });

  it("tells when the session is over, but not when a password is wrong", async () => {
    let ended = 0;
    const { api, client } = make([json({ code: "unauthenticated" }, 401), json({ code: "wrong_credentials" }, 401)]);
    client.onSignedOut = () => (ended += 1);
    await expect(api.session()).rejects.toBeInstanceOf(Problem);
    await expect(api.signIn("a", "b")).rejects.toBeInstanceOf(Problem);
    expect(ended).toBe(1);
  });

  it("makes a new key for each act", () => {
    const keys = new Set(Array.from({ length: 100 }, newAct));
    expect(keys.size).toBe(100);
    for (const key of keys) expect(key).toMatch(/^[0-9a-f]{32}$/);
  });
});
