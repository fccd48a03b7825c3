// When the page is drawn: once for all the changes that arrive together.

import { model } from "./model.js";

const drawings = [];
let isScheduled = false;

/** Let a part of the page draw itself after each change. */
export const drawWith = (draw) => drawings.push(draw);

export function schedule() {
  if (isScheduled) return;
  isScheduled = true;
  const draw = () => {
    isScheduled = false;
    if (model.bot !== null) drawings.forEach((each) => each());
  };
  // A page in the background draws no frames.
  document.hidden ? setTimeout(draw, 100) : requestAnimationFrame(draw);
}
