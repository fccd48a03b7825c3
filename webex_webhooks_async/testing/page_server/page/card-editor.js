// The JSON of a card, to change it and to send it into the room as the bot.

import { attempt, post } from "./calls.js";
import { attachmentOf, drawCard, problemOfCard } from "./card-rendering.js";
import { button, el } from "./dom.js";
import { openDialog } from "./dialogs.js";

const PAUSE = 250; // milliseconds after the last key
const KEPT = 20;

const drafts = new Map(); // what was typed and isn't sent yet, by the id of the message

/** Open the JSON of a card; what is typed is shown beside it. */
export function editCard(message, attachment) {
  const text = el("textarea", { "aria-label": "The card as JSON", spellcheck: "false", "aria-describedby": "card-problem", autofocus: true });
  const problem = el("p", { class: "problem", id: "card-problem", role: "status" });
  const preview = el("div", { class: "card", role: "group", "aria-label": "Preview" });
  const original = JSON.stringify(attachment?.content ?? attachment, null, 2);
  text.value = drafts.get(message.id) ?? original;

  const say = (reason) => {
    problem.textContent = reason ?? "";
    text.setAttribute("aria-invalid", String(Boolean(reason)));
  };
  let latest = "";
  const show = async () => {
    const shown = latest = text.value;
    const { card, reason } = parsed(shown);
    const drawn = reason ? { problem: reason } : await drawCard(card, () => say("Send it, then press its buttons in the conversation."));
    if (shown !== latest) return; // it was changed meanwhile
    say(drawn.problem);
    if (!drawn.problem) preview.replaceChildren(drawn.element);
  };
  let timer;
  text.addEventListener("input", () => {
    drafts.set(message.id, text.value);
    if (drafts.size > KEPT) drafts.delete(drafts.keys().next().value);
    clearTimeout(timer);
    timer = setTimeout(show, PAUSE);
  });
  const undo = () => { drafts.delete(message.id); text.value = original; text.focus(); show(); };

  const send = async () => {
    const { card, reason } = parsed(text.value);
    if (reason) { say(reason); text.focus(); return; }
    const fields = { roomId: message.roomId, text: message.text || "A card", attachments: [card] };
    if (!await attempt(() => post("messages", fields, "the-bot"), say)) return;
    drafts.delete(message.id);
    dialog.close();
  };
  const dialog = openDialog(
    "Edit the card",
    el("div", { class: "editor" }, text, preview), problem,
    el("div", { class: "buttons" }, button("Send as the bot", send, { class: "send" }), button("Undo the changes", undo)),
  );
  text.setSelectionRange(0, 0);
  text.scrollTop = 0;
  show();
}

function parsed(text) {
  let content;
  try {
    content = JSON.parse(text);
  } catch (error) {
    return { reason: `This isn't JSON: ${error.message}` };
  }
  const card = attachmentOf(content);
  const problem = problemOfCard(card);
  return problem ? { reason: `This isn't a card: ${problem}` } : { card };
}
