// What the sandbox holds, as far as the page shows it, and who one is.

const ME = "you@example.com";
const MY_NAME = "You"; // what the sandbox calls that address
const KEPT_MESSAGES = 1000;
const SHOWN_ROOMS = 300;

export const model = {
  sandbox: null,
  bot: null,
  persons: new Map(),
  rooms: new Map(),
  messages: new Map(),
  actions: new Map(), // what was submitted
  webhooks: [],
  hint: null, // why the bot isn't notified
  events: {}, // of each resource
  outcomes: new Map(), // how handlers of the program failed, by the key of the notification
  waiting: [], // what the inbox of the program holds
  program: "", // why the program of `webex-webhooks dev` doesn't run
  me: remembered("person") || ME,
  roomId: remembered("room"),
  unread: new Set(),
};

export function remembered(key) {
  try { return sessionStorage.getItem(`sandbox.${key}`); } catch { return null; }
}

export function remember(key, value) {
  try { sessionStorage.setItem(`sandbox.${key}`, value ?? ""); } catch { /* it is only a convenience */ }
}

const byId = (items) => new Map(items.map((each) => [each.id, each]));

/** The message that is shown already, if it is the same: what someone has typed into its card stays. */
function asBefore(message) {
  const known = model.messages.get(message.id);
  return JSON.stringify(known) === JSON.stringify(message) ? known : message;
}

function keep(map, id, item) {
  map.set(id, item);
  if (map.size > KEPT_MESSAGES) map.delete(map.keys().next().value);
}

/** How each kind of event changes what is held. */
export const changes = {
  state(state) {
    if (model.sandbox !== state.sandbox) model.messages.clear();
    model.sandbox = state.sandbox;
    model.bot = state.bot;
    model.persons = byId(state.persons);
    model.rooms = byId(state.rooms);
    model.messages = byId(state.messages.map((each) => asBefore({ ...each, remarks: state.remarks[each.id] ?? [] })));
    model.actions = byId(state.actions);
    model.webhooks = state.webhooks;
    model.hint = state.hint;
    model.events = state.events;
    model.program = state.program;
    model.waiting = state.waiting;
    model.outcomes = new Map(state.outcomes.map((each) => [each.key, each]));
  },
  room({ room, persons }) {
    model.rooms.set(room.id, room);
    persons.forEach((each) => model.persons.set(each.id, each));
  },
  webhooks({ webhooks }) { model.webhooks = webhooks; },
  hint({ hint }) { model.hint = hint; },
  message({ message, remarks }) {
    const isNew = !model.messages.has(message.id);
    keep(model.messages, message.id, { ...message, remarks });
    if (isNew && message.roomId !== currentRoom().id) model.unread.add(message.roomId);
  },
  action({ action }) { keep(model.actions, action.id, action); },
  removed({ id }) { model.messages.delete(id); model.rooms.delete(id); },
  outcome({ outcome }) {
    model.outcomes.delete(outcome.key);
    keep(model.outcomes, outcome.key, outcome);
  },
  waiting({ waiting }) { model.waiting = waiting; },
  program({ text }) { model.program = text; },
};

export const person = (email) => [...model.persons.values()].find((each) => each.email.toLowerCase() === email.toLowerCase());
export const myId = () => person(model.me)?.id;
export const bot = () => model.persons.get(model.bot);
export const botWebhooks = () => model.webhooks.filter((each) => each.createdBy === model.bot);

/** A person's name. Whom the sandbox calls "You" is called so only as long as one is that person. */
export function nameOf(id) {
  const found = model.persons.get(id);
  if (!found) return "Somebody";
  return found.displayName === MY_NAME && id !== myId() ? found.email : found.displayName;
}

/** How a sentence names a person, and what is theirs. */
export const named = (id) => (id === myId() ? "you" : nameOf(id));
export const ownerOf = (id) => (id === myId() ? "your" : `${nameOf(id)}'s`);

/** My rooms, the one with the bot first, and then the group rooms that I can join. */
export function rooms() {
  const all = [...model.rooms.values()];
  const mine = all.filter(isMember);
  const withBot = mine.filter((room) => isWithBot(room));
  const others = all.filter((room) => room.type !== "direct" && !isMember(room));
  const direct = withBot.length ? withBot : [{ id: null, type: "direct", members: [model.bot] }];
  return [...direct, ...mine.filter((room) => !isWithBot(room)), ...others].slice(0, SHOWN_ROOMS);
}

export const isWithBot = (room) => room.type === "direct" && room.members.includes(model.bot);
export const isMember = (room) => room.id === null || room.members.includes(myId());

export function currentRoom() {
  const shown = rooms();
  return shown.find((room) => room.id === model.roomId) ?? shown[0];
}

export function titleOf(room) {
  if (room.type !== "direct") return room.title || "Untitled room";
  return nameOf(room.members.find((id) => id !== myId()) ?? model.bot);
}
