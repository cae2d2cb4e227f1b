/** Small helpers to build elements; text always goes in as text. */

type Child = Node | string;
type Attributes = Readonly<Record<string, string | boolean | null>>;

/** An element with attributes and children. `true` sets an empty attribute; `false` and null leave it out. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  setAll(element, attributes);
  element.append(...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** An icon of 24 x 24 units from the paths of its strokes. Decorative: what it stands in has the words. */
export function icon(...strokes: readonly string[]): SVGElement {
  const picture = document.createElementNS(SVG, "svg");
  setAll(picture, { viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false", class: "icon" });
  for (const stroke of strokes) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", stroke);
    picture.append(path);
  }
  return picture;
}

/** Writes only what changes: assistive technology reads out each write to a live region. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element: Element, name: string, value: string | null): void {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** The text with its web addresses as links; nothing else in it means anything. */
export function linked(text: string): Child[] {
  const parts: Child[] = [];
  let end = 0;
  for (const match of text.matchAll(/\bhttps?:\/\/[^\s<>"]+[^\s<>"'.,;:!?()[\]{}]/gi)) {
    const [address] = match;
    if (!URL.canParse(address)) continue;
    parts.push(text.slice(end, match.index));
    parts.push(h("a", { href: address, target: "_blank", rel: "noopener noreferrer nofollow" }, address));
    end = match.index + address.length;
  }
  parts.push(text.slice(end));
  return parts.filter((part) => part !== "");
}

function setAll(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
}
