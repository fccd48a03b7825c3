// A dialog over the page; the browser keeps the focus in it, and Escape closes it.

import { button, el } from "./dom.js";

/** Open a dialog; when it is closed it is gone, and the focus is where it was. */
export function openDialog(title, ...children) {
  const close = button("Close", () => dialog.close(), { class: "quiet" });
  const dialog = el(
    "dialog", { "aria-labelledby": "dialog-title" },
    el("div", { class: "heading" }, el("h2", { id: "dialog-title" }, title), close),
    ...children,
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
