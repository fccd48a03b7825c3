// The files of a message: their names, their sizes, and pictures of those that are pictures.

import { api, attempt } from "./calls.js";
import { el, link, safeUrl, sizeText } from "./dom.js";

/** A file that the sandbox keeps, with its name; or a link to one that is elsewhere. */
export function fileOf(url) {
  const path = /\/v1\/(contents\/[^/?#]+)$/.exec(url)?.[1];
  const href = safeUrl(url);
  if (!path) {
    return el("p", {}, href ? link(href, url) : el("span", { class: "file" }, url));
  }
  const button = el("button", { type: "button", class: "file" }, "File");
  const element = el("div", {}, button);
  button.addEventListener("click", () => attempt(async () => {
    const response = await api(path);
    const address = URL.createObjectURL(await response.blob());
    el("a", { href: address, download: fileName(response) }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  }));
  describeFile(path, button, element);
  return element;
}

async function describeFile(path, button, element) {
  try {
    const response = await api(path, { method: "HEAD" });
    const name = fileName(response);
    const type = response.headers.get("content-type") ?? "";
    button.replaceChildren(el("bdi", {}, name), el("small", {}, sizeText(response.headers.get("content-length"))));
    if (/^image\/(png|jpeg|gif|webp)$/.test(type.split(";")[0])) {
      const blob = await (await api(path)).blob();
      const src = URL.createObjectURL(blob);
      element.append(el("img", { class: "preview", src, alt: name, onload: () => URL.revokeObjectURL(src) }));
    }
  } catch (error) {
    button.textContent = `File (${error.message})`;
  }
}

function fileName(response) {
  const header = response.headers.get("content-disposition") ?? "";
  const extended = /filename\*=UTF-8''([^;]+)/i.exec(header)?.[1];
  try {
    if (extended) return decodeURIComponent(extended);
  } catch { /* the plain name is there too */ }
  return /filename="((?:[^"\\]|\\.)*)"/i.exec(header)?.[1].replace(/\\(.)/g, "$1") ?? "file";
}
