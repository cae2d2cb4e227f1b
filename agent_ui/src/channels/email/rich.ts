/**
 * Small, clean rich text: what an agent writes becomes a few known elements, and plain text beside them.
 *
 * Nothing of what a browser's editing or a clipboard brings in survives but these elements; the server cleans again.
 */

export interface Rich {
  /** Null when nothing is formatted, so that a plain mail stays one. */
  html: string | null;
  text: string;
}

const MARKS: Readonly<Record<string, string>> = { B: "b", STRONG: "b", I: "i", EM: "i" };
const LISTS: Readonly<Record<string, "ul" | "ol">> = { UL: "ul", OL: "ol" };
const LINK = /^(https?:\/\/|mailto:)/i;
const BLOCKS = new Set(["P", "DIV", "UL", "OL", "LI", "BLOCKQUOTE", "H1", "H2", "H3", "H4", "H5", "H6", "PRE", "TABLE", "TR", "SECTION", "ARTICLE", "HEADER", "FOOTER"]);
const UNSEEN = new Set(["SCRIPT", "STYLE", "TITLE", "TEMPLATE", "NOSCRIPT", "HEAD", "META", "LINK", "IFRAME", "OBJECT", "SVG"]);

export function isLink(address: string): boolean {
  return LINK.test(address.trim()) && !/\s/.test(address.trim());
}

/** What stands in an element, as it is sent. */
export function readRich(root: Node): Rich {
  const clean = cleaned(root);
  const html = htmlOf(clean);
  return { html: /<(?!\/?(?:p|br)>)/.test(html) ? html : null, text: textOf(clean).trim() };
}

/** Foreign rich text (a clipboard's, an older draft's) as clean elements of `document`. Parsed without running anything. */
export function parseRich(html: string, document: Document): DocumentFragment {
  // Cleaned in a document of its own: in ours, its pictures would begin to load.
  return document.importNode(cleaned(new DOMParser().parseFromString(html, "text/html").body), true);
}

/** Plain text as paragraphs. */
export function paragraphs(text: string, document: Document): DocumentFragment {
  const out = document.createDocumentFragment();
  for (const part of text.split(/\n{2,}/)) {
    const paragraph = document.createElement("p");
    part.split("\n").forEach((line, number) => {
      if (number > 0) paragraph.append(document.createElement("br"));
      if (line !== "") paragraph.append(line);
    });
    if (paragraph.childNodes.length === 0) paragraph.append(document.createElement("br"));
    out.append(paragraph);
  }
  return out;
}

/** Paragraphs, lists and quotations in a row; inside them marks, links, line breaks and words. */
function cleaned(root: Node): DocumentFragment {
  const document = root.ownerDocument ?? (root as Document);
  const out = document.createDocumentFragment();
  addBlocks(root, out, document);
  return out;
}

function addBlocks(from: Node, to: ParentNode & Node, document: Document): void {
  let open: HTMLElement | null = null;
  for (const child of Array.from(from.childNodes)) {
    if (!(child instanceof HTMLElement) || !BLOCKS.has(child.tagName)) {
      if (isUnseen(child) || (open === null && isBlankText(child))) continue;
      open ??= to.appendChild(document.createElement("p"));
      addInline(child, open, document);
      continue;
    }
    open = null;
    addBlock(child, to, document);
  }
}

function addBlock(block: HTMLElement, to: ParentNode & Node, document: Document): void {
  const list = LISTS[block.tagName];
  if (list !== undefined) {
    const made = document.createElement(list);
    for (const item of Array.from(block.children)) {
      const entry = made.appendChild(document.createElement("li"));
      addItem(item, entry, document);
    }
    if (made.childNodes.length > 0) to.appendChild(made);
  } else if (block.tagName === "BLOCKQUOTE") {
    const made = to.appendChild(document.createElement("blockquote"));
    addBlocks(block, made, document);
  } else if (Array.from(block.children).some((child) => BLOCKS.has(child.tagName))) addBlocks(block, to, document);
  else {
    const paragraph = to.appendChild(document.createElement("p"));
    for (const child of Array.from(block.childNodes)) addInline(child, paragraph, document);
  }
}

/** A list's item: words, and lists inside it. */
function addItem(item: Node, to: HTMLElement, document: Document): void {
  for (const child of Array.from(item.childNodes)) {
    const isBlock = child instanceof HTMLElement && BLOCKS.has(child.tagName);
    if (isBlock && LISTS[child.tagName] !== undefined) addBlock(child, to, document);
    else if (isBlock) addItem(child, to, document);
    else addInline(child, to, document);
  }
}

function addInline(node: Node, to: Node, document: Document): void {
  if (isUnseen(node)) return;
  if (node.nodeType === Node.TEXT_NODE) {
    const words = (node.nodeValue ?? "").replaceAll("\u00a0", " ").replaceAll("\u200b", "");
    if (words !== "") to.appendChild(document.createTextNode(words));
    return;
  }
  if (!(node instanceof HTMLElement)) return;
  if (node.tagName === "BR") {
    to.appendChild(document.createElement("br"));
    return;
  }
  const made = wrapperOf(node, document);
  const inner = made === null ? to : to.appendChild(made);
  for (const child of Array.from(node.childNodes)) addInline(child, inner, document);
}

function wrapperOf(node: HTMLElement, document: Document): HTMLElement | null {
  const mark = MARKS[node.tagName];
  if (mark !== undefined) return document.createElement(mark);
  const address = node.tagName === "A" ? (node.getAttribute("href") ?? "").trim() : "";
  if (!isLink(address)) return null;
  const link = document.createElement("a");
  link.setAttribute("href", address);
  return link;
}

function isUnseen(node: Node): boolean {
  return node.nodeType === Node.COMMENT_NODE || (node instanceof Element && UNSEEN.has(node.tagName.toUpperCase()));
}

function isBlankText(node: Node): boolean {
  return node.nodeType === Node.TEXT_NODE && (node.nodeValue ?? "").trim() === "";
}

function htmlOf(node: Node): string {
  return Array.from(node.childNodes, (child) => {
    if (!(child instanceof HTMLElement)) return escape(child.nodeValue ?? "");
    const tag = child.tagName.toLowerCase();
    if (tag === "br") return "<br>";
    const href = tag === "a" ? ` href="${escape(child.getAttribute("href") ?? "")}"` : "";
    return `<${tag}${href}>${htmlOf(child)}</${tag}>`;
  }).join("");
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/** As somebody reads it whose mail program shows no rich text. */
function textOf(node: Node): string {
  return Array.from(node.childNodes, blockText)
    .filter((part) => part !== null)
    .join("\n\n")
    .replaceAll(/[ \t]+\n/g, "\n")
    .replaceAll(/\n{3,}/g, "\n\n");
}

function blockText(node: Node): string | null {
  if (!(node instanceof HTMLElement)) return inlineText(node);
  if (node.tagName === "UL" || node.tagName === "OL") return listText(node, "");
  if (node.tagName === "BLOCKQUOTE") {
    return textOf(node)
      .split("\n")
      .map((line) => `> ${line}`.trimEnd())
      .join("\n");
  }
  return Array.from(node.childNodes, inlineText).join("");
}

function listText(list: HTMLElement, indent: string): string {
  return Array.from(list.children, (item, number) => {
    const sign = list.tagName === "OL" ? `${number + 1}. ` : "• ";
    const isList = (child: Node) => child instanceof HTMLElement && child.tagName in LISTS;
    const words = Array.from(item.childNodes).filter((child) => !isList(child)).map(inlineText).join("").trim();
    const inner = Array.from(item.children).filter(isList).map((child) => listText(child as HTMLElement, `${indent}  `));
    return [`${indent}${sign}${words}`, ...inner].join("\n");
  }).join("\n");
}

function inlineText(node: Node): string {
  if (!(node instanceof HTMLElement)) return node.nodeValue ?? "";
  if (node.tagName === "BR") return "\n";
  const words = Array.from(node.childNodes, inlineText).join("");
  const href = node.tagName === "A" ? (node.getAttribute("href") ?? "") : "";
  const isItself = [href, href.replace(LINK, "")].some((each) => each.replace(/\/$/, "") === words.trim().replace(/\/$/, ""));
  return href === "" || isItself ? words : `${words} (${href})`;
}
