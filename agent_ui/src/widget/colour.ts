/**
 * Makes any accent colour of a host page readable: WCAG 2.1 relative luminance and contrast
 * (https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio).
 */

/** Red, green, blue, each 0 to 255. */
export type Colour = readonly [number, number, number];

export const WHITE: Colour = [255, 255, 255];
export const BLACK: Colour = [0, 0, 0];

/** Contrast that text needs on its ground, and that the bounds of a control need. */
export const TEXT_CONTRAST = 4.5;

/** A colour from "#rgb" or "#rrggbb"; null for anything else. */
export function parseColour(text: string): Colour | null {
  const short = /^#([0-9a-f])([0-9a-f])([0-9a-f])$/i.exec(text);
  const long = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(text);
  const digits = (short ?? long)?.slice(1).map((part) => Number.parseInt(short === null ? part : part + part, 16));
  const [red, green, blue] = digits ?? [];
  return red === undefined || green === undefined || blue === undefined ? null : [red, green, blue];
}

export function css([red, green, blue]: Colour): string {
  return `rgb(${red} ${green} ${blue})`;
}

/** 1 (the same) to 21 (black on white). */
export function contrast(one: Colour, other: Colour): number {
  const [low, high] = [luminance(one), luminance(other)].sort((first, second) => first - second) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** White or black, whichever can be read on the ground; white where both can. At least 4.58 for every ground. */
export function textOn(ground: Colour): Colour {
  return contrast(WHITE, ground) >= TEXT_CONTRAST ? WHITE : BLACK;
}

/** The colour itself, or the nearest mixture with black or white that can be read on the ground. */
export function readableOn(ground: Colour, colour: Colour): Colour {
  const towards = luminance(ground) > 0.18 ? BLACK : WHITE;
  for (let share = 0; share < 1; share += 0.05) {
    const mixture = mix(colour, towards, share);
    if (contrast(mixture, ground) >= TEXT_CONTRAST) return mixture;
  }
  return towards;
}

/** `share` 0 is the first colour, 1 the second. */
export function mix(first: Colour, second: Colour, share: number): Colour {
  const part = (index: 0 | 1 | 2): number => Math.round(first[index] * (1 - share) + second[index] * share);
  return [part(0), part(1), part(2)];
}

function luminance([red, green, blue]: Colour): number {
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}

function linear(channel: number): number {
  const share = channel / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
}
