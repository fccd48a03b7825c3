// "New event": what happens in Webex and can't be done on the page, such as a meeting that ends.

import { ask, attempt } from "./calls.js";
import { openDialog } from "./dialogs.js";
import { $, button, el } from "./dom.js";
import { botWebhooks, currentRoom, model, nameOf } from "./model.js";
import { outcomeText } from "./sentences.js";

const OTHER = "";
const TYPED = ["messages", "attachmentActions"]; // what one writes and presses on the page
const form = { resource: null, event: null, owner: null, isForged: false, data: null, sample: null }; // as it was left

$("new-event").addEventListener("click", openForm);

function openForm() {
  form.owner ??= model.bot;
  if (form.resource === null) [form.resource, form.event] = watched();
  const outcome = el("p", { class: "problem", role: "status" });
  const say = (text) => { outcome.textContent = text; };
  const data = el("textarea", { "aria-label": "Data", spellcheck: "false" });
  data.value = form.data ?? "";
  data.addEventListener("input", () => { form.data = data.value; });

  const fill = async () => {
    const { resource, event, owner } = form;
    const found = await attempt(() => ask("sample", { resource, event, owner, person: model.me, room: currentRoom().id }), say);
    // What was typed stays, and an earlier choice gives way to a later one.
    if (!found || form.data !== form.sample || resource !== form.resource || event !== form.event || owner !== form.owner) return;
    form.data = form.sample = data.value = JSON.stringify(found.data, null, 2);
  };
  const event = choice("Event", () => {
    const known = model.events[form.resource] ?? [];
    const others = [...new Set(Object.values(model.events).flat())].filter((each) => !known.includes(each)).sort();
    return [["Documented", known], ["Others", others]];
  }, form.event, (value) => { form.event = value; fill(); });
  const resource = choice("Resource", () => [["Resources", Object.keys(model.events)]], form.resource, (value) => {
    form.resource = value;
    const known = model.events[value] ?? [];
    form.event = known.length && !known.includes(form.event) ? known[0] : form.event;
    event.choose(form.event);
    fill();
  });
  const humans = [...model.persons.values()].filter((each) => each.id !== model.bot);
  const owner = el("select", { onchange: () => { form.owner = owner.value; fill(); } }, el("option", { value: "" }, "By the data, else everybody"));
  owner.append(el("option", { value: model.bot }, `${nameOf(model.bot)}, the bot`), ...humans.map((each) => el("option", { value: each.id }, each.email)));
  owner.value = model.persons.has(form.owner) ? form.owner : "";
  const forged = el("input", { type: "checkbox", onchange: () => { form.isForged = forged.checked; } });
  forged.checked = form.isForged;

  const send = () => attempt(async () => {
    const content = parsed(data.value);
    go.disabled = true;
    say("Waiting for the bot…");
    try {
      const body = { resource: form.resource, event: form.event, data: content, isForged: form.isForged };
      const { deliveries } = await ask("emit", form.owner ? { ...body, owner: form.owner } : body);
      say(deliveries.length
        ? `${deliveries.length} ${deliveries.length === 1 ? "delivery" : "deliveries"}: ${deliveries.map((each) => outcomeText({ ...each, isForged: body.isForged })).join(", ")}`
        : "No active webhook watches this, so nobody was notified.");
    } catch (error) {
      say("");
      throw error;
    } finally {
      go.disabled = false;
    }
  }, say);
  const go = button("Send the event", send, { class: "send" });
  const another = button("Another sample", () => { form.sample = form.data; fill(); });
  openDialog(
    "New event",
    el("div", { class: "event-form" }, resource.element, event.element, el("label", { class: "field" }, el("span", {}, "Owner"), owner)),
    el("label", { class: "field" }, el("span", {}, "Data, by the keys on the wire"), data),
    el("label", { class: "check" }, forged, "Sign wrongly, as a stranger would"),
    outcome,
    el("div", { class: "buttons" }, go, another),
  );
  fill();
}

/** What a webhook of the bot watches, rather what can't be done on the page. */
function watched() {
  const hooks = botWebhooks().filter(({ resource }) => model.events[resource]);
  const { resource, event } = hooks.find((each) => !TYPED.includes(each.resource)) ?? hooks[0] ?? { resource: "meetings", event: "started" };
  return [resource, model.events[resource].includes(event) ? event : model.events[resource][0]];
}

function parsed(text) {
  let content;
  try {
    content = JSON.parse(text || "{}");
  } catch (error) {
    throw new Error(`The data isn't JSON: ${error.message}`);
  }
  if (Object(content) !== content || Array.isArray(content)) throw new Error("The data must be a JSON object.");
  return content;
}

/** A choice of words, or another one that is typed. */
function choice(label, groups, value, chosen) {
  const select = el("select", {});
  const word = el("input", { "aria-label": `${label}: another word`, hidden: true, required: true });
  const choose = (to) => {
    select.replaceChildren(
      ...groups().filter(([, words]) => words.length).map(([title, words]) => el("optgroup", { label: title }, ...words.map((each) => el("option", { value: each }, each)))),
      el("option", { value: OTHER }, "Another word…"),
    );
    const isKnown = [...select.options].some((each) => each.value === to);
    select.value = isKnown ? to : OTHER;
    word.value = isKnown ? "" : to;
    word.hidden = isKnown;
  };
  select.addEventListener("change", () => {
    word.hidden = select.value !== OTHER;
    if (word.hidden) chosen(select.value);
    else word.focus();
  });
  word.addEventListener("change", () => chosen(word.value.trim()));
  choose(value);
  return { choose, element: el("div", { class: "field" }, el("label", { class: "field" }, el("span", {}, label), select), word) };
}
