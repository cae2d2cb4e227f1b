/** The browser's own store, as far as it is there: a private window or a full disk must not stop the work. */

export interface Shelf {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
  keys(): string[];
}

/** A shelf over localStorage or sessionStorage that never throws. */
export function shelf(storage: () => Storage): Shelf {
  const attempt = <T>(act: (storage: Storage) => T, otherwise: T): T => {
    try {
      return act(storage());
    } catch {
      return otherwise;
    }
  };
  return {
    getItem: (key) => attempt((store) => store.getItem(key), null),
    setItem: (key, value) => {
      attempt((store) => {
        store.setItem(key, value);
      }, undefined);
    },
    removeItem: (key) => {
      attempt((store) => {
        store.removeItem(key);
      }, undefined);
    },
    keys: () => attempt((store) => Array.from({ length: store.length }, (_, n) => store.key(n) ?? ""), []),
  };
}

/** What stays on this machine. */
export const lasting = shelf(() => localStorage);

/** What belongs to this tab and survives a reload. */
export const perTab = shelf(() => sessionStorage);

/** A stored JSON value, or undefined when there is none or it cannot be read. */
export function readJson(store: Shelf, key: string): unknown {
  try {
    return JSON.parse(store.getItem(key) ?? "null") ?? undefined;
  } catch {
    return undefined;
  }
}
