// The calls of this moment: a card each, with the words as they are said.

import { html, useState } from "./vendor/preact-htm.js";
import { post } from "./api.js";
import { count, duration, milliseconds, money, outcome, words } from "./format.js";
import { useLive } from "./live.js";
import { LiveLines, Phase } from "./talk.js";

const SHOWN_LINES = 5;

export function LivePage() {
  const live = useLive();
  const calls = [...live.calls.values()];
  const going = calls.filter((each) => !each.over);
  const ended = calls.filter((each) => each.over).reverse();
  const waits = calls.flatMap((each) => each.latencies.map((turn) => turn.total_ms)).sort((a, b) => a - b);
  const median = waits[Math.max(0, Math.ceil(waits.length / 2) - 1)];
  return html`<header class="top"><h1>Live calls</h1></header>
    <dl class="tiles">
      <div class="tile"><dt>Live now</dt><dd>${count(going.length)}</dd></div>
      <div class="tile"><dt>Median wait</dt><dd>${milliseconds(median)}</dd></div>
      <div class="tile"><dt>Cost of these</dt><dd>${money(calls.reduce((sum, each) => sum + (each.known_usd ?? 0), 0))}</dd></div>
    </dl>
    ${live.fault && html`<p class="alert" role="alert">${live.fault.message}. ${live.fault.hint}</p>`}
    ${!going.length && !live.fault && html`<${Quiet} serving=${live.serving} />`}
    <div class="cards">${going.map((call) => html`<${Card} key=${call.call_id} call=${call} />`)}</div>
    ${ended.length > 0 && html`<h2>Just ended</h2>
      <ul class="ended">${ended.map((call) => html`<li key=${call.call_id}>
        <a href=${`#/calls/${encodeURIComponent(call.call_id)}`}>${call.other}</a>
        <span>${call.agent}</span><span>${outcome(call.outcome)}, ${words(call.reason)}</span><span>${duration(call.length)}</span>
      </li>`)}</ul>`}`;
}

function Quiet({ serving }) {
  return html`<div class="empty">
    <svg viewBox="0 0 120 40" aria-hidden="true"><path d="M2 20h20l6-8 8 16 8-22 8 28 8-18 6 4h52" /></svg>
    <p>${serving ? "Nobody is on the line." : "These are stored calls; live ones appear when a server on this machine takes them."}</p>
    ${serving && html`<p><a class="plain" href="#/softphone">Call an agent from here</a></p>`}
  </div>`;
}

function Card({ call }) {
  return html`<article class="card live" aria-label=${`Call with ${call.other}`}>
    <header>
      <h2><a href=${`#/calls/${encodeURIComponent(call.call_id)}`}>${call.other}</a></h2>
      <${Phase} phase=${call.phase} muted=${call.muted} />
    </header>
    <p class="meta">${call.agent} · ${call.direction === "outbound" ? "outgoing" : "incoming"}${call.carrier ? ` · ${call.carrier}` : ""}</p>
    <${LiveLines} lines=${call.growing.slice(-SHOWN_LINES)} />
    <footer>
      <span>${duration(call.length)}</span>
      <span title="What the caller waited for the last answer">${milliseconds(call.waited_ms)}</span>
      <span>${money(call.known_usd ?? 0)}</span>
      <${Orders} call=${call} />
    </footer>
  </article>`;
}

/** To hang up, which is asked twice, and to mute. */
export function Orders({ call }) {
  const [asks, setAsks] = useState(false);
  const [fault, setFault] = useState("");
  const order = (what, body) =>
    post(`/calls/${encodeURIComponent(call.call_id)}/${what}`, body).then(() => setFault(""), (error) => setFault(error.message));
  return html`<span class="orders">
    ${fault && html`<span class="fault" role="alert">${fault}</span>`}
    <button class="plain" aria-pressed=${Boolean(call.muted)} title="The agent hears silence in place of the caller" onClick=${() => order("mute", { muted: !call.muted })}>${call.muted ? "Unmute" : "Mute"}</button>
    ${asks
      ? html`<button class="plain danger" onClick=${() => (setAsks(false), order("hangup"))}>Yes, hang up</button>
          <button class="plain" onClick=${() => setAsks(false)}>No</button>`
      : html`<button class="plain" onClick=${() => setAsks(true)}>Hang up</button>`}
  </span>`;
}
