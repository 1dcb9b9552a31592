// The softphone as it is drawn: a button that calls, then keypad, mute, what is said and what is waited for.

import { html, useEffect, useMemo, useState } from "./vendor/preact-htm.js";
import { Alert, get, post, useAnswer } from "./api.js";
import { duration } from "./format.js";
import { ASKING, CALLING, ENDED, IDLE, Phone, TALKING } from "./phone.js";
import { LiveLines, Phase, useSeconds, Waits } from "./talk.js";

const KEYS = [
  ["1", ""], ["2", "ABC"], ["3", "DEF"], ["4", "GHI"], ["5", "JKL"], ["6", "MNO"],
  ["7", "PQRS"], ["8", "TUV"], ["9", "WXYZ"], ["*", ""], ["0", "+"], ["#", ""],
];

const SAYS = {
  [IDLE]: "Ready to call",
  [ASKING]: "Your browser asks for the microphone …",
  [CALLING]: "Connecting …",
  [TALKING]: "In a call",
  [ENDED]: "The call is over",
};

/** The handset. ticket: makes a call's ticket; agent: whom it calls. once: there will be no second call. */
export function Handset({ agent, ticket, once = false }) {
  const [view, setView] = useState(null);
  const phone = useMemo(() => new Phone(setView), []);
  const shown = view ?? phone.view;
  const talking = shown.state === TALKING;
  const seconds = useSeconds(shown.began, talking);
  useEffect(() => () => phone.busy && phone.hangUp(), []);
  useEffect(() => {
    const press = (event) => {
      const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
      if (talking && !typing && !event.ctrlKey && !event.metaKey && !event.altKey && /^[0-9*#]$/.test(event.key)) {
        phone.press(event.key);
      }
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [talking]);
  const told = shown.told;
  const over = shown.state === ENDED;
  return html`<div class="handset">
    <section class="card dial" aria-label="Softphone">
      <p class="callee clamped" dir="auto" title=${agent}>${agent || "No agent"}</p>
      <p class="status" role="status">${shown.fault || (talking && told ? html`<${Phase} phase=${told.phase} />` : SAYS[shown.state])}</p>
      <p class="clock">${talking || over ? duration(seconds) : " "}</p>
      <div class="meters" aria-hidden="true">
        <span class="meter near"><i style=${{ width: `${Math.min(100, shown.near * 140)}%` }}></i></span>
        <span class="meter far"><i style=${{ width: `${Math.min(100, shown.far * 140)}%` }}></i></span>
      </div>
      <div class="actions">
        ${phone.busy
          ? html`<button class="round" aria-pressed=${shown.muted} disabled=${!talking} onClick=${() => phone.mute(!shown.muted)}>${shown.muted ? "Unmute" : "Mute"}</button>
              <button class="round hang" onClick=${() => phone.hangUp()}>Hang up</button>`
          : html`<button class="round call" disabled=${!agent || (once && over)} onClick=${() => phone.call(ticket)}>${over && !once ? "Call again" : "Call"}</button>`}
      </div>
      <div class="keypad" role="group" aria-label="Keypad">
        ${KEYS.map(([digit, letters]) => html`<button disabled=${!talking} onClick=${() => phone.press(digit)}>${digit}<small aria-hidden="true">${letters}</small></button>`)}
      </div>
      <p class="pressed" aria-live="polite">${shown.keys || " "}</p>
    </section>
    <section class="card talk" aria-label="What is said">
      <${Waits} latencies=${told?.latencies ?? []} waits=${told?.waits ?? { count: 0 }} />
      <${LiveLines} lines=${told?.growing ?? []} names=${{ caller: "You" }} empty="What is said appears here, word by word." />
    </section>
  </div>`;
}

/** The page of whoever is signed in: which agent, the handset, and invitations. */
export function Softphone() {
  const { data, fault } = useAnswer((signal) => get("/calls/active", {}, signal), []);
  const [chosen, setChosen] = useState("");
  const agents = data?.agents ?? [];
  const agent = chosen || agents[0] || "";
  const ticket = async () => {
    const made = await post("/softphone/calls", { agent });
    return { path: made.path, call: made.start };
  };
  return html`<header class="top">
      <h1>Softphone</h1>
      ${agents.length > 0 && html`<label class="field">Agent
        <select value=${agent} onChange=${(event) => setChosen(event.target.value)}>
          ${agents.map((each) => html`<option value=${each}>${each}</option>`)}
        </select>
      </label>`}
    </header>
    <${Alert} fault=${fault} />
    ${data && !agents.length && html`<div class="empty"><p>No agent is served here. <code>patter serve AGENT</code> starts one.</p></div>`}
    ${agents.length > 0 && html`<${Handset} key=${agent} agent=${agent} ticket=${ticket} /><${Invite} agent=${agent} />`}`;
}

const LIVES = [[15, "15 minutes"], [60, "1 hour"], [24 * 60, "1 day"], [7 * 24 * 60, "7 days"]];

function Invite({ agent }) {
  const [minutes, setMinutes] = useState(60);
  const [link, setLink] = useState("");
  const [said, setSaid] = useState("");
  useEffect(() => setLink(""), [agent]);
  const make = async (event) => {
    event.preventDefault();
    try {
      const made = await post("/softphone/invitations", { agent, minutes: Number(minutes) });
      setLink(made.link);
      setSaid(made.reaches_outside ? "" : "It works on this machine only: serve with --tunnel to let others call.");
    } catch (error) {
      setSaid(error.message);
    }
  };
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(link);
      setSaid("Copied.");
    } catch {
      setSaid("The browser did not let it be copied: select it instead.");
    }
  };
  return html`<section class="card invite">
    <h2>Let somebody else call</h2>
    <p>A link that opens the softphone for one call to this agent, and nothing else of this page.</p>
    <form onSubmit=${make} class="row">
      <label class="field">Good for
        <select value=${minutes} onChange=${(event) => setMinutes(event.target.value)}>
          ${LIVES.map(([value, text]) => html`<option value=${value}>${text}</option>`)}
        </select>
      </label>
      <button class="plain" disabled=${!agent}>Make a link</button>
    </form>
    ${link && html`<p class="row link"><input aria-label="Invitation link" readonly value=${link} onFocus=${(event) => event.target.select()} />
      <button class="plain" onClick=${copy}>Copy</button></p>`}
    <p class="hint" role="status">${said || " "}</p>
  </section>`;
}
