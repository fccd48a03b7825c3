// The messages of the open room with their threads, what went wrong with them, and what one writes.

import { announce, api, attempt, post } from "./calls.js";
import { cardOf } from "./cards.js";
import { copyAsTest, copyButton } from "./copies.js";
import { $, brief, button, clockTime, el, place, sizeText, write } from "./dom.js";
import { drawWith, schedule } from "./drawing.js";
import { fileOf } from "./files.js";
import { escapeMarkdown, sanitized } from "./markup.js";
import { bot, botWebhooks, currentRoom, model, myId, nameOf, remember, remembered } from "./model.js";
import { avatar, onOpen, showView } from "./rooms.js";
import { quoted } from "./sentences.js";
import { failuresOf, hasTraffic, hintText, outcomesOf, showOnly, shownMessage } from "./traffic.js";

const SHOWN_MESSAGES = 200; // of a room, at first

const items = new Map(); // the elements of the messages that are shown, by id
let follow = true; // the end of the conversation
let shownMessages = SHOWN_MESSAGES;
let parent = null; // the message that is replied to

/** Show the room from its end. */
onOpen(() => {
  items.clear();
  forgetParent();
  $("messages").replaceChildren();
  follow = true;
  shownMessages = SHOWN_MESSAGES;
});

drawWith(() => {
  const room = currentRoom();
  const inRoom = [...model.messages.values()].filter((each) => each.roomId === room.id);
  const shown = inRoom.slice(-shownMessages);
  const ids = new Set(shown.map((each) => each.id));
  const replies = new Map();
  const roots = [];
  for (const message of shown) {
    // A direct room is shown in the order in which things were said.
    if (room.type === "direct" || !ids.has(message.parentId)) roots.push(message);
    else if (replies.has(message.parentId)) replies.get(message.parentId).push(message);
    else replies.set(message.parentId, [message]);
  }
  for (const id of [...items.keys()]) if (!ids.has(id)) items.delete(id);
  const before = items.size;
  const elementsOf = (messages) => messages.map((each) => itemOf(each).element);
  place($("messages"), elementsOf(roots));
  for (const root of roots) place(items.get(root.id).replies, elementsOf(replies.get(root.id) ?? []));
  $("earlier").hidden = inRoom.length <= shownMessages;
  drawWelcome(inRoom.length === 0);
  $("program").hidden = model.program === "";
  if (write($("traceback"), model.program)) $("program").scrollTop = $("program").scrollHeight; // its end says what happened
  if (!follow) return;
  const last = shown.at(-1);
  if (last && before !== items.size && ids.has(last.parentId)) items.get(last.id).element.scrollIntoView({ block: "nearest" });
  else showEnd();
});

function showEnd() {
  if (follow) $("scroll").scrollTop = $("scroll").scrollHeight;
}

function itemOf(message) {
  let item = items.get(message.id);
  if (!item) {
    const replies = el("ol", { class: "replies", role: "list", "aria-label": "Replies" });
    const body = el("div", { class: "message" });
    item = { replies, body, outcome: el("p", { class: "outcome", hidden: true }), message: null, element: el("li", {}, body, replies) };
    body.addEventListener("click", (event) => pick(item.message, event));
    items.set(message.id, item);
  }
  if (item.message !== message) {
    item.message = message;
    fill(item);
  }
  const failures = failuresOf(message).join("\n");
  const others = outcomesOf(message).filter((each) => each.hasWorked ? each.error : !each.error);
  const worked = others.map((each) => each.hasWorked ? `Worked now, after ${each.error}` : `Your bot's handler is ${each.then}`).join("\n");
  item.outcome.hidden = !failures && !worked;
  item.outcome.classList.toggle("worked", !failures);
  write(item.outcome, failures || worked);
  item.body.classList.toggle("picked", shownMessage() === message.id);
  return item;
}

function fill({ message, body, outcome }) {
  const name = nameOf(message.personId);
  const isMine = message.personId === myId();
  const what = `“${brief(quoted(message), 40)}” of ${name}`;
  body.replaceChildren(avatar(message.personId, name), el(
    "div", { class: "content" },
    el(
      "p", { class: "who" },
      el("bdi", {}, name),
      message.personId === model.bot ? el("span", { class: "tag" }, "bot") : null,
      el("time", { datetime: message.created }, clockTime(message.created)),
      message.updated ? el("small", {}, "edited") : null,
    ),
    threadOf(message),
    ...textOf(message),
    ...(message.files ?? []).map((url) => fileOf(String(url))),
    ...(message.attachments ?? []).map((each) => cardOf(message, each, showEnd)),
    outcome,
    el(
      "span", { class: "tools" },
      button("Traffic", () => toggle(message), { class: "quiet", "aria-label": `Traffic of ${what}` }),
      isMine ? button("Delete", () => remove(message), { class: "quiet", "aria-label": `Delete ${what}` }) : null,
      button("Reply", () => replyTo(message), { class: "quiet", "aria-label": `Reply to ${what}` }),
      message.personId === model.bot ? null : copyButton(
        "Test from here", () => copyAsTest(message.roomId, message.id), announce,
        { class: "quiet", "aria-label": `Test from here, ${what}` },
      ),
    ),
  ));
}

/** The mark of what is in a thread, in a room that doesn't show threads apart. */
function threadOf(message) {
  const room = model.rooms.get(message.parentId ? message.roomId : null);
  if (room?.type !== "direct") return null;
  return el("p", { class: "thread" }, `In the thread of “${quoted(model.messages.get(message.parentId)) || "a message that isn't here"}”`);
}

function textOf(message) {
  const repeated = isInCard(message) ? " repeated" : ""; // it is for where the card can't be shown
  if (message.html) return [el("div", { class: `text${repeated}`, dir: "auto" }, sanitized(message.html))];
  const text = message.text ?? message.markdown;
  return text ? [el("div", { class: `text plain${repeated}`, dir: "auto" }, text)] : [];
}

/** Whether a card of the message says the same. */
function isInCard({ text, markdown, attachments }) {
  const texts = [];
  const look = (part) => {
    if (Object(part) !== part) return;
    if (part.type === "TextBlock") texts.push(String(part.text).trim());
    Object.values(part).forEach(look);
  };
  look(attachments);
  return texts.some((each) => [text, markdown].map((own) => own?.trim()).includes(each));
}

/** Show the deliveries and the requests that belong to a message, or everything again. */
function toggle(message) {
  showOnly(shownMessage() === message.id ? null : message.id);
  if (shownMessage() && !isTrafficBeside()) showView("traffic");
}

/** A click on a message itself, not on what is in it, nor to select its text. */
function pick(message, event) {
  if (event.target.closest("button, a, input, select, textarea, label, .card, .file, .preview")) return;
  if (isTrafficBeside() && getSelection().isCollapsed) toggle(message);
}

const isTrafficBeside = () => getComputedStyle($("requests").closest("section")).display !== "none";

async function remove(message) {
  if (await attempt(() => api(`messages/${encodeURIComponent(message.id)}`, { method: "DELETE" }))) $("message").focus();
}

// ---------------------------------------------------------------- before the first message

const secret = remembered("secret") || [...crypto.getRandomValues(new Uint8Array(16))].map((each) => each.toString(16).padStart(2, "0")).join("");
remember("secret", secret);

const settings = () => [
  `export WEBEX_BASE_URL=${location.origin}/v1`, "export WEBEX_ACCESS_TOKEN=anything",
  `export WEBEX_WEBHOOK_SECRET=${secret}`, "export WEBEX_TARGET_URL=http://127.0.0.1:8000",
].join("\n");

/** What to do until a bot has made a webhook, below what was said so far. */
function drawWelcome(isEmpty) {
  const hasBot = botWebhooks().length > 0;
  $("welcome").hidden = (hasBot && !isEmpty) || model.program !== "";
  const state = `${hasBot} ${hasTraffic() && model.hint}`;
  if ($("welcome").hidden || $("welcome").dataset.state === state) return;
  $("welcome").dataset.state = state;
  const copy = copyButton("Copy", settings, announce);
  $("welcome").replaceChildren(...(hasBot
    ? [el("h3", {}, "Say hello"), el("p", {}, "Your bot has webhooks. What you write reaches it, and its reply appears here.")]
    : [
      ...(hasTraffic()
        ? [el("h3", {}, hintText()), el("p", {}, "Without a webhook it isn't notified of what you write. Start it with all four variables:")]
        : [el("h3", {}, "Start your bot"), el("p", {}, "This is a Webex for your machine alone. Point your bot to it, in the shell that starts it:")]),
      el("div", { class: "copied" }, el("pre", {}, settings()), copy),
      el("p", {}, "WEBEX_TARGET_URL is where your bot listens. Then write to it here: requests and deliveries show what happens."),
    ]));
}

// ---------------------------------------------------------------- what one writes

function replyTo(message) {
  parent = items.get(message.parentId) ? message.parentId : message.id;
  const root = model.messages.get(parent);
  $("replying-to").textContent = `In the thread of ${nameOf(root?.personId)}: ${brief(root?.text, 80)}`;
  $("replying").hidden = false;
  $("message").focus();
}

function forgetParent() {
  parent = null;
  $("replying").hidden = true;
}

async function send() {
  const text = $("message").value.trim();
  const file = $("file").files[0];
  if ($("send").disabled || !(text || file)) return;
  const inThread = parent;
  const room = currentRoom();
  const fields = room.id === null ? { toPersonEmail: bot().email } : { roomId: room.id };
  if (inThread) fields.parentId = inThread;
  if (text) fields.text = text;
  if (room.type !== "direct" && $("mention").checked) {
    fields.text = `${bot().displayName} ${text}`.trim();
    fields.markdown = `<@personId:${model.bot}|${bot().displayName}> ${escapeMarkdown(text)}`.trim();
  }
  $("send").disabled = true;
  $("message").focus();
  const sent = await attempt(async () => {
    if (!file) return post("messages", fields);
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    form.append("files", file);
    return (await api("messages", { method: "POST", body: form })).json();
  });
  $("send").disabled = false;
  if (!sent) return;
  // What was written, chosen or opened meanwhile stays.
  if ($("message").value.trim() === text) $("message").value = "";
  if ($("file").files[0] === file) dropFile();
  if (parent === inThread) forgetParent();
  follow = true;
  schedule();
}

function dropFile() {
  $("file").value = "";
  $("attached").hidden = true;
}

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});

$("message").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    send();
  }
  if (event.key === "Escape") forgetParent();
});

$("earlier").addEventListener("click", () => {
  shownMessages += SHOWN_MESSAGES;
  follow = false;
  schedule();
  $("scroll").focus();
});

$("no-reply").addEventListener("click", () => { forgetParent(); $("message").focus(); });
$("attach").addEventListener("click", () => $("file").click());
$("no-file").addEventListener("click", () => { dropFile(); $("attach").focus(); });
$("file").addEventListener("change", () => {
  const file = $("file").files[0];
  $("attached").hidden = !file;
  $("attached-name").textContent = file ? `With ${file.name}, ${sizeText(file.size)}` : "";
});

$("scroll").addEventListener("scroll", () => {
  const { scrollTop, scrollHeight, clientHeight } = $("scroll");
  follow = scrollHeight - scrollTop - clientHeight < 60;
});

window.addEventListener("resize", showEnd);
