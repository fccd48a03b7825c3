// Calls of the private endpoint, which records nothing and meets no fault; and what is said when one fails.

import { $, statusText } from "./dom.js";
import { model } from "./model.js";

const asJson = (body) => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
});

async function call(path, options) {
  const response = await fetch(`sandbox/${path}`, options);
  if (!response.ok) throw new Error(await reasonOf(response));
  return response;
}

/** Call the API of Webex, as the present person or with another token. */
export const api = (path, options = {}, token = `person:${model.me}`) => call(`v1/${path}`, {
  ...options,
  headers: { Authorization: `Bearer ${token}`, ...options.headers },
});

export const post = async (path, body, token) => (await api(path, asJson(body), token)).json();

/** Ask what Webex has no way to ask. */
export const ask = async (name, body) => (await call(name, asJson(body))).json();

async function reasonOf(response) {
  const body = await response.json().catch(() => ({}));
  return body.message ?? statusText(response.status);
}

/** Do something for the user, and show why it fails. */
export async function attempt(action, show = announce) {
  show("");
  try {
    return await action();
  } catch (error) {
    const isGone = error instanceof TypeError && !document.querySelector("#connection.live");
    show(isGone ? "The sandbox doesn't respond: start it again." : error.message);
    return undefined;
  }
}

/** Show an error above the message that is written; nothing hides it. */
export function announce(text) {
  $("error").textContent = text;
  $("error").hidden = text === "";
}
