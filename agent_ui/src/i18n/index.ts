/**
 * Texts. Every text on a screen comes from a catalogue through `t`; English is the one that names the keys.
 *
 * Another language is another catalogue of the same type, loaded when it is chosen.
 */
import { shallowRef } from "vue";
import { en } from "./en.ts";

export type TextKey = keyof typeof en;
interface Plural {
  one: string;
  other: string;
}
export type Catalogue = Record<TextKey, string | Plural>;
export type Values = Readonly<Record<string, string | number>>;

/** Languages beside English: name a loader here. */
const LOADERS: Readonly<Record<string, () => Promise<Catalogue>>> = {};

const language = shallowRef("en");
const catalogue = shallowRef<Catalogue>(en);

/** Use a language if there is a catalogue for it, else English. */
export async function useLanguage(wanted: string): Promise<void> {
  const loader = LOADERS[wanted];
  catalogue.value = loader === undefined ? en : await loader();
  language.value = loader === undefined ? "en" : wanted;
  document.documentElement.lang = language.value;
}

/** The language of the texts for `Intl`, with the reader's region where the browser names one. */
export function locale(): string {
  return navigator.languages.find((one) => one.split("-")[0] === language.value) ?? language.value;
}

/** The text for a key with its `{values}` filled in; `{count}` chooses between singular and plural. */
export function t(key: TextKey, values: Values = {}): string {
  const found = catalogue.value[key];
  const text = typeof found === "string" ? found : pluralOf(found, values["count"]);
  return text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? formatNumber(value) : value;
  });
}

/** The text for a code that comes from the server, or a readable form of the code itself if it is new to us. */
export function tCode(prefix: string, code: string, values: Values = {}): string {
  const key = `${prefix}.${code}`;
  return isKey(key) ? t(key, values) : readable(code);
}

/** Whether there is something to show. */
export function isFilled(text: string | null): text is string {
  return text !== null && text !== "";
}

export function formatNumber(value: number, options: Intl.NumberFormatOptions = {}): string {
  return new Intl.NumberFormat(locale(), options).format(value);
}

/** A size as people read it, in units of 1,024 like the limits: `980 B`, `12 KB`, `3.4 MB`. */
export function formatSize(bytes: number): string {
  const step = bytes < 1_024 ? 0 : bytes < 1_048_576 ? 1 : 2;
  const digits = step === 2 && bytes < 10 * 1_048_576 ? 1 : 0;
  const unit = ["B", "KB", "MB"][step] ?? "B";
  return `${formatNumber(bytes / 1_024 ** step, { maximumFractionDigits: digits })} ${unit}`;
}

function isKey(key: string): key is TextKey {
  return key in en;
}

function pluralOf(forms: Plural, count: string | number | undefined): string {
  const rule = new Intl.PluralRules(locale()).select(Number(count ?? 0));
  return rule === "one" ? forms.one : forms.other;
}

/** `call.customer_left` becomes "Call: customer left". */
function readable(code: string): string {
  const text = code.replaceAll("_", " ").replace(".", ": ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
