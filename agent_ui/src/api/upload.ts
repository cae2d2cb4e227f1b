/** A file on its way to the server. XMLHttpRequest, because fetch does not tell how far a body has come. */
import type { Client } from "./client.ts";
import { Problem, Unreachable } from "./problem.ts";

export interface Upload<Answer> {
  /** Rejects with Problem or Unreachable; with Unreachable, too, when it was stopped. */
  done: Promise<Answer>;
  stop: () => void;
}

/** Send a file's bytes as the body. `onProgress` hears the share that is there, from 0 to 1. */
export function upload<Answer>(
  client: Client,
  path: string,
  file: File,
  act: string,
  onProgress: (share: number) => void,
): Upload<Answer> {
  const request = new XMLHttpRequest();
  const done = new Promise<Answer>((resolve, reject) => {
    request.open("POST", path);
    request.responseType = "json";
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Content-Type", file.type === "" ? "application/octet-stream" : file.type);
    request.setRequestHeader("Idempotency-Key", act);
    if (client.csrf !== null) request.setRequestHeader("X-CSRF-Token", client.csrf);
    request.upload.onprogress = ({ loaded, total }) => {
      if (total > 0) onProgress(loaded / total);
    };
    request.onload = () => {
      const answer: unknown = request.response;
      if (request.status >= 200 && request.status < 300) {
        resolve(answer as Answer);
        return;
      }
      if (request.status === 401) client.onSignedOut();
      reject(new Problem(request.status, typeof answer === "object" && answer !== null ? { ...answer } : {}));
    };
    const failed = () => {
      reject(new Unreachable("no answer"));
    };
    request.onerror = failed;
    request.onabort = failed;
    request.send(file);
  });
  return {
    done,
    stop: () => {
      request.abort();
    },
  };
}
