// Cards without the renderer: texts, facts, inputs with their labels, and buttons, without their looks.

import { button, el, link, safeUrl, showWhole } from "./dom.js";
import { markdown } from "./markup.js";

export function plainCard(content, submit) {
  const scope = el("div", { class: "plain-card scope" });
  plainParts(content, [scope], submit);
  return scope;
}

/** Draw a card into the last of the scopes: that of its inputs, after those of the cards around it. */
function plainParts(card, scopes, submit) {
  scopes.at(-1).append(
    ...(card.body ?? []).flatMap((each) => plainPart(each, scopes, submit)),
    ...plainActions(card.actions, scopes, submit),
  );
}

function plainActions(actions, scopes, submit) {
  if (!Array.isArray(actions) || !actions.length) return [];
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
      row.append(button(title, press, { class: action.style === "positive" && "positive" }));
    } else if (action.type === "Action.ShowCard") {
      plainParts(action.card ?? {}, [...scopes, inner], submit);
      const show = button(title, () => {
        inner.hidden = !inner.hidden;
        show.setAttribute("aria-expanded", String(!inner.hidden));
        if (!inner.hidden) showWhole(inner);
      }, { "aria-expanded": "false" });
      row.append(show);
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

function plainPart(part, scopes, submit) {
  if (Object(part) !== part || part.isVisible === false) return [];
  const inside = (list) => (Array.isArray(list) ? list.flatMap((each) => plainPart(each, scopes, submit)) : []);
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
      return plainActions(part.actions, scopes, submit);
    default:
      return /^Input\./.test(part.type) ? [plainInput(part)] : [el("pre", {}, JSON.stringify(part, null, 2))];
  }
}

function plainInput(part) {
  const id = String(part.id ?? "");
  const label = String(part.label ?? part.placeholder ?? part.title ?? id) + (part.isRequired ? " *" : "");
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
