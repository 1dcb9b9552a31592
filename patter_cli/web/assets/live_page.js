// The calls of this moment: a card each, with the words as they are said; of many, the rest as a list.

import { html, useState } from "./vendor/preact-htm.js";
import { Alert, post } from "./api.js";
import { count, duration, ending, milliseconds, money, outcome } from "./format.js";
import { useLive } from "./live.js";
import { LiveLines, Phase } from "./talk.js";

const SHOWN_LINES = 5;
const CARDS = 12; // more than fit a screen
const SEARCHED = 6; // from so many calls on, one is looked for

export function LivePage() {
  const live = useLive();
  const [text, setText] = useState("");
  const calls = [...live.calls.values()];
  const going = calls.filter((each) => !each.over);
  const ended = calls.filter((each) => each.over).reverse();
  const waits = calls.flatMap((each) => each.latencies.map((turn) => turn.total_ms)).sort((a, b) => a - b);
  const median = waits[Math.max(0, Math.ceil(waits.length / 2) - 1)];
  const searched = going.length > SEARCHED || text;
  const found = going.filter((each) => !text || each.has(text.toLowerCase()));
  return html`<header class="top"><h1>Live calls</h1>
      ${searched && html`<label class="field">Find<input type="search" placeholder="number, agent, words" value=${text} onInput=${(event) => setText(event.target.value)} /></label>`}
    </header>
    <dl class="tiles">
      <div class="tile"><dt>Live now</dt><dd>${count(going.length)}</dd></div>
      <div class="tile"><dt>Median wait</dt><dd>${milliseconds(median)}</dd></div>
      <div class="tile"><dt>Cost of these</dt><dd>${money(calls.reduce((sum, each) => sum + (each.known_usd ?? 0), 0))}</dd></div>
    </dl>
    <${Alert} fault=${live.fault} />
    ${!going.length && !live.fault && html`<${Quiet} serving=${live.serving} />`}
    ${going.length > 0 && !found.length && html`<div class="empty"><p>No call that goes on fits that.</p></div>`}
    <div class="cards">${found.slice(0, CARDS).map((call) => html`<${Card} key=${call.call_id} call=${call} serving=${live.serving} />`)}</div>
    ${found.length > CARDS && html`<h2>${count(found.length - CARDS)} more</h2><${Rest} calls=${found.slice(CARDS)} />`}
    ${ended.length > 0 && html`<h2>Just ended</h2>
      <ul class="ended">${ended.map((call) => html`<li key=${call.call_id}>
        <a class="clamped" href=${page(call)} dir="auto">${call.other}</a>
        <span class="clamped" dir="auto">${call.agent}</span><span>${[outcome(call.outcome), ending(call.reason)].filter(Boolean).join(", ")}</span><span>${duration(call.length)}</span>
      </li>`)}</ul>`}`;
}

const page = (call) => `#/calls/${encodeURIComponent(call.call_id)}`;

function Quiet({ serving }) {
  return html`<div class="empty">
    <svg viewBox="0 0 120 40" aria-hidden="true"><path d="M2 20h20l6-8 8 16 8-22 8 28 8-18 6 4h52" /></svg>
    <p>${serving ? "Nobody is on the line." : "These are stored calls; live ones appear when a server on this machine takes them."}</p>
    ${serving && html`<p><a class="plain" href="#/softphone">Call an agent from here</a></p>`}
  </div>`;
}

function Card({ call, serving }) {
  return html`<article class="card live" aria-label=${`Call with ${call.other}`}>
    <header>
      <h2><a class="clamped" href=${page(call)} dir="auto" title=${call.other}>${call.other}</a></h2>
      <${Phase} phase=${call.phase} muted=${call.muted} />
    </header>
    <p class="meta clamped"><bdi>${call.agent}</bdi> · ${call.direction === "outbound" ? "outgoing" : "incoming"}${call.carrier ? ` · ${call.carrier}` : ""}</p>
    <${LiveLines} lines=${call.growing.slice(-SHOWN_LINES)} aloud=${false} />
    <footer>
      <span>${duration(call.length)}</span>
      <span title="What the caller waited for the last answer">${milliseconds(call.waited_ms)}</span>
      <span>${money(call.known_usd ?? 0)}</span>
      ${serving && html`<${Orders} call=${call} />`}
    </footer>
  </article>`;
}

/** Calls for which there is no card: a line each. */
function Rest({ calls }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="More live calls"><table class="calls rest">
    <thead><tr><th scope="col">With</th><th scope="col">Agent</th><th scope="col">Now</th><th scope="col">Last said</th><th scope="col" class="number">Length</th><th scope="col" class="number">Wait</th></tr></thead>
    <tbody>${calls.map((call) => html`<tr key=${call.call_id}>
      <th scope="row"><a class="clamped" href=${page(call)} dir="auto" title=${call.other}>${call.other}</a></th>
      <td><span class="clamped" dir="auto">${call.agent}</span></td>
      <td><${Phase} phase=${call.phase} muted=${call.muted} /></td>
      <td><span class="clamped" dir="auto">${call.lines.at(-1)?.text ?? ""}</span></td>
      <td class="number">${duration(call.length)}</td>
      <td class="number">${milliseconds(call.waited_ms)}</td>
    </tr>`)}</tbody></table></div>`;
}

/** To hang up, which is asked twice, and to mute. */
export function Orders({ call }) {
  const [asks, setAsks] = useState(false);
  const [fault, setFault] = useState("");
  const order = (what, body) =>
    post(`/calls/${encodeURIComponent(call.call_id)}/${what}`, body).then(() => setFault(""), (error) => setFault(error.message));
  return html`<span class="orders">
    ${fault && html`<span class="fault" role="alert">${fault}</span>`}
    <button class="plain" aria-pressed=${Boolean(call.muted)} title="The agent hears silence in place of the caller" onClick=${() => order("mute", { muted: !call.muted })}>${call.muted ? "Unmute caller" : "Mute caller"}</button>
    ${asks
      ? html`<button class="plain danger" onClick=${() => (setAsks(false), order("hangup"))}>Yes, hang up</button>
          <button class="plain" onClick=${() => setAsks(false)}>No</button>`
      : html`<button class="plain" onClick=${() => setAsks(true)}>Hang up</button>`}
  </span>`;
}
