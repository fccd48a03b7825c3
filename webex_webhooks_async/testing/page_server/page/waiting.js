// What the inbox of the program holds: questions, jobs, schedules, and what has failed.

import { ask, attempt } from "./calls.js";
import { $, brief, button, el, place } from "./dom.js";
import { drawWith } from "./drawing.js";
import { model } from "./model.js";
import { quoted } from "./sentences.js";

const CAN_BE_DUE = new Set(["asking", "scheduled", "retrying", "failed"]);
const A_DAY = { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" };

const MOST = 100; // that the program reports
const DOUBLE_CLICK = 1000; // milliseconds

const rows = new Map(); // by their keys: one that stays keeps its focus

drawWith(() => {
  const keys = new Set(model.waiting.map(({ key }) => key)), list = $("waiting");
  const hadFocus = list.contains(document.activeElement);
  for (const each of [...rows.keys()]) if (!keys.has(each)) rows.delete(each);
  $("waiting-half").hidden = keys.size === 0;
  $("waiting-most").textContent = keys.size < MOST ? "" : `: the first ${MOST}`;
  place(list, model.waiting.map(rowOf));
  if (hadFocus && !list.contains(document.activeElement)) $("waiting-heading").focus();
});

function rowOf(entry) {
  const row = rows.get(entry.key) ?? newRow(entry.key), shown = JSON.stringify(entry);
  if (row.shown !== shown) fill(row, entry);
  row.shown = shown;
  return row.line;
}

function newRow(key) {
  let pressed = 0; // a double click doesn't end the question after this one as well
  const press = () => {
    if (now.ariaDisabled === "true" || Date.now() - pressed < DOUBLE_CLICK) return;
    pressed = Date.now();
    attempt(() => ask("now", { key }));
  };
  const now = button("Now", press, { class: "quiet" }), text = el("span");
  rows.set(key, { now, text, line: el("li", { class: "due" }, text) });
  return rows.get(key);
}

function fill({ now, text, line }, { what, about, state, due, error }) {
  const message = model.messages.get(about);
  const name = [what || "unreadable", message && `“${brief(quoted(message), 60)}”`].filter(Boolean).join(" ");
  const time = due && state !== "waiting" ? new Date(due).toLocaleString("en-GB", A_DAY) : "";
  text.replaceChildren(
    el("strong", {}, state), " ", el("bdi", {}, name), " ", el("small", {}, state === "running" && time ? `until ${time}` : time),
    ...error ? [el("small", { class: "reason" }, " ", el("bdi", {}, brief(error, 300)))] : []);
  now.ariaDisabled = String(!CAN_BE_DUE.has(state));
  now.ariaLabel = `Now: ${name}`;
  if (CAN_BE_DUE.has(state) && !now.isConnected) line.append(now);
}
