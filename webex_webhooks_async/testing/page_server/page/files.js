// The files of a message: their names, their sizes, and pictures of those that are pictures.

import { api, attempt } from "./calls.js";
import { button, el, link, safeUrl, sizeText } from "./dom.js";

/** A file that the sandbox keeps, with its name; or a link to one that is elsewhere. */
export function fileOf(url) {
  const path = /\/v1\/(contents\/[^/?#]+)$/.exec(url)?.[1];
  const href = safeUrl(url);
  if (!path) {
    return el("p", {}, href ? link(href, url) : el("span", { class: "file" }, url));
  }
  const save = button("File", () => attempt(async () => {
    const response = await api(path);
    const address = URL.createObjectURL(await response.blob());
    el("a", { href: address, download: fileName(response) }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  }), { class: "file" });
  const element = el("div", {}, save);
  describeFile(path, save, element);
  return element;
}

async function describeFile(path, save, element) {
  try {
    const response = await api(path, { method: "HEAD" });
    const name = fileName(response);
    const type = response.headers.get("content-type") ?? "";
    save.replaceChildren(el("bdi", {}, name), el("small", {}, sizeText(response.headers.get("content-length"))));
    if (/^image\/(png|jpeg|gif|webp)$/.test(type.split(";")[0])) {
      const blob = await (await api(path)).blob();
      const src = URL.createObjectURL(blob);
      element.append(el("img", { class: "preview", src, alt: name, onload: () => URL.revokeObjectURL(src) }));
    }
  } catch (error) {
    save.textContent = `File (${error.message})`;
  }
}

function fileName(response) {
  const [, escaped, plain] = /filename(?:\*=utf-8''(.*)|="(.*)")/.exec(response.headers.get("content-disposition"));
  return plain ?? decodeURIComponent(escaped);
}
