// What the inbox of the program holds: questions, jobs, schedules, and what has failed.

import { ask, attempt } from "./calls.js";
import { $, brief, button, el, place } from "./dom.js";
import { drawWith } from "./drawing.js";
import { model } from "./model.js";
import { quoted } from "./sentences.js";

const CAN_BE_DUE = new Set(["asking", "scheduled", "retrying", "failed"]);
const A_DAY = { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" };

const rows = new Map(); // by what they show: one that stays keeps its focus

drawWith(() => {
  const shown = model.waiting.map((each) => JSON.stringify(each));
  for (const each of [...rows.keys()]) if (!shown.includes(each)) rows.delete(each);
  model.waiting.forEach((each, index) => { if (!rows.has(shown[index])) rows.set(shown[index], row(each)); });
  $("waiting-half").hidden = shown.length === 0;
  place($("waiting"), shown.map((each) => rows.get(each)));
});

function row({ key, what, about, state, due, error }) {
  const message = model.messages.get(about);
  const name = [what || "unreadable", message && `“${brief(quoted(message), 60)}”`].filter(Boolean).join(" ");
  const time = due && state !== "waiting" ? new Date(due).toLocaleString("en-GB", A_DAY) : "";
  return el("li", { class: "due" },
    el("span", {}, el("strong", {}, state), ` ${name} `, el("small", {}, time), error && el("small", { class: "reason" }, ` ${brief(error, 300)}`)),
    CAN_BE_DUE.has(state) ? button("Now", () => attempt(() => ask("now", { key })), { class: "quiet", "aria-label": `Now: ${name}` }) : null);
}
