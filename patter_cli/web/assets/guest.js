// The page an invitation leads to: the softphone, for one call. What it may do stands behind the # of its address.

import { html, render } from "./vendor/preact-htm.js";
import { Handset } from "./softphone.js";

/** What a ticket says of itself; whether that is true only the server can tell. */
function readTicket(text) {
  try {
    const body = text.split(".")[0].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(body), (each) => each.charCodeAt(0));
    const facts = JSON.parse(new TextDecoder().decode(bytes));
    return { agent: String(facts.agent), call: String(facts.carrier_call_id), expires: Number(facts.expires_at_s) };
  } catch {
    return null;
  }
}

const text = location.hash.slice(1);
const ticket = readTicket(text);
const late = ticket && Date.now() / 1000 > ticket.expires;

function Guest() {
  if (!ticket || late) {
    return html`<main class="lonely"><h1>${late ? "This invitation has expired" : "This is no invitation"}</h1>
      <p>Ask whoever sent it for another link.</p></main>`;
  }
  const path = `/ws/browser/stream/${encodeURIComponent(text)}`;
  return html`<main><h1 class="clamped" dir="auto" title=${ticket.agent}>Call ${ticket.agent}</h1>
    <p class="hint">You will talk with an automated agent. This link is good for one call.</p>
    <${Handset} agent=${ticket.agent} once ticket=${async () => ({ path, call: ticket.call })} /></main>`;
}

const root = document.getElementById("app");
root.replaceChildren();
render(html`<${Guest} />`, root);
