// The cards of messages: each is shown, submitted, and opened as JSON.

import { attempt, post } from "./calls.js";
import { editCard } from "./card-editor.js";
import { drawCard } from "./card-rendering.js";
import { button, el } from "./dom.js";

/** A card of a message, with a button that opens its JSON; `drawn` is called when it has its height. */
export function cardOf(message, attachment, drawn) {
  const content = el("div", {}, el("p", { class: "hint" }, "Loading the card…"));
  const done = el("p", { class: "done", role: "status" });
  const edit = button("{ }", () => editCard(message, attachment), { class: "quiet edit", "aria-label": "Edit the card as JSON", title: "Edit the card as JSON" });
  const remarks = message.remarks.map((each) => el("p", { class: "remark" }, each));
  const card = el("div", { class: "card", role: "group", "aria-label": "Card" }, content, ...remarks, el("div", { class: "foot" }, done, edit));
  const submit = async (inputs) => {
    done.textContent = "";
    const action = { type: "submit", messageId: message.id, inputs };
    if (await attempt(() => post("attachment/actions", action))) done.textContent = "Submitted";
  };
  drawCard(attachment, submit).then(({ problem, element }) => {
    card.classList.toggle("broken", problem !== null);
    content.replaceChildren(...(problem === null ? [element] : brokenCard(attachment, problem)));
    drawn();
  });
  return card;
}

const brokenCard = (attachment, reason) => [
  el("p", { class: "outcome" }, `This card can't be shown: ${reason}`),
  el("pre", { tabindex: "0", role: "region", "aria-label": "The card as JSON" }, JSON.stringify(attachment, null, 2)),
];
