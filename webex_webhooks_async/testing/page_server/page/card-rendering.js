// A card as Microsoft's renderer shows it, which is loaded with the first one, or else as a plain form.

import { el, safeUrl, showWhole } from "./dom.js";
import { markdown } from "./markup.js";
import { plainCard } from "./plain-card.js";

const RENDERER_PATIENCE = 4000; // milliseconds
const CARD_TYPE = "application/vnd.microsoft.card.adaptive";

/** The element of a card, or why it can't be shown. */
export async function drawCard(attachment, submit) {
  const problem = problemOfCard(attachment);
  if (problem) return { problem };
  const library = await loadRenderer();
  try {
    const content = withoutForeignLinks(attachment.content);
    return { problem: null, element: library ? rendered(library, content, submit) : plainCard(content, submit) };
  } catch (error) {
    return { problem: error.message };
  }
}

export const attachmentOf = (content) => ({ contentType: CARD_TYPE, content });

export function problemOfCard(attachment) {
  const isObject = (each) => typeof each === "object" && each !== null && !Array.isArray(each);
  const card = attachment?.content;
  if (attachment?.contentType !== CARD_TYPE) return `contentType must be ${CARD_TYPE}, got ${JSON.stringify(attachment?.contentType)}`;
  if (!isObject(card)) return "content must be an object";
  if (card.type !== "AdaptiveCard") return `type must be "AdaptiveCard", got ${JSON.stringify(card.type)}`;
  if (typeof card.version !== "string" || !card.version) return "it has no version, such as \"1.3\"";
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
  card.onInlineCardExpanded = (action, isExpanded) => {
    if (isExpanded) showWhole(action.card.renderedElement);
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
