// Elements, and how times, sizes and statuses are written.

const REASONS = {
  200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 301: "Moved Permanently", 302: "Found",
  307: "Temporary Redirect", 308: "Permanent Redirect",
  400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
  409: "Conflict", 413: "Content Too Large", 415: "Unsupported Media Type", 422: "Unprocessable Content",
  423: "Locked", 429: "Too Many Requests", 500: "Internal Server Error", 501: "Not Implemented",
  502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
};

export const $ = (id) => document.getElementById(id);

/** An element; text is never parsed as html. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === undefined || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((each) => each !== null && each !== undefined));
  return element;
}

/** Make the list have exactly these elements. One that stays isn't moved: it keeps its focus. */
export function place(list, elements) {
  const staying = new Set(elements);
  for (const each of [...list.children]) if (!staying.has(each)) each.remove();
  let next = list.firstElementChild;
  for (const each of elements) {
    if (each === next) next = next.nextElementSibling;
    else list.insertBefore(each, next);
  }
}

/** Set a text, and return whether it is another one: what is announced isn't announced twice. */
export function write(element, text) {
  const isAnother = element.textContent !== text;
  if (isAnother) element.textContent = text;
  return isAnother;
}

export function button(text, press, attributes = {}) {
  return el("button", { type: "button", onclick: press, ...attributes }, text);
}

export function link(href, text) {
  return href
    ? el("a", { href, target: "_blank", rel: "noopener noreferrer" }, text ?? "")
    : el("span", {}, text ?? "");
}

/** The URL, if it leads to a page or to a mailbox. */
export function safeUrl(url) {
  try {
    const parsed = new URL(url);
    return ["http:", "https:", "mailto:"].includes(parsed.protocol) ? parsed.href : null;
  } catch {
    return null;
  }
}

export const pairs = (map) => el("dl", {}, ...Object.entries(map).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))]));

export const clockTime = (text) => new Date(text).toLocaleTimeString("en-GB");

export const statusText = (statusCode) => `${statusCode} ${REASONS[statusCode] ?? ""}`.trim();

export const sizeText = (bytes) => (bytes < 1000 ? `${bytes} bytes` : bytes < 1e6 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

/** A text on one line, at most so long. */
export function brief(text, size = 120) {
  const line = String(text ?? "").replace(/\s+/g, " ").trim();
  return line.length > size ? `${line.slice(0, size)}…` : line;
}

/** Scroll no further than needed to see all of an element, once it has its height. */
export const showWhole = (element) => requestAnimationFrame(() => element.scrollIntoView({ block: "nearest" }));
