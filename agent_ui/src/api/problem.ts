/** What can go wrong with a request, as two kinds: the server said no, or nobody answered. */

/** An RFC 9457 problem document. `code` is stable and is what the code branches on; `detail` is for people. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly field: string | null;
  /** Further members of the document, for example `reason` or `current`. */
  readonly extras: Readonly<Record<string, unknown>>;

  constructor(status: number, document: Readonly<Record<string, unknown>>) {
    const detail = text(document["detail"]) ?? text(document["title"]) ?? `HTTP ${status}`;
    super(detail);
    this.status = status;
    this.code = text(document["code"]) ?? `http_${status}`;
    this.detail = detail;
    this.field = text(document["field"]);
    this.extras = document;
  }

  /** Whether the same request, with the same key, may well succeed a little later. */
  get passing(): boolean {
    return this.status === 429 || this.status === 502 || this.status === 503 || this.status === 504 || this.inFlight;
  }

  /** The same act is being carried out right now; asking again with the same key gives its result. */
  get inFlight(): boolean {
    return this.status === 409 && (this.code === "in_flight" || this.code === "idempotency_in_flight");
  }
}

/** No answer: the network is away, or the server took longer than the limit. Whether it acted is unknown. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
}

/** Read a failed answer's body, whatever it is. */
export async function problemOf(response: Response): Promise<Problem> {
  try {
    const document: unknown = await response.json();
    if (isObject(document)) return new Problem(response.status, document);
  } catch {
    // A proxy's HTML page or an empty body: the status is all there is.
  }
  return new Problem(response.status, {});
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
