// The page of the sandbox: what people see and do, live. It has no dependency but the renderer of cards.
//
// model.js is what the sandbox holds; calls.js asks it for something. Each part of the page draws
// itself (drawing.js): rooms.js, conversation.js with cards.js, traffic.js; event-form.js opens a dialog.

import { announce } from "./calls.js";
import "./conversation.js";
import { $ } from "./dom.js";
import { schedule } from "./drawing.js";
import "./event-form.js";
import { changes, model } from "./model.js";
import { openRoom } from "./rooms.js";
import "./waiting.js";
import { addDelivery, addOutcome, addRequest, forgetTraffic } from "./traffic.js";

const RECONNECT = 1000; // milliseconds

function connect() {
  const source = new EventSource("sandbox/events");
  source.onmessage = (event) => receive(JSON.parse(event.data));
  source.onerror = () => {
    source.close();
    $("connection").textContent = "The sandbox has ended; waiting for it to start again";
    $("connection").classList.remove("live");
    setTimeout(connect, RECONNECT);
  };
}

function receive(event) {
  $("connection").textContent = "Connected";
  $("connection").classList.add("live");
  const isAnother = event.kind === "state" && event.sandbox !== model.sandbox;
  if (isAnother) {
    announce(model.sandbox === null ? "" : "The sandbox has started again, and has forgotten everything.");
    forgetTraffic();
  }
  changes[event.kind]?.(event);
  if (event.kind === "request") addRequest(event.request);
  if (event.kind === "delivery") addDelivery(event.delivery);
  if (event.kind === "outcome") addOutcome(event.outcome);
  if (event.kind === "state") {
    event.requests.forEach(addRequest);
    event.deliveries.forEach(addDelivery);
    event.outcomes.forEach(addOutcome);
    $("send").disabled = false;
    if (isAnother) openRoom(model.roomId);
  }
  schedule();
}

connect();
