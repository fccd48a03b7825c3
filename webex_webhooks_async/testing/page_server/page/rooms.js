// Persons and rooms: who one is, which room is open, and how one joins and leaves.

import { announce, api, ask, attempt, post } from "./calls.js";
import { copyAsTest, copyButton } from "./copies.js";
import { $, el, place } from "./dom.js";
import { drawWith, schedule } from "./drawing.js";
import { bot, currentRoom, isMember, isWithBot, model, myId, named, nameOf, person, remember, rooms, titleOf } from "./model.js";

const roomItems = new Map(); // the elements of the rooms, by id; an element stays while it is pressed
const openings = [];

/** Let a part of the page know that another room is shown. */
export const onOpen = (opened) => openings.push(opened);

export function openRoom(roomId) {
  model.roomId = roomId;
  const room = model.bot === null ? null : currentRoom();
  remember("room", room?.id ?? roomId);
  openings.forEach((each) => each());
  schedule();
}

export function showView(name) {
  document.body.dataset.view = name;
  for (const each of document.querySelectorAll(".views button")) {
    each.setAttribute("aria-current", String(each.dataset.shows === name));
  }
}

export function avatar(id, name) {
  const color = [...String(id)].reduce((sum, each) => (sum * 31 + each.codePointAt(0)) % 6, 0);
  const initials = name.split(/\s+/).slice(0, 2).map((word) => [...word][0] ?? "").join("").toUpperCase();
  return el("span", { class: `avatar ${id === model.bot ? "bot" : `c${color}`}`, "aria-hidden": "true" }, initials);
}

function become(email) {
  model.me = email;
  remember("person", email);
  $("new-person").hidden = true;
  openRoom(null);
}

function drawPersons() {
  const humans = [...model.persons.values()].filter((each) => each.id !== model.bot);
  const options = humans.map((each) => [each.email, nameOf(each.id) === each.email ? each.email : `${nameOf(each.id)} <${each.email}>`]);
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

function drawRooms() {
  const current = currentRoom();
  place($("rooms"), rooms().map((room) => {
    const key = isWithBot(room) ? model.bot : room.id; // the room with the bot has no id at first
    const about = room.type === "direct" ? "direct" : isMember(room) ? `${room.members.length} ${room.members.length === 1 ? "member" : "members"}` : "write to join";
    if (!roomItems.has(key)) roomItems.set(key, el("li", {}, el("button", { type: "button" })));
    const item = roomItems.get(key).firstElementChild;
    item.setAttribute("aria-current", String(room.id === current.id));
    item.onclick = () => { openRoom(room.id); showView("talk"); };
    item.replaceChildren(
      avatar(room.type === "direct" ? room.members.find((id) => id !== myId()) ?? model.bot : room.id, titleOf(room)),
      el("span", { class: "name" }, el("bdi", {}, titleOf(room)), el("small", {}, about)),
      model.unread.has(room.id) ? el("span", { class: "badge" }, "new") : "",
    );
    return roomItems.get(key);
  }));
}

function drawHead() {
  const room = currentRoom();
  model.unread.delete(room.id);
  $("title").textContent = titleOf(room);
  const names = room.members.map(named).sort((one, other) => one.localeCompare(other));
  const more = names.length > 6 ? ` and ${names.length - 6} more` : "";
  $("members").textContent = room.type === "direct" ? "direct" : names.slice(0, 6).join(", ") + more;
  $("mention-label").hidden = room.type === "direct";
  $("membership").hidden = room.type === "direct";
  $("membership").textContent = isMember(room) ? "Leave" : "Join";
  $("copy-test").hidden = room.id === null;
}

drawWith(() => { drawHead(); drawPersons(); drawRooms(); });

for (const each of document.querySelectorAll(".views button")) {
  each.addEventListener("click", () => showView(each.dataset.shows));
}

$("copy-test").append(copyButton("Copy as a test", () => copyAsTest(currentRoom().id), announce, { class: "quiet" }));

$("membership").addEventListener("click", () => attempt(async () => {
  const room = currentRoom();
  model.roomId = room.id; // it stays open
  if (!isMember(room)) {
    await ask("join", { room: room.id, person: model.me });
    return;
  }
  const found = await (await api(`memberships?roomId=${encodeURIComponent(room.id)}&personId=${encodeURIComponent(myId())}`)).json();
  await api(`memberships/${encodeURIComponent(found.items[0].id)}`, { method: "DELETE" });
}));

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

function showNewRoom(isOpen) {
  $("new-room").hidden = !isOpen;
  $("open-new-room").setAttribute("aria-expanded", String(isOpen));
}

$("open-new-room").addEventListener("click", () => {
  showNewRoom($("new-room").hidden);
  if (!$("new-room").hidden) $("new-title").focus();
});

$("new-room").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    const room = await post("rooms", { title: $("new-title").value });
    await post("memberships", { roomId: room.id, personEmail: bot().email });
    $("new-title").value = "";
    showNewRoom(false);
    openRoom(room.id);
    showView("talk");
    $("message").focus();
  });
});
