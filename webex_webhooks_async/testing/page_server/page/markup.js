// Html and markdown that others wrote: what is harmless of it is copied, and nothing of it runs.

import { el, link, safeUrl } from "./dom.js";

const ALLOWED = new Set("a b blockquote br code del em h1 h2 h3 h4 h5 h6 hr i li ol p pre s spark-mention strong table tbody td th thead tr u ul".split(" "));
const DROPPED = new Set("audio base button embed form frame frameset head iframe input link math meta noscript object option script select style svg template textarea title video".split(" "));

/** Copies of the elements that are harmless, with no attribute but a link's own. */
export function sanitized(html) {
  const fragment = document.createDocumentFragment();
  copy(new DOMParser().parseFromString(String(html), "text/html").body, fragment);
  return fragment;
}

function copy(from, to) {
  for (const node of from.childNodes) {
    if (node.nodeType === Node.TEXT_NODE) to.append(node.data);
    if (node.nodeType !== Node.ELEMENT_NODE) continue;
    const name = node.localName;
    if (DROPPED.has(name)) continue;
    let made = to;
    if (ALLOWED.has(name)) {
      made = name === "a" ? link(safeUrl(node.getAttribute("href"))) : el(...tagFor(name));
      to.append(made);
    }
    copy(node, made);
  }
}

/** Headings of a message rank below those of the page. */
function tagFor(name) {
  if (name === "spark-mention") return ["span", { class: "mention" }];
  if (/^h\d$/.test(name)) return [`h${Math.min(6, Number(name[1]) + 2)}`];
  return [name];
}

/** The little markdown that cards have, as html without a tag of its author's. */
export function markdown(text) {
  const escaped = text.replace(/[&<>"']/g, (each) => `&#${each.charCodeAt(0)};`);
  const inline = escaped
    .replace(/\[([^\]]{1,500})\]\((https?:[^()\s]{1,2000})\)/g, '<a href="$2">$1</a>')
    .replace(/\*\*([^*\n]+)\*\*/g, "<strong>$1</strong>")
    .replace(/(^|[\s(])[*_]([^*_\n]+)[*_](?=$|[\s).,:;!?])/gm, "$1<em>$2</em>");
  const holder = el("div");
  for (const line of inline.split(/\r?\n/)) {
    if (holder.childNodes.length) holder.append(el("br"));
    holder.append(sanitized(line.replace(/^\s*[-*]\s+/, "• ")));
  }
  return holder;
}

/** Text that markdown shows unchanged. */
export const escapeMarkdown = (text) => text.replace(/[!-/:-@[-`{-~]/g, "\\$&").replace(/\n/g, "  \n");
