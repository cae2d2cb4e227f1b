/** What the host page says about its chat, by the attributes of the script tag. */

export type Corner = "bottom-right" | "bottom-left";
export type Theme = "auto" | "light" | "dark";

export interface Options {
  /** Where the desk is: scheme, host and port of the script's own address. */
  readonly origin: string;
  readonly widget: string;
  readonly accent: string | null;
  readonly corner: Corner;
  readonly theme: Theme;
  readonly language: string | null;
  readonly brand: string | null;
  readonly greeting: string | null;
  readonly name: string;
  readonly mailbox: string;
  /** Parts the conversations of several people who use one browser, for example by their login; not shown. */
  readonly profile: string | null;
}

/** Reads the tag; null when it does not name a widget or has no address to take the desk's from. */
export function readOptions(script: HTMLScriptElement): Options | null {
  const data = script.dataset;
  const widget = filled(data["widget"]);
  const origin = originOf(script.src);
  if (widget === null || origin === null) return null;
  const theme = data["theme"];
  return {
    origin,
    widget,
    accent: filled(data["accent"]),
    corner: data["corner"] === "bottom-left" ? "bottom-left" : "bottom-right",
    theme: theme === "light" || theme === "dark" ? theme : "auto",
    language: filled(data["language"]),
    brand: filled(data["brand"]),
    greeting: filled(data["greeting"]),
    name: data["name"]?.trim() ?? "",
    mailbox: data["mailbox"]?.trim() ?? "",
    profile: filled(data["profile"]),
  };
}

function filled(value: string | undefined): string | null {
  const text = value?.trim() ?? "";
  return text === "" ? null : text;
}

function originOf(address: string): string | null {
  try {
    return new URL(address).origin;
  } catch {
    return null;
  }
}
