// What is copied: a request as a command, and a conversation as a test.

import { ask } from "./calls.js";
import { button, el } from "./dom.js";
import { openDialog } from "./dialogs.js";

const SHOWN = 2000; // milliseconds

/** A button that copies a text, and says so; where the browser keeps the clipboard, it shows the text. */
export function copyButton(label, text, failed, attributes) {
  const copy = button(label, async () => {
    try {
      const copied = await text();
      const done = await navigator.clipboard?.writeText(copied).then(() => true, () => false);
      if (!done) return show(label, copied);
      copy.style.minWidth = `${copy.offsetWidth}px`; // nothing beside it moves
      said.textContent = copy.textContent = "Copied";
      setTimeout(() => { copy.textContent = label; said.textContent = ""; }, SHOWN);
    } catch (error) {
      failed(error.message);
    }
  }, attributes);
  const said = el("span", { class: "unseen", role: "status" });
  return el("span", {}, copy, said);
}

function show(label, text) {
  const area = el("textarea", { readonly: true, "aria-label": label });
  area.value = text;
  openDialog(label, el("p", {}, "The browser doesn't let this page copy: copy it from here."), area);
  area.select();
}

/** The conversation of a room as a test, from a message on. */
export const copyAsTest = async (room, message) => (await ask("test", { room, message })).code;

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** The command that sends a request or a delivery again. */
export function asCurl({ method, url, headers, body, withheld, person }) {
  if (withheld) throw new Error(`This can't be copied: it has ${withheld}, which the page doesn't show.`);
  const sent = Object.entries(headers).filter(([name]) => /^(accept|content-type|x-spark-.*|webex-.*)$/i.test(name));
  if (headers.authorization) sent.push(["Authorization", `Bearer ${person ? `person:${person}` : "anything"}`]);
  return [
    method === "HEAD" ? "curl --head" : `curl -X ${quote(method)}`, quote(url),
    ...sent.map(([name, value]) => `-H ${quote(`${name}: ${value}`)}`),
    ...(body ? [`--data-raw ${quote(body)}`] : []),
  ].join(" \\\n  ");
}
