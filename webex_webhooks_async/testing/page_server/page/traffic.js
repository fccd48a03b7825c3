// The requests of the bot and the deliveries to it: who did what, which failed, and what was sent.

import { ask, attempt } from "./calls.js";
import { asCurl, copyButton } from "./copies.js";
import { $, brief, button, clockTime, el, pairs, sizeText, statusText, write } from "./dom.js";
import { drawWith, schedule } from "./drawing.js";
import { bot, botWebhooks, isWithBot, model, nameOf } from "./model.js";
import { onOpen } from "./rooms.js";
import { failureIn, isFailure, jsonOf, ofDelivery, ofRequest, outcomeText, problemOf, quoted } from "./sentences.js";

const SHOWN_ROWS = 200;
const SHOWN_PROBLEM = 300; // characters, until its row is opened
const KEPT_OUTCOMES = 1000;

const lists = { requests: [], deliveries: [] }; // what has a row, the latest first
let latest = { requests: 0, deliveries: 0 }; // their numbers, which only grow
const outcomes = new Map(); // of the deliveries, by the id of the message that they are about
const only = { message: null, failed: false, words: "" };
let last = null; // delivery to the bot

export function forgetTraffic() {
  latest = { requests: 0, deliveries: 0 };
  for (const [name, records] of Object.entries(lists)) {
    records.length = 0;
    $(name).replaceChildren();
  }
  outcomes.clear();
  last = null;
  showOnly(null);
  setFault(false);
}

export function addRequest(request) {
  if (request.method === "POST" && request.path === "/v1/messages" && request.statusCode === 429) setFault(false);
  const isBad = request.statusCode === null || request.statusCode >= 400;
  const path = request.query ? `${request.path}?${request.query}` : request.path;
  const short = path.replace(/[\w-]{24,}/g, (id) => `…${id.slice(-6)}`);
  add("requests", request, ofRequest, [request.method, short], isBad ? request.error ?? "no response" : request.remark, isBad, (failed) => [
    pairs({
      Status: request.statusCode === null ? "none: it got no response" : statusText(request.statusCode),
      Caller: request.person ?? bot().email,
      Path: path,
      TrackingID: request.trackingId,
    }),
    el("p", {}, copyButton("Copy as curl", () => asCurl({ ...request, url: location.origin + path }), failed)),
  ]);
}

/** Add a delivery, or what a handler raised after the response to one that is there. */
export function addDelivery(delivery) {
  const known = outcomes.get(delivery.about) ?? new Map();
  const key = `${delivery.webhook} ${delivery.url} ${delivery.resource}`;
  if (delivery.number >= (known.get(key)?.number ?? 0)) {
    outcomes.delete(delivery.about);
    outcomes.set(delivery.about, known.set(key, delivery));
    if (outcomes.size > KEPT_OUTCOMES) outcomes.delete(outcomes.keys().next().value);
  }
  if (delivery.createdBy === model.bot && !delivery.isForged && delivery.number >= (last?.number ?? 0)) last = delivery;
  const problem = problemOf(delivery);
  add("deliveries", delivery, ofDelivery, [`${delivery.resource} ${delivery.event}`, delivery.url], problem, problem, (failed) => [
    pairs({ Webhook: delivery.webhook, URL: delivery.url, Status: delivery.statusCode === null ? "none" : statusText(delivery.statusCode) }),
    againButton(delivery, failed),
  ]);
}

/** Show below its delivery how a handler of the program failed, or that it has worked now. */
export function addOutcome({ key, error, then, hasWorked }) {
  const failed = { error, then, hasWorked };
  for (const { shown } of [...lists.deliveries]) if (shown.key === key) addDelivery({ ...shown, failed });
}

/** The handlers of the program that have failed at a message and its cards, or that worked at last. */
export const outcomesOf = (message) => [...model.outcomes.values()].filter(({ about }) => about === message.id);

/** What went wrong with the deliveries about a message and its cards, or why there is none, each on a line. */
export function failuresOf(message) {
  const all = [...(outcomes.get(message.id)?.values() ?? [])];
  if (!all.length && isUnheard(message)) return [hintText()];
  const others = outcomesOf(message).filter((each) => isFailure(each) && !all.some(({ key }) => key === each.key)); // it was caught up
  return [...others.map((each) => `Your bot's handler failed: ${failureIn(each)}`), ...all.filter((each) => problemOf(each)).map((each) => {
    if (each.ok) return problemOf(each);
    const alike = all.filter(({ resource }) => resource === each.resource);
    const failed = alike.filter(({ ok }) => !ok).length;
    return `${failed === alike.length ? "Delivery failed" : `${failed} of ${alike.length} deliveries failed`}: ${problemOf(each)}`;
  })];
}

/** Whether a message to the bot is newer than its last delivery, and its webhook is switched off. */
function isUnheard(message) {
  const webhooks = botWebhooks().filter(({ resource }) => resource === "messages" || resource === "all");
  if (!webhooks.length || webhooks.some(({ status }) => status === "active")) return false;
  if (message.personId === model.bot || (last && message.created < last.time)) return false;
  const room = model.rooms.get(message.roomId);
  return Boolean(room && isWithBot(room)) || (message.mentionedPeople ?? []).includes(model.bot);
}

function againButton(delivery, failed) {
  const done = el("span", { role: "status" });
  const again = button("Send again", () => attempt(async () => {
    again.disabled = true;
    done.textContent = "Waiting for the bot…";
    try {
      const outcome = await ask("redeliver", { delivery: delivery.number });
      done.textContent = `Sent again: ${outcomeText({ ...outcome, isForged: delivery.isForged })}`;
    } catch (error) {
      done.textContent = "";
      throw error;
    } finally {
      again.disabled = false;
    }
  }));
  const copy = copyButton("Copy as curl", () => asCurl({ ...delivery, method: "POST" }), failed);
  return el("p", { class: "buttons" }, again, copy, done);
}

function add(name, shown, describe, [what, where], problem, failed, details) {
  const isNew = shown.number > latest[name];
  const before = isNew ? null : lists[name].find((each) => each.shown.number === shown.number);
  if (!isNew && (!before || JSON.stringify(before.shown) === JSON.stringify(shown))) return;
  const { of, sentence } = describe(shown);
  const title = el("bdi", { class: "sentence", title: sentence }, sentence);
  const record = { shown, of, failed: Boolean(failed), element: row(shown, title, what, where, problem, failed, details) };
  record.again = () => { title.title = title.textContent = describe(shown).sentence; };
  record.element.hidden = !isShown(record);
  if (isNew) {
    latest[name] = shown.number;
    lists[name].unshift(record);
    $(name).prepend(record.element);
  } else {
    lists[name][lists[name].indexOf(before)] = record;
    before.element.replaceWith(record.element);
  }
  while (lists[name].length > SHOWN_ROWS) lists[name].pop().element.remove();
}

/** A line that opens; what is in it is made when it does. */
function row(shown, title, what, where, problem, failed, details) {
  const inside = el("div", { class: "detail" });
  const element = el(
    "details", { class: failed && "failed" },
    el(
      "summary", {},
      el("time", { datetime: shown.time }, clockTime(shown.time)),
      title,
      el("span", { class: "status" }, shown.statusCode === null ? "no response" : `${shown.statusCode}${shown.isForged && !problem ? ", refused, as it should" : ""}`),
      el("span", { class: "path", title: where }, el("b", {}, what), " ", where),
      problem ? el("span", { class: failed ? "reason" : "reason remark" }, brief(problem, SHOWN_PROBLEM)) : null,
    ),
    inside,
  );
  element.addEventListener("toggle", () => {
    if (!element.open || inside.children.length) return;
    const refusal = el("p", { class: "reason", role: "status" });
    inside.append(
      ...(problem && problem !== brief(problem, SHOWN_PROBLEM) ? [el("p", { class: "reason" }, problem)] : []),
      ...details((reason) => { refusal.textContent = reason; }), refusal,
      ...bodyOf("Body", shown.body, shown.bodySize), ...bodyOf("Response", shown.response, shown.responseSize),
      el("h3", {}, "Headers"), pairs(shown.headers),
    );
  });
  return el("li", {}, element);
}

function bodyOf(title, body, size) {
  if (!size) return [el("h3", {}, `No ${title.toLowerCase()}`)];
  const document = jsonOf(body);
  const isCut = !document && new TextEncoder().encode(body).length < size;
  return [
    el("h3", {}, `${title}, ${sizeText(size)}`),
    el("pre", { tabindex: "0", role: "region", "aria-label": title }, document ? JSON.stringify(document, null, 2) : isCut ? `${body}…` : body),
  ];
}

/** Who is "you" changes with the person that one is. */
onOpen(() => Object.values(lists).flat().forEach((each) => each.again()));

// ---------------------------------------------------------------- which rows are shown

const isShown = (record) => (only.message === null || record.of.has(only.message)) && (record.failed || !only.failed) && hasWords(record);

const hasWords = ({ shown, element }) => {
  const text = [element.firstElementChild.textContent, shown.body, shown.response].join(" ").toLowerCase();
  return only.words.split(/\s+/).every((each) => text.includes(each));
};

/** Show only what belongs to a message; null for everything. */
export function showOnly(messageId) {
  only.message = messageId;
  applyFilter();
  schedule();
}

export const shownMessage = () => only.message;

function applyFilter() {
  for (const each of Object.values(lists).flat()) each.element.hidden = !isShown(each);
}

drawWith(() => {
  const message = model.messages.get(only.message);
  write($("only"), message ? `Only “${nameOf(message.personId)}: ${brief(quoted(message), 60)}”` : "Click a message to see its part alone");
  $("only").classList.toggle("picked", only.message !== null);
  $("no-only").hidden = only.message === null;
  const failed = Object.values(lists).flat().filter((each) => each.failed).length;
  write($("failed-label"), `Failed (${failed})`);
  $("failed").disabled = failed === 0 && !only.failed;
  for (const [name, empty] of [["requests", "What your bot asks Webex appears here."], ["deliveries", "What your bot is notified of appears here."]]) {
    $(`no-${name}`).hidden = lists[name].some(isShown);
    write($(`no-${name}`), lists[name].length ? "Nothing of the last ones." : empty);
  }
  const [text, isBad] = stateOfBot();
  write($("webhooks"), text);
  $("webhooks").classList.toggle("bad", isBad);
});

/** Whether the bot has webhooks, and how it took its last delivery; and whether that is bad. */
function stateOfBot() {
  if (model.program) return ["The program doesn't run", true];
  if (model.hint) return [hintText(), hasTraffic()];
  const active = model.webhooks.filter((each) => each.status === "active").length;
  const off = model.webhooks.length - active;
  const webhooks = `${active} active ${active === 1 ? "webhook" : "webhooks"}${off ? `, ${off} inactive` : ""}`;
  const failing = [...model.outcomes.values()].filter(isFailure);
  if (failing.length) {
    const kept = failing.filter((each) => each.isFinal).length;
    return [`${failing.length} failed in the bot${kept < failing.length ? `, ${failing.length - kept} to be tried again` : ""} · ${webhooks}`, true];
  }
  if (!last) return [webhooks, false];
  if (last.reason) return [`The bot's last delivery failed · ${webhooks}`, true];
  if (last.handlerError) return [`The bot's handler failed at its last delivery · ${webhooks}`, true];
  return [`The bot answered its last delivery · ${webhooks}`, false];
}

/** Why the bot isn't notified, as a sentence. */
export const hintText = () => model.hint.charAt(0).toUpperCase() + model.hint.slice(1);

export const hasTraffic = () => lists.requests.length > 0;

$("failed").addEventListener("change", () => { only.failed = $("failed").checked; applyFilter(); schedule(); });
$("words").addEventListener("input", () => { only.words = $("words").value.trim().toLowerCase(); applyFilter(); schedule(); });
$("no-only").addEventListener("click", () => { showOnly(null); $("failed").focus(); });

// ---------------------------------------------------------------- a fault for the next reply

function setFault(isSet) {
  $("fault").classList.toggle("set", isSet);
  write($("fault"), isSet ? "The next reply gets a 429" : "Refuse the next reply");
}

$("fault").addEventListener("click", () => attempt(async () => {
  const isSet = !$("fault").classList.contains("set");
  await ask("fault", { isOn: isSet });
  setFault(isSet);
}));
