import type { Connection, ConnectionState } from "emerge-client";
import { el } from "./dom.js";

const WORDS: Readonly<Record<ConnectionState, string>> = {
  connecting: "Connecting …",
  open: "Connected",
  offline: "Offline, trying again …",
  resuming: "Resuming …",
  closed: "Disconnected",
};

/** Shows how the connection stands, for as long as the page lives. */
export function indicator(host: HTMLElement): { show: (state: ConnectionState) => void; follow: (connection: Connection) => void } {
  const word = el("span", { class: "state-word" });
  host.replaceChildren(el("span", { class: "state-dot", attrs: { "aria-hidden": "true" } }), word);
  host.setAttribute("role", "status");
  const show = (state: ConnectionState): void => {
    host.dataset["state"] = state;
    word.textContent = WORDS[state];
  };
  return {
    show,
    follow: (connection) => {
      show(connection.state);
      connection.onState(show);
    },
  };
}
