// What a request or a delivery is about: who did what, in words, and to which messages it belongs.

import { brief, statusText } from "./dom.js";
import { bot, model, named, nameOf, ownerOf, person, titleOf } from "./model.js";

const UNAUTHORIZED = 401;

const NOUNS = {
  "attachment/actions": "a submission", contents: "a file", memberships: "a membership", messages: "a message",
  people: "a person", rooms: "a room", "team/memberships": "a membership of a team", teams: "a team", webhooks: "a webhook",
};
const VERBS = { GET: "read", HEAD: "looked at", POST: "created", PUT: "changed", PATCH: "changed", DELETE: "deleted" };

/** The document in a body; null where it isn't one, or was cut. */
export function jsonOf(body) {
  try {
    const document = JSON.parse(body);
    return Object(document) === document ? document : null;
  } catch {
    return null;
  }
}

/** What a message says, without the mention of the bot that it begins with. */
export function quoted(message) {
  if (!message) return "";
  const text = String(message.text || message.markdown || "");
  const name = message.mentionedPeople?.includes(model.bot) ? bot().displayName : "";
  return brief(text.startsWith(name) ? text.slice(name.length) : text) || (message.attachments ? "a card" : "a file");
}
const about = (what, message) => (message ? `${what}: ${quoted(message)}` : what);

/** Whether a handler has failed, and hasn't worked since; one that is put off has no error. */
export const isFailure = ({ error, hasWorked }) => Boolean(error) && !hasWorked;

/** An error of a handler, with what follows. */
export const failureIn = ({ error, then }) => [error, then].filter(Boolean).join(", ");

/** Why a delivery failed and what to do, or what its handler raised; null where all is well. */
export function problemOf({ reason, handlerError: own, key, isForged, statusCode }) {
  if (isForged) return statusCode === UNAUTHORIZED ? null : "It was signed wrongly, and not refused with 401";
  const outcome = model.outcomes.get(key);
  const handlerError = own || (outcome && isFailure(outcome) ? failureIn(outcome) : null);
  const raised = handlerError && `Your bot's handler failed: ${handlerError}`;
  return reason && raised ? `${reason}. ${raised}` : reason || raised || null;
}

/** How the bot took a delivery, in words. */
export const outcomeText = (outcome) => problemOf(outcome) ?? `${statusText(outcome.statusCode)}${outcome.isForged ? ": refused, as it should" : ""}`;

/** What a delivery notifies of, and the messages that it is about. */
export function ofDelivery(delivery) {
  const data = jsonOf(delivery.body)?.data ?? {};
  const of = new Set([delivery.about]);
  const who = data.personId ? nameOf(data.personId) : null;
  const room = model.rooms.get(data.roomId);
  const where = room && room.type !== "direct" ? titleOf(room) : "a direct room";
  const message = model.messages.get(delivery.about);
  const what = {
    "messages created": () => `${who}: ${quoted(message) || "a message that isn't here"}`,
    "messages deleted": () => `${who} deleted a message`,
    "attachmentActions created": () => `${who} pressed ${pressed(data.id) ?? "a button"}`,
    "memberships created": () => `${who} joined ${where}`,
    "memberships deleted": () => `${who} left ${where}`,
    "rooms created": () => `The room ${titleOf(room ?? data)} was created`,
    "rooms updated": () => `The room ${titleOf(room ?? data)} was changed`,
  }[who === null && !data.title ? "" : `${delivery.resource} ${delivery.event}`];
  const title = data.title ?? data.topic ?? data.meetingTopic ?? data.displayName;
  return { of, sentence: what ? what() : `${delivery.resource} ${delivery.event}${title ? `: ${brief(title)}` : ""}` };
}

/** The title of the button that was pressed, as far as what was submitted says it. */
function pressed(actionId) {
  const { inputs, messageId } = model.actions.get(actionId) ?? {};
  const buttons = [];
  const look = (part) => {
    if (Object(part) !== part) return;
    if (part.type === "Action.Submit") buttons.push(part);
    Object.values(part).forEach(look);
  };
  look(model.messages.get(messageId)?.attachments);
  const fits = buttons.filter(({ data }) => Object.entries(Object(data)).every(([key, value]) => JSON.stringify(inputs?.[key]) === JSON.stringify(value)));
  return fits.length === 1 || (fits.length && fits.every((each) => each.title === fits[0].title)) ? fits[0].title : null;
}

/** What a request asks for, and the messages that it is about. */
export function ofRequest(request) {
  const caller = request.person === null ? bot() : person(request.person);
  const who = request.person === null ? "The bot" : caller ? nameOf(caller.id) : request.person;
  const [, collection = "", id = null] = /^\/v1\/((?:attachment\/|team\/|telephony\/)?[^/]+)(?:\/([^/]+))?$/.exec(request.path) ?? [];
  const sent = jsonOf(request.body) ?? {};
  const received = jsonOf(request.response) ?? {};
  const of = new Set([id, received.id].filter(Boolean));
  const say = (what) => ({ of, sentence: `${who} ${what}` });
  const at = `${request.method} ${collection}`;
  const verb = VERBS[request.method] ?? request.method;
  if (at === "POST messages") {
    const message = model.messages.get(received.id) ?? { ...sent, ...received };
    const answered = repliedTo(message, caller);
    if (answered) of.add(answered.id);
    const room = model.rooms.get(message.roomId);
    const whom = answered ? ` to ${named(answered.personId)}` : room && room.type !== "direct" ? ` to ${titleOf(room)}` : "";
    const [done, failed] = answered ? ["replied", "couldn't reply"] : ["wrote", "couldn't write"];
    return say(about((request.statusCode === 200 ? done : failed) + whom, message));
  }
  if (collection === "messages" && id && id !== "direct") {
    const message = model.messages.get(id);
    const whose = !message ? "a message" : message.personId === caller?.id ? "its message" : `${ownerOf(message.personId)} message`;
    return say(about(`${verb} ${whose}`, message));
  }
  if (at === "GET attachment/actions") {
    const action = model.actions.get(id);
    if (action) of.add(action.messageId);
    return say(`read what ${action ? named(action.personId) : "somebody"} submitted`);
  }
  if (at === "GET people" && id === "me") return say("asked who it is");
  if (at === "POST access_token") return say("asked for an access token");
  if (collection === "webhooks" && (id || request.method === "POST")) {
    return say(`${verb} the webhook ${brief(received.name ?? sent.name ?? model.webhooks.find((each) => each.id === id)?.name ?? "")}`.trim());
  }
  if (id || request.method !== "GET") {
    const name = brief(received.displayName ?? received.title ?? "");
    return say(`${verb} ${NOUNS[collection] ?? collection}${name && `: ${name}`}`);
  }
  return say(collection ? `listed ${collection}` : `asked for ${request.path}`);
}

/** Whose message a message replies to: the thread's, else the last one of somebody else in the room. */
function repliedTo(message, author) {
  const parent = model.messages.get(message.parentId);
  if (parent && parent.personId !== author?.id) return parent;
  let last = null;
  for (const each of model.messages.values()) {
    if (each.id === message.id) break;
    if (each.roomId === message.roomId) last = each.personId === author?.id ? last : each;
  }
  return last;
}
