/** One way to the server: JSON over fetch, with the headers that our API asks for. */
import { problemOf, Problem, Unreachable } from "./problem.ts";

const ANSWER_LIMIT_MS = 15_000;
/** Waits before the second and the third try of a request that can be repeated without harm, in ms. */
const RETRY_WAITS_MS = [300, 1_200];

export interface Request {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  path: string;
  body?: unknown;
  /** The key of the user's act, the same for every repetition of it. Every POST has one, except signing in. */
  act?: string;
  /** The version that the change was made on. */
  version?: number;
  /** Goes on when the page goes away; its body is then at most 64 kB. */
  keepalive?: boolean;
}

export interface ClientOptions {
  fetch: (url: string, init: RequestInit) => Promise<Response>;
  wait: (milliseconds: number) => Promise<void>;
}

/** A new key for one act of the user: 128 random bits. */
export function newAct(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Client {
  csrf: string | null = null;
  /** Called when the server no longer knows the session. */
  onSignedOut: () => void = () => undefined;
  private readonly options: ClientOptions;

  constructor(options: Partial<ClientOptions> = {}) {
    this.options = {
      fetch: (url, init) => globalThis.fetch(url, init),
      wait: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
      ...options,
    };
  }

  /**
   * Send a request and give its answer; 204 gives undefined.
   *
   * Repeats it when nobody answered or the server asked to come back, which is safe: reads change nothing, a POST
   * carries its act's key, PUT and PATCH carry the version. Throws Problem or Unreachable.
   */
  async send<Answer>(request: Request): Promise<Answer> {
    for (const wait of RETRY_WAITS_MS) {
      try {
        return await this.once<Answer>(request);
      } catch (error) {
        if (!isPassing(error) || !isRepeatable(request)) throw error;
      }
      await this.options.wait(wait);
    }
    return await this.once<Answer>(request);
  }

  /** The same without repetition, for callers that have a rhythm of their own. */
  async once<Answer>(request: Request): Promise<Answer> {
    const response = await this.fetch(request);
    if (response.status === 204) return undefined as Answer;
    if (response.ok) return (await readJson(response)) as Answer;
    const problem = await problemOf(response);
    if (problem.status === 401 && problem.code !== "wrong_credentials") this.onSignedOut();
    throw problem;
  }

  private async fetch(request: Request): Promise<Response> {
    const init: RequestInit = {
      method: request.method,
      headers: this.headers(request),
      credentials: "same-origin",
      cache: "no-store",
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    };
    if (request.body !== undefined) init.body = JSON.stringify(request.body);
    if (request.keepalive === true) init.keepalive = true;
    try {
      return await this.options.fetch(request.path, init);
    } catch (error) {
      throw new Unreachable("no answer", { cause: error });
    }
  }

  private headers(request: Request): Record<string, string> {
    const headers: Record<string, string> = { Accept: "application/json" };
    if (request.body !== undefined) headers["Content-Type"] = "application/json";
    if (request.method !== "GET" && this.csrf !== null) headers["X-CSRF-Token"] = this.csrf;
    if (request.act !== undefined) headers["Idempotency-Key"] = request.act;
    if (request.version !== undefined) headers["If-Match"] = `"${request.version}"`;
    return headers;
  }
}

export function isPassing(error: unknown): boolean {
  return error instanceof Unreachable || (error instanceof Problem && error.passing);
}

function isRepeatable(request: Request): boolean {
  return request.method !== "POST" || request.act !== undefined;
}

async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch (error) {
    throw new Unreachable("the answer broke off", { cause: error });
  }
}
