/**
 * How a text is cut into segments, for the composer's counter. The server counts the same way
 * (channels/sms/segments.py, which names the standards); one table of cases checks both.
 */

/** The provider's limit, in UTF-16 code units, which is what `length` counts. */
export const TEXT_CHARACTERS = 1_600;

const BASIC = new Set(
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà",
);
/** These take two places. */
const EXTENDED = new Set("\f^{}\\[~]|€");

export type Encoding = "GSM-7" | "UCS-2";

/** Places in a text of one segment, and in each segment of a longer one. */
const PLACES: Readonly<Record<Encoding, { alone: number; joined: number }>> = {
  "GSM-7": { alone: 160, joined: 153 },
  "UCS-2": { alone: 70, joined: 67 },
};

export interface Segments {
  /** One character that GSM-7 lacks turns the whole text to UCS-2. */
  encoding: Encoding;
  /** Places taken: septets, or UTF-16 code units. */
  units: number;
  /** 0 for an empty text. */
  segments: number;
  /** Places free in the last segment. */
  left: number;
  /** As the limit counts. */
  characters: number;
  tooLong: boolean;
}

/** A text as it goes out: NFC, without NUL. */
export const plainText = (text: string): string => text.replaceAll("\0", "").normalize("NFC");

/** Segments of a text, after `plainText`. */
export function countSegments(text: string): Segments {
  const plain = plainText(text);
  const characters = Array.from(plain); // by code points: a pair of surrogates is one
  const gsm = characters.every((character) => BASIC.has(character) || EXTENDED.has(character));
  const encoding: Encoding = gsm ? "GSM-7" : "UCS-2";
  const sizes = characters.map((character) => (gsm ? (EXTENDED.has(character) ? 2 : 1) : character.length));
  const units = sizes.reduce((sum, size) => sum + size, 0);
  const { alone, joined } = PLACES[encoding];
  const cut = units <= alone ? { segments: Math.min(units, 1), left: alone - units } : fill(sizes, joined);
  return { encoding, units, ...cut, characters: plain.length, tooLong: plain.length > TEXT_CHARACTERS };
}

/** A character of two places is never cut, so that a segment may end one place early. */
function fill(sizes: readonly number[], capacity: number): { segments: number; left: number } {
  let segments = 1;
  let left = capacity;
  for (const size of sizes) {
    if (size > left) {
      segments += 1;
      left = capacity;
    }
    left -= size;
  }
  return { segments, left };
}
