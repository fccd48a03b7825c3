// The page of the sandbox: what people see and do, live. It has no dependency; the renderer of
// cards is loaded when the first card appears, and where it can't be loaded, a plain form does.

const ME = "you@example.com";
const SHOWN_MESSAGES = 200; // of a room
const KEPT_MESSAGES = 1000;
const SHOWN_ROWS = 200;
const SHOWN_ROOMS = 300;
const RENDERER_PATIENCE = 4000; // milliseconds
const RECONNECT = 1000; // milliseconds
const CARD_TYPE = "application/vnd.microsoft.card.adaptive";
const REASONS = {
  200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 301: "Moved Permanently", 302: "Found",
  400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
  409: "Conflict", 413: "Content Too Large", 415: "Unsupported Media Type", 422: "Unprocessable Content",
  423: "Locked", 429: "Too Many Requests", 500: "Internal Server Error", 501: "Not Implemented",
  502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
};

const $ = (id) => document.getElementById(id);

/** An element; text is never parsed as html. */
function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === undefined || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((each) => each !== null && each !== undefined));
  return element;
}

// ---------------------------------------------------------------- what the sandbox holds

const model = {
  sandbox: null,
  bot: null,
  persons: new Map(),
  rooms: new Map(),
  messages: new Map(),
  webhooks: [],
  outcomes: new Map(), // of the deliveries, by the id of what they are about
  shown: new Set(), // the numbers of the requests and deliveries that have a row
  me: remembered("person") || ME,
  roomId: remembered("room"),
  unread: new Set(),
  parent: null, // the message that is replied to
};

function remembered(key) {
  try { return sessionStorage.getItem(`sandbox.${key}`); } catch { return null; }
}

function remember(key, value) {
  try { sessionStorage.setItem(`sandbox.${key}`, value ?? ""); } catch { /* it is only a convenience */ }
}

const person = (email) => [...model.persons.values()].find((each) => each.email.toLowerCase() === email.toLowerCase());
const bot = () => model.persons.get(model.bot);
const nameOf = (id) => model.persons.get(id)?.displayName ?? "Somebody";

/** My rooms, the one with the bot first, and then the group rooms that I can join by writing. */
function rooms() {
  const me = person(model.me)?.id;
  const all = [...model.rooms.values()];
  const mine = all.filter((room) => room.members.includes(me));
  const withBot = mine.filter((room) => isWithBot(room));
  const others = all.filter((room) => room.type !== "direct" && !room.members.includes(me));
  const direct = withBot.length ? withBot : [{ id: null, type: "direct", members: [model.bot] }];
  return [...direct, ...mine.filter((room) => !isWithBot(room)), ...others].slice(0, SHOWN_ROOMS);
}

const isWithBot = (room) => room.type === "direct" && room.members.includes(model.bot);

function currentRoom() {
  const shown = rooms();
  return shown.find((room) => room.id === model.roomId) ?? shown[0];
}

function titleOf(room) {
  if (room.type !== "direct") return room.title || "Untitled room";
  const me = person(model.me)?.id;
  return nameOf(room.members.find((id) => id !== me) ?? model.bot);
}

// ---------------------------------------------------------------- live

let source = null;

function connect() {
  source = new EventSource("sandbox/events");
  source.onmessage = (event) => receive(JSON.parse(event.data));
  source.onerror = () => {
    source.close();
    $("connection").textContent = "The sandbox has ended; waiting for it to start again";
    $("connection").classList.remove("live");
    setTimeout(connect, RECONNECT);
  };
}

const receivers = {
  state(state) {
    const isAnother = model.sandbox !== state.sandbox;
    if (isAnother) {
      hideError();
      if (model.sandbox !== null) announce("The sandbox has started again, and has forgotten everything.");
      model.messages.clear();
      model.outcomes.clear();
      model.shown.clear();
      $("requests").replaceChildren();
      $("deliveries").replaceChildren();
    }
    model.sandbox = state.sandbox;
    model.bot = state.bot;
    model.persons = byId(state.persons);
    model.rooms = byId(state.rooms);
    model.messages = byId(state.messages.map(asBefore));
    model.webhooks = state.webhooks;
    $("send").disabled = false;
    state.requests.forEach((each) => addRequest(each));
    state.deliveries.forEach((each) => addDelivery(each));
    if (isAnother) showRoom();
  },
  room({ room, persons }) {
    model.rooms.set(room.id, room);
    persons.forEach((each) => model.persons.set(each.id, each));
  },
  webhooks: ({ webhooks }) => { model.webhooks = webhooks; },
  message({ message }) {
    const isNew = !model.messages.has(message.id);
    model.messages.set(message.id, message);
    if (model.messages.size > KEPT_MESSAGES) model.messages.delete(model.messages.keys().next().value);
    if (isNew && message.roomId !== currentRoom().id) model.unread.add(message.roomId);
  },
  removed({ id }) { model.messages.delete(id); model.rooms.delete(id); },
  request: ({ request }) => addRequest(request),
  delivery: ({ delivery }) => addDelivery(delivery),
};

/** The message that is shown already, if it is the same: what someone has typed into its card stays. */
function asBefore(message) {
  const known = model.messages.get(message.id);
  return JSON.stringify(known) === JSON.stringify(message) ? known : message;
}

const byId = (items) => new Map(items.map((each) => [each.id, each]));

function receive(event) {
  $("connection").textContent = "Connected";
  $("connection").classList.add("live");
  receivers[event.kind]?.(event);
  schedule();
}

let scheduled = false;

/** Draw once for all the changes that arrive together. */
function schedule() {
  if (scheduled) return;
  scheduled = true;
  // A page in the background draws no frames.
  const draw = () => { scheduled = false; render(); };
  document.hidden ? setTimeout(draw, 100) : requestAnimationFrame(draw);
}

function render() {
  if (model.bot === null) return;
  renderPersons();
  renderRooms();
  renderHead();
  renderMessages();
  trim($("requests"));
  trim($("deliveries"));
  $("no-requests").hidden = $("requests").children.length > 0;
  $("no-deliveries").hidden = $("deliveries").children.length > 0;
}

function trim(list) {
  while (list.children.length > SHOWN_ROWS) list.lastElementChild.remove();
}

// ---------------------------------------------------------------- calls

/** Call the API as the present person, by the private endpoint: unrecorded and without faults. */
async function api(path, options = {}) {
  const response = await fetch(`sandbox/v1/${path}`, {
    ...options,
    headers: { Authorization: `Bearer person:${model.me}`, ...options.headers },
  });
  if (!response.ok) throw new Error(await reasonOf(response));
  return response;
}

const post = async (path, body) => (await api(path, asJson(body))).json();

const asJson = (body) => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
});

async function reasonOf(response) {
  const body = await response.json().catch(() => ({}));
  return body.message ?? `${response.status} ${REASONS[response.status] ?? ""}`;
}

/** Do something for the user, and show why it fails. */
async function attempt(action) {
  hideError();
  try {
    return await action();
  } catch (error) {
    const isGone = error instanceof TypeError && !document.querySelector("#connection.live");
    $("error").textContent = isGone ? "The sandbox doesn't respond: start it again." : error.message;
    $("error").hidden = false;
    return undefined;
  }
}

function hideError() {
  $("error").hidden = true;
  $("error").textContent = "";
}

function announce(text) {
  $("error").textContent = text;
  $("error").hidden = false;
}

// ---------------------------------------------------------------- persons and rooms

function renderPersons() {
  const humans = [...model.persons.values()].filter((each) => each.id !== model.bot);
  const options = humans.map((each) => [each.email, `${each.displayName} <${each.email}>`]);
  if (!person(model.me)) options.unshift([model.me, model.me]);
  options.push(["", "Another person…"]);
  const select = $("person");
  const shown = JSON.stringify(options);
  if (select.dataset.shown !== shown) {
    select.dataset.shown = shown;
    select.replaceChildren(...options.map(([value, text]) => el("option", { value }, text)));
  }
  if ($("new-person").hidden) select.value = person(model.me)?.email ?? model.me;
}

function become(email) {
  model.me = email;
  remember("person", email);
  $("new-person").hidden = true;
  model.roomId = null;
  showRoom();
}

const roomItems = new Map(); // the elements of the rooms, by id; an element stays while it is pressed

function renderRooms() {
  const current = currentRoom();
  const me = person(model.me)?.id;
  place($("rooms"), rooms().map((room) => {
    const key = isWithBot(room) ? model.bot : room.id; // the room with the bot has no id at first
    const isMember = room.id === null || room.members.includes(me);
    const about = room.type === "direct" ? "direct" : isMember ? `${room.members.length} members` : "write to join";
    if (!roomItems.has(key)) roomItems.set(key, el("li", {}, el("button", { type: "button" })));
    const button = roomItems.get(key).firstElementChild;
    button.setAttribute("aria-current", String(room.id === current.id));
    button.onclick = () => { model.roomId = room.id; showRoom(); view("talk"); };
    button.replaceChildren(
      avatar(room.type === "direct" ? room.members.find((id) => id !== me) ?? model.bot : room.id, titleOf(room)),
      el("span", { class: "name" }, el("bdi", {}, titleOf(room)), el("small", {}, about)),
      model.unread.has(room.id) ? el("span", { class: "badge" }, "new") : "",
    );
    return roomItems.get(key);
  }));
}

/** Make the list have exactly these elements. One that stays isn't moved: it keeps its focus. */
function place(list, elements) {
  const staying = new Set(elements);
  for (const each of [...list.children]) if (!staying.has(each)) each.remove();
  let next = list.firstElementChild;
  for (const each of elements) {
    if (each === next) next = next.nextElementSibling;
    else list.insertBefore(each, next);
  }
}

function avatar(id, name) {
  const text = String(id);
  const color = [...text].reduce((sum, each) => (sum * 31 + each.codePointAt(0)) % 6, 0);
  const initials = name.split(/\s+/).slice(0, 2).map((word) => [...word][0] ?? "").join("").toUpperCase();
  return el("span", { class: `avatar ${id === model.bot ? "bot" : `c${color}`}`, "aria-hidden": "true" }, initials);
}

/** Show the current room from its end. */
function showRoom() {
  const room = model.bot === null ? null : currentRoom();
  remember("room", room?.id ?? model.roomId);
  model.unread.delete(room?.id);
  items.clear();
  forgetParent();
  $("messages").replaceChildren();
  follow = true;
  if (room) render();
}

function renderHead() {
  const room = currentRoom();
  model.unread.delete(room.id);
  $("title").textContent = titleOf(room);
  const names = room.members.map((id) => (id === person(model.me)?.id ? "you" : nameOf(id)));
  $("members").textContent = room.type === "direct" ? "direct" : names.slice(0, 6).join(", ") + (names.length > 6 ? ` and ${names.length - 6} more` : "");
  $("mention-label").hidden = room.type === "direct";
  const active = model.webhooks.filter((each) => each.status === "active").length;
  const off = model.webhooks.length - active;
  $("webhooks").textContent = active || off
    ? `${active} active ${active === 1 ? "webhook" : "webhooks"}${off ? `, ${off} inactive` : ""}`
    : "No webhook yet: no bot has started";
}

// ---------------------------------------------------------------- the conversation

const items = new Map(); // the elements of the messages that are shown, by id
let follow = true; // the end of the conversation

function renderMessages() {
  const room = currentRoom();
  const inRoom = [...model.messages.values()].filter((each) => each.roomId === room.id);
  const shown = inRoom.slice(-SHOWN_MESSAGES);
  const ids = new Set(shown.map((each) => each.id));
  const replies = new Map();
  const roots = [];
  for (const message of shown) {
    if (!ids.has(message.parentId)) roots.push(message);
    else replies.set(message.parentId, [...(replies.get(message.parentId) ?? []), message]);
  }
  for (const id of [...items.keys()]) if (!ids.has(id)) items.delete(id);
  const before = items.size;
  const elementsOf = (messages) => messages.map((each) => itemOf(each).element);
  place($("messages"), elementsOf(roots));
  for (const root of roots) place(items.get(root.id).replies, elementsOf(replies.get(root.id) ?? []));
  $("earlier").hidden = inRoom.length <= SHOWN_MESSAGES;
  $("earlier").textContent = `The last ${SHOWN_MESSAGES} messages of this room`;
  renderWelcome(inRoom.length === 0, room);
  if (!follow) return;
  const last = shown.at(-1);
  if (last && before !== items.size && ids.has(last.parentId)) items.get(last.id).element.scrollIntoView({ block: "nearest" });
  else showEnd();
}

function showEnd() {
  if (follow) $("scroll").scrollTop = $("scroll").scrollHeight;
}

function itemOf(message) {
  let item = items.get(message.id);
  if (!item) {
    const content = el("div", { class: "content" });
    const replies = el("ol", { class: "replies", role: "list", "aria-label": "Replies" });
    const outcome = el("p", { class: "outcome", hidden: true });
    item = { replies, outcome, content, message: null };
    item.body = el("div", { class: "message" });
    item.element = el("li", {}, item.body, replies);
    items.set(message.id, item);
  }
  if (item.message !== message) {
    item.message = message;
    fill(item);
  }
  showOutcome(item);
  return item;
}

function fill(item) {
  const { message, content } = item;
  const name = nameOf(message.personId);
  content.replaceChildren(
    el(
      "p", { class: "who" },
      el("bdi", {}, name),
      message.personId === model.bot ? el("span", { class: "tag" }, "bot") : null,
      el("time", { datetime: message.created }, clockTime(message.created)),
      message.updated ? el("small", {}, "edited") : null,
      el(
        "button", { type: "button", class: "quiet", onclick: () => replyTo(message), "aria-label": `Reply to ${name} in the thread` },
        "Reply",
      ),
    ),
    ...textOf(message),
    ...(message.files ?? []).map((url) => fileOf(String(url))),
    ...(message.attachments ?? []).map((each) => cardOf(message, each)),
    item.outcome,
  );
  item.body.replaceChildren(avatar(message.personId, name), content);
}

function textOf(message) {
  if (message.html) return [el("div", { class: "text", dir: "auto" }, sanitized(message.html))];
  const text = message.text ?? message.markdown;
  return text ? [el("div", { class: "text plain", dir: "auto" }, text)] : [];
}

/** Below a message, say why a bot didn't take it. */
function showOutcome(item) {
  const failed = [...(model.outcomes.get(item.message.id)?.values() ?? [])].filter((each) => !each.ok);
  item.outcome.hidden = failed.length === 0;
  item.outcome.textContent = failed.map((each) => `Your bot didn't take it: ${each.error ?? statusText(each.statusCode)}`).join("\n");
}

function renderWelcome(isEmpty, room) {
  $("welcome").hidden = !isEmpty;
  const state = `${model.webhooks.length > 0} ${room.id}`;
  if (!isEmpty || $("welcome").dataset.state === state) return;
  $("welcome").dataset.state = state;
  const address = `${location.origin}/v1`;
  $("welcome").replaceChildren(...(model.webhooks.length
    ? [el("h3", {}, "Say hello"), el("p", {}, "Your bot has webhooks. What you write reaches it, and its reply appears here.")]
    : [
      el("h3", {}, "Start your bot"),
      el("p", {}, "This is a Webex for your machine alone. Point your bot to it, and let it create its webhooks:"),
      el("pre", {}, `export WEBEX_BASE_URL=${address} WEBEX_ACCESS_TOKEN=anything`),
      el("p", {}, "Then write to it here. Requests and deliveries show what happens."),
    ]));
}

function replyTo(message) {
  model.parent = items.get(message.parentId) ? message.parentId : message.id;
  $("replying-to").textContent = `In the thread of ${nameOf(model.messages.get(model.parent)?.personId)}: ${(model.messages.get(model.parent)?.text ?? "").slice(0, 80)}`;
  $("replying").hidden = false;
  $("message").focus();
}

function forgetParent() {
  model.parent = null;
  $("replying").hidden = true;
}

async function send() {
  const text = $("message").value.trim();
  const file = $("file").files[0];
  if ($("send").disabled || !(text || file)) return;
  const { parent } = model;
  const room = currentRoom();
  const fields = room.id === null ? { toPersonEmail: bot().email } : { roomId: room.id };
  if (parent) fields.parentId = parent;
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
  if (model.parent === parent) forgetParent();
  follow = true;
  schedule();
}

/** Text that markdown shows unchanged. */
const escapeMarkdown = (text) => text.replace(/[!-/:-@[-`{-~]/g, "\\$&").replace(/\n/g, "  \n");

function dropFile() {
  $("file").value = "";
  $("attached").hidden = true;
}

// ---------------------------------------------------------------- files

/** A file that the sandbox keeps, with its name; or a link to one that is elsewhere. */
function fileOf(url) {
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
      element.append(el("img", { class: "preview", src: URL.createObjectURL(blob), alt: name }));
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

function sizeText(bytes) {
  const size = Number(bytes ?? NaN);
  if (Number.isNaN(size)) return "";
  return size < 1000 ? `${size} bytes` : size < 1e6 ? `${(size / 1000).toFixed(1)} kB` : `${(size / 1e6).toFixed(1)} MB`;
}

// ---------------------------------------------------------------- html that others wrote

const ALLOWED = new Set("a b blockquote br code del em h1 h2 h3 h4 h5 h6 hr i li ol p pre s spark-mention strong table tbody td th thead tr u ul".split(" "));
const DROPPED = new Set("audio base button embed form frame frameset head iframe input link math meta noscript object option script select style svg template textarea title video".split(" "));

/** Copies of the elements that are harmless, with no attribute but a link's own. */
function sanitized(html) {
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

/** The URL, if it leads to a page or to a mailbox. */
function safeUrl(url) {
  try {
    const parsed = new URL(url);
    return ["http:", "https:", "mailto:"].includes(parsed.protocol) ? parsed.href : null;
  } catch {
    return null;
  }
}

function link(href, text) {
  return href
    ? el("a", { href, target: "_blank", rel: "noopener noreferrer" }, text ?? "")
    : el("span", {}, text ?? "");
}

/** The little markdown that cards have, as html without a tag of its author's. */
function markdown(text) {
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

// ---------------------------------------------------------------- cards

function cardOf(message, attachment) {
  const card = el("div", { class: "card", role: "group", "aria-label": "Card" });
  const problem = problemOf(attachment);
  if (problem) {
    showBroken(card, attachment, problem);
    return card;
  }
  card.append(el("p", { class: "hint" }, "Loading the card…"));
  loadRenderer().then((library) => {
    const done = el("p", { class: "done", role: "status" });
    const submit = async (inputs) => {
      done.textContent = "";
      const action = { type: "submit", messageId: message.id, inputs };
      if (await attempt(() => post("attachment/actions", action))) done.textContent = "Submitted";
    };
    try {
      const content = withoutForeignLinks(attachment.content);
      card.replaceChildren(library ? rendered(library, content, submit) : plainCard(content, submit), done);
    } catch (error) {
      showBroken(card, attachment, error.message);
    }
    showEnd();
  });
  return card;
}

function showBroken(card, attachment, reason) {
  card.classList.add("broken");
  card.replaceChildren(
    el("p", { class: "outcome" }, `This card can't be shown: ${reason}`),
    el("pre", { tabindex: "0", role: "region", "aria-label": "The card as JSON" }, JSON.stringify(attachment, null, 2)),
  );
}

function problemOf(attachment) {
  const isObject = (each) => typeof each === "object" && each !== null && !Array.isArray(each);
  const card = attachment?.content;
  if (attachment?.contentType !== CARD_TYPE) return `contentType must be ${CARD_TYPE}, got ${JSON.stringify(attachment?.contentType)}`;
  if (!isObject(card)) return "content must be an object";
  if (card.type !== "AdaptiveCard") return `type must be "AdaptiveCard", got ${JSON.stringify(card.type)}`;
  for (const name of ["body", "actions"]) {
    const parts = card[name] ?? [];
    if (!Array.isArray(parts)) return `${name} must be an array`;
    const wrong = parts.findIndex((each) => !isObject(each) || typeof each.type !== "string");
    if (wrong >= 0) return `${name}[${wrong}] must be an object with a type`;
  }
  if (!(card.body ?? []).length && !(card.actions ?? []).length) return "it has neither body nor actions";
  return null;
}

/** A copy in which no action and no picture has a URL that isn't one of a page. */
function withoutForeignLinks(card) {
  return JSON.parse(JSON.stringify(card), function clean(key, value) {
    const isUrl = typeof value === "string" && /^(url|iconUrl|poster)$/.test(key);
    const isPicture = isUrl && /^data:image\/(png|jpeg|gif);/.test(value) && !this.type?.startsWith?.("Action.");
    return isUrl && !isPicture && !/^https?:/.test(safeUrl(value) ?? "") ? undefined : value;
  });
}

let renderer = null;

/** Microsoft's renderer, or null where it can't be loaded. */
function loadRenderer() {
  renderer ??= new Promise((resolve) => {
    const { renderer: src, integrity } = document.documentElement.dataset;
    const script = el("script", { src, integrity, crossorigin: "anonymous" });
    script.onload = () => resolve(window.AdaptiveCards ?? null);
    script.onerror = () => resolve(null);
    setTimeout(() => resolve(null), RENDERER_PATIENCE);
    document.head.append(script);
  });
  return renderer;
}

function rendered(library, content, submit) {
  library.AdaptiveCard.onProcessMarkdown = (text, result) => {
    result.outputHtml = markdown(text).innerHTML;
    result.didProcess = true;
  };
  const card = new library.AdaptiveCard();
  card.hostConfig = new library.HostConfig(hostConfig());
  card.onExecuteAction = (action) => {
    const type = action.getJsonTypeName();
    const url = type === "Action.OpenUrl" ? safeUrl(action.url) : null;
    if (type === "Action.Submit") submit(Object(action.data) === action.data ? action.data : {});
    else if (url) window.open(url, "_blank", "noopener,noreferrer");
  };
  const context = new library.SerializationContext();
  card.parse(content, context);
  const element = card.render();
  if (!element) throw new Error("the renderer makes nothing of it");
  const remarks = [];
  for (let each = 0; each < Math.min(context.eventCount, 10); each += 1) remarks.push(context.getEventAt(each).message);
  return remarks.length ? el("div", {}, element, ...remarks.map((each) => el("p", { class: "outcome" }, each))) : element;
}

function hostConfig() {
  const color = (name) => ({ default: `var(--${name})`, subtle: name === "text" ? "var(--soft)" : `var(--${name})` });
  const colors = {
    default: color("text"), dark: color("text"), light: color("soft"), accent: color("accent"),
    good: color("good"), warning: color("bad"), attention: color("bad"),
  };
  const style = (background) => ({ backgroundColor: `var(--${background})`, foregroundColors: colors });
  return {
    fontFamily: "inherit",
    spacing: { small: 4, default: 8, medium: 12, large: 18, extraLarge: 26, padding: 0 },
    separator: { lineThickness: 1, lineColor: "var(--line)" },
    supportsInteractivity: true,
    containerStyles: {
      default: style("raised"), emphasis: style("code"), good: style("code"), accent: style("chosen"),
      warning: style("bad-panel"), attention: style("bad-panel"),
    },
    actions: { maxActions: 20, actionsOrientation: "horizontal", buttonSpacing: 8, actionAlignment: "left", showCard: { actionMode: "inline", inlineTopMargin: 8 } },
  };
}

/** Texts, facts, inputs with their labels, and buttons: what a card says without its looks. */
function plainCard(content, submit) {
  const scope = el("div", { class: "plain-card scope" });
  plainParts(content, [scope], submit, 0);
  return scope;
}

/** Draw a card into the last of the scopes: that of its inputs, after those of the cards around it. */
function plainParts(card, scopes, submit, depth) {
  scopes.at(-1).append(
    ...(card.body ?? []).flatMap((each) => plainPart(each, scopes, submit, depth)),
    ...plainActions(card.actions, scopes, submit, depth),
  );
}

function plainActions(actions, scopes, submit, depth) {
  if (!Array.isArray(actions) || !actions.length || depth > 20) return [];
  const row = el("div", { class: "actions" });
  const below = [];
  for (const action of actions) {
    const title = String(action.title ?? action.type ?? "");
    const inner = el("div", { class: "plain-card scope", hidden: true });
    if (action.type === "Action.OpenUrl") row.append(link(safeUrl(action.url), title));
    else if (action.type === "Action.Submit") {
      const press = () => {
        const fields = action.associatedInputs === "none" ? [] : fieldsOf(scopes);
        if (!fields.every((each) => each.reportValidity())) return;
        const data = Object(action.data) === action.data ? action.data : {};
        submit({ ...data, ...valuesOf(fields) });
      };
      row.append(el("button", { type: "button", class: action.style === "positive" && "positive", onclick: press }, title));
    } else if (action.type === "Action.ShowCard") {
      plainParts(action.card ?? {}, [...scopes, inner], submit, depth + 1);
      const button = el("button", { type: "button", "aria-expanded": "false" }, title);
      button.addEventListener("click", () => {
        inner.hidden = !inner.hidden;
        button.setAttribute("aria-expanded", String(!inner.hidden));
      });
      row.append(button);
      below.push(inner);
    } else row.append(el("small", {}, `${title} (${action.type}) isn't shown here`));
  }
  return [row, ...below];
}

const fieldsOf = (scopes) => scopes.flatMap((scope) => [...scope.querySelectorAll("[data-id]")].filter((each) => each.closest(".scope") === scope));

function valuesOf(fields) {
  const values = {};
  for (const field of fields) {
    const { id, on, off } = field.dataset;
    if (on !== undefined) values[id] = field.checked ? on : off;
    else if (field.type === "radio" || field.type === "checkbox") {
      if (field.checked) values[id] = values[id] ? `${values[id]},${field.value}` : field.value;
    } else values[id] = field.value;
  }
  return values;
}

function plainPart(part, scopes, submit, depth) {
  if (Object(part) !== part || depth > 20 || part.isVisible === false) return [];
  const inside = (list) => (Array.isArray(list) ? list.flatMap((each) => plainPart(each, scopes, submit, depth + 1)) : []);
  switch (part.type) {
    case "TextBlock": {
      const large = /large/i.test(part.size ?? "") ? " large" : "";
      const strong = /bolder/i.test(part.weight ?? "") ? " strong" : "";
      return [el("p", { class: `text${large}${strong}`, dir: "auto" }, ...markdown(String(part.text ?? "")).childNodes)];
    }
    case "RichTextBlock":
      return [el("p", { class: "text", dir: "auto" }, ...(part.inlines ?? []).map((each) => String(each?.text ?? each)))];
    case "FactSet":
      return [el("dl", {}, ...(part.facts ?? []).flatMap((each) => [el("dt", {}, String(each?.title ?? "")), el("dd", {}, String(each?.value ?? ""))]))];
    case "Image":
      return part.url ? [el("img", { src: part.url, alt: String(part.altText ?? "") })] : [];
    case "ImageSet":
      return inside(part.images);
    case "ColumnSet":
      return [el("div", { class: "columns" }, ...(part.columns ?? []).map((each) => el("div", { class: "plain-card" }, ...inside(each?.items))))];
    case "Container":
    case "Column":
      return [el("div", { class: "plain-card" }, ...inside(part.items))];
    case "ActionSet":
      return plainActions(part.actions, scopes, submit, depth + 1);
    default:
      return /^Input\./.test(part.type) ? [plainInput(part)] : [el("pre", {}, JSON.stringify(part, null, 2))];
  }
}

function plainInput(part) {
  const id = String(part.id ?? "");
  const label = String(part.label ?? part.placeholder ?? part.title ?? id);
  const common = { "data-id": id, required: Boolean(part.isRequired), value: part.value ?? "" };
  const placed = (field) => el("label", { class: "field" }, el("span", {}, label), field);
  switch (part.type) {
    case "Input.Toggle": {
      const on = part.valueOn ?? "true";
      const box = el("input", { type: "checkbox", "data-id": id, "data-on": on, "data-off": part.valueOff ?? "false", required: Boolean(part.isRequired) });
      box.checked = part.value === on;
      return el("label", { class: "check" }, box, String(part.title ?? label));
    }
    case "Input.ChoiceSet": {
      const chosen = String(part.value ?? "").split(",");
      const choices = (part.choices ?? []).map((each) => [String(each?.value ?? ""), String(each?.title ?? "")]);
      if (part.isMultiSelect || part.style === "expanded") {
        const type = part.isMultiSelect ? "checkbox" : "radio";
        const name = crypto.randomUUID();
        return el("fieldset", {}, el("legend", {}, label), ...choices.map(([value, title]) => {
          const box = el("input", { type, name, value, "data-id": id });
          box.checked = chosen.includes(value);
          return el("label", { class: "check" }, box, title);
        }));
      }
      const select = el("select", common, el("option", { value: "" }, String(part.placeholder ?? "")), ...choices.map(([value, title]) => el("option", { value }, title)));
      select.value = part.value ?? "";
      return placed(select);
    }
    case "Input.Text": {
      const limit = { ...common, maxlength: part.maxLength, placeholder: part.placeholder };
      if (!part.isMultiline) return placed(el("input", { type: "text", ...limit }));
      return placed(el("textarea", limit, String(part.value ?? "")));
    }
    default: {
      const type = { "Input.Number": "number", "Input.Date": "date", "Input.Time": "time" }[part.type] ?? "text";
      return placed(el("input", { type, min: part.min, max: part.max, step: type === "number" && "any", ...common }));
    }
  }
}

// ---------------------------------------------------------------- requests and deliveries

function addRequest(request) {
  if (model.shown.has(request.number)) return;
  model.shown.add(request.number);
  const path = request.query ? `${request.path}?${request.query}` : request.path;
  $("requests").prepend(row(request, request.method, path.replace(/[\w-]{24,}/g, (id) => `…${id.slice(-6)}`), isBad(request.statusCode), () => [
    ...(request.error ? [el("p", { class: "reason" }, request.error)] : []),
    pairs({
      Status: request.statusCode === null ? "none: it got no response" : statusText(request.statusCode),
      Caller: request.person ?? bot().email,
      Path: path,
      TrackingID: request.trackingId,
    }),
  ]));
}

function addDelivery(delivery) {
  if (model.shown.has(delivery.number)) return;
  model.shown.add(delivery.number);
  const outcomes = model.outcomes.get(delivery.about) ?? new Map();
  model.outcomes.set(delivery.about, outcomes.set(`${delivery.webhook} ${delivery.url}`, delivery));
  if (model.outcomes.size > KEPT_MESSAGES) model.outcomes.delete(model.outcomes.keys().next().value);
  $("deliveries").prepend(row(delivery, `${delivery.resource} ${delivery.event}`, delivery.url, !delivery.ok, () => {
    const again = el("button", { type: "button" }, "Send again");
    const done = el("span", { role: "status" });
    again.addEventListener("click", () => attempt(async () => {
      again.disabled = true;
      done.textContent = " Waiting for the bot…";
      try {
        const response = await fetch("sandbox/redeliver", asJson({ delivery: delivery.number }));
        if (!response.ok) throw new Error(await reasonOf(response));
        const outcome = await response.json();
        done.textContent = ` Sent again: ${outcome.error ?? statusText(outcome.statusCode)}`;
      } catch (error) {
        done.textContent = "";
        throw error;
      } finally {
        again.disabled = false;
      }
    }));
    return [
      ...(delivery.error ? [el("p", { class: "reason" }, delivery.error)] : []),
      ...(delivery.switchedOff ? [el("p", { class: "reason" }, "Too many failures: the webhook was switched off.")] : []),
      pairs({ Webhook: delivery.webhook, URL: delivery.url, Status: delivery.statusCode === null ? "none" : statusText(delivery.statusCode) }),
      el("p", {}, again, done),
    ];
  }));
}

const isBad = (statusCode) => statusCode === null || statusCode >= 400;
const statusText = (statusCode) => `${statusCode} ${REASONS[statusCode] ?? ""}`.trim();

/** A line that opens; what is in it is made when it does. */
function row(shown, what, where, bad, details) {
  const inside = el("div", { class: "detail" });
  const element = el(
    "details", {},
    el(
      "summary", {},
      el("time", { datetime: shown.time }, clockTime(shown.time)),
      el("span", { class: "method" }, what),
      el("span", { class: "path", title: where }, where),
      el("span", { class: bad ? "status bad" : "status" }, shown.statusCode === null ? "no response" : String(shown.statusCode)),
    ),
    inside,
  );
  element.addEventListener("toggle", () => {
    if (!element.open || inside.children.length) return;
    inside.append(
      ...details(),
      el("h3", {}, shown.bodySize ? `Body, ${sizeText(shown.bodySize)}` : "No body"),
      ...(shown.bodySize ? [el("pre", { tabindex: "0", role: "region", "aria-label": "Body" }, pretty(shown))] : []),
      el("h3", {}, "Headers"), pairs(shown.headers),
    );
  });
  return el("li", {}, element);
}

const pairs = (map) => el("dl", {}, ...Object.entries(map).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))]));

function pretty({ body, bodySize }) {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return new TextEncoder().encode(body).length < bodySize ? `${body}…` : body;
  }
}

const clockTime = (text) => new Date(text).toLocaleTimeString("en-GB");

// ---------------------------------------------------------------- what people do

function view(name) {
  document.body.dataset.view = name;
  for (const button of document.querySelectorAll(".views button")) {
    button.setAttribute("aria-current", String(button.dataset.shows === name));
  }
}

for (const button of document.querySelectorAll(".views button")) {
  button.addEventListener("click", () => view(button.dataset.shows));
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

$("person").addEventListener("change", () => {
  const email = $("person").value;
  $("new-person").hidden = email !== "";
  if (email) become(email);
  else $("new-email").focus();
});

$("new-person").addEventListener("submit", (event) => {
  event.preventDefault();
  const email = $("new-email").value.trim();
  if (email.toLowerCase() === bot().email.toLowerCase()) announce("The bot is played by your own program: be another person.");
  else {
    $("new-email").value = "";
    become(email);
    $("person").focus();
  }
});

$("open-new-room").addEventListener("click", () => {
  const isOpen = $("new-room").hidden;
  $("new-room").hidden = !isOpen;
  $("open-new-room").setAttribute("aria-expanded", String(isOpen));
  if (isOpen) $("new-title").focus();
});

$("new-room").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    const room = await post("rooms", { title: $("new-title").value });
    await post("memberships", { roomId: room.id, personEmail: bot().email });
    $("new-title").value = "";
    $("new-room").hidden = true;
    $("open-new-room").setAttribute("aria-expanded", "false");
    model.roomId = room.id;
    showRoom();
    view("talk");
    $("message").focus();
  });
});

connect();
