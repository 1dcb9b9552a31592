// The calls that are kept: searched, filtered, paged, taken away as a file. What is asked for is in the address.

import { html, useEffect, useState } from "./vendor/preact-htm.js";
import { address, Alert, get, useAnswer } from "./api.js";
import { cost, duration, ending, milliseconds, moment, outcome, OUTCOME_NAMES, when } from "./format.js";

const PAGE = 50;
const FIELDS = ["text", "number", "agent", "outcome", "since", "until"];
const WAIT_MS = 300; // for the next letter

/** The filter as the API has it: a day that is named as the last belongs to it. */
export function asked(query) {
  const wanted = Object.fromEntries(FIELDS.map((name) => [name, query[name] ?? ""]));
  const at = (day) => new Date(`${day}T00:00:00`);
  if (wanted.since) wanted.since = at(wanted.since).toISOString();
  if (wanted.until) {
    const end = at(wanted.until);
    end.setDate(end.getDate() + 1);
    wanted.until = end.toISOString();
  }
  return wanted;
}

export function go(name, query) {
  const given = Object.entries(query).filter(([, value]) => value);
  const text = new URLSearchParams(given).toString();
  const hash = `#/${name}${text ? `?${text}` : ""}`;
  if (location.hash !== hash) location.hash = hash;
}

export function Calls({ query }) {
  const filter = asked(query);
  const [pages, setPages] = useState([]);
  const key = JSON.stringify(filter);
  const { data, fault, waiting } = useAnswer((signal) => get("/calls", { ...filter, limit: PAGE }, signal), [key]);
  useEffect(() => setPages([]), [key]);
  const shown = [data, ...pages].filter(Boolean);
  const calls = shown.flatMap((each) => each.calls);
  const next = shown.at(-1)?.next;
  const more = async () => {
    const page = await get("/calls", { ...filter, limit: PAGE, after: next });
    setPages([...pages, page]);
  };
  return html`<header class="top"><h1>Calls</h1>
      <span class="row"><a class="plain" href=${address("/calls/export", { ...filter, format: "csv" })} download="calls.csv">Export CSV</a>
      <a class="plain" href=${address("/calls/export", { ...filter, format: "jsonl" })} download="calls.jsonl">JSON</a></span>
    </header>
    <${Filter} query=${query} name="calls" />
    <${Alert} fault=${fault} />
    <p class="hint" role="status">${waiting ? "Looking …" : `${calls.length} ${calls.length === 1 ? "call" : "calls"}${next ? ", and more" : ""}`}</p>
    ${calls.length > 0 && html`<${Table} calls=${calls} />`}
    ${data && !calls.length && html`<div class="empty"><p>No call fits that.</p></div>`}
    ${next && html`<p><button class="plain" onClick=${more}>Show more</button></p>`}`;
}

/** The search fields; each change is a new address. */
export function Filter({ query, name, searches = true }) {
  const { data } = useAnswer((signal) => get("/analytics/overview", {}, signal), []);
  const [text, setText] = useState(query.text ?? "");
  const [number, setNumber] = useState(query.number ?? "");
  useEffect(() => {
    const timer = setTimeout(() => {
      if (text !== (query.text ?? "") || number !== (query.number ?? "")) go(name, { ...query, text, number });
    }, WAIT_MS);
    return () => clearTimeout(timer);
  }, [text, number]);
  const set = (field) => (event) => go(name, { ...query, text, number, [field]: event.target.value });
  const agents = (data?.agents ?? []).map((each) => each.name);
  const clear = () => (setText(""), setNumber(""), go(name, {}));
  return html`<form class="filter" role="search" onSubmit=${(event) => event.preventDefault()}>
    ${searches && html`<label class="field wide">Said<input type="search" placeholder="words of either side" value=${text} onInput=${(event) => setText(event.target.value)} /></label>
      <label class="field">Number<input type="search" inputmode="tel" placeholder="+1 415 …" value=${number} onInput=${(event) => setNumber(event.target.value)} /></label>`}
    <label class="field">Agent<select value=${query.agent ?? ""} onChange=${set("agent")}>
      <option value="">any</option>${agents.map((each) => html`<option value=${each}>${each}</option>`)}
      ${query.agent && !agents.includes(query.agent) && html`<option value=${query.agent}>${query.agent}</option>`}
    </select></label>
    ${searches && html`<label class="field">Outcome<select value=${query.outcome ?? ""} onChange=${set("outcome")}>
      <option value="">any</option>${OUTCOME_NAMES.map((each) => html`<option value=${each}>${outcome(each)}</option>`)}
    </select></label>`}
    <label class="field">From<input type="date" value=${query.since ?? ""} onChange=${set("since")} /></label>
    <label class="field">To<input type="date" value=${query.until ?? ""} onChange=${set("until")} /></label>
    ${Object.values(query).some(Boolean) && html`<button class="plain" type="button" onClick=${clear}>Clear</button>`}
  </form>`;
}

function Table({ calls }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Calls"><table class="calls">
    <thead><tr><th scope="col">With</th><th scope="col">When</th><th scope="col">Agent</th><th scope="col">Outcome</th>
      <th scope="col" class="number">Length</th><th scope="col" class="number">Turns</th><th scope="col" class="number">Wait</th><th scope="col" class="number">Cost</th></tr></thead>
    <tbody>${calls.map((call) => html`<tr key=${call.call_id}>
      <th scope="row"><a class="clamped" href=${`#/calls/${encodeURIComponent(call.call_id)}`} dir="auto">${(call.direction === "outbound" ? call.callee : call.caller) || "unknown"}</a>
        <small>${call.direction === "outbound" ? "outgoing" : "incoming"}</small></th>
      <td class="time" title=${moment(call.started_at)}>${when(call.started_at)}</td>
      <td><span class="clamped" dir="auto" title=${call.agent}>${call.agent}</span></td>
      <td><span class=${`outcome ${call.outcome ?? "live"}`}>${outcome(call.outcome)}</span> <small>${call.reason === call.outcome ? "" : ending(call.reason)}</small></td>
      <td class="number">${duration(call.duration_s)}</td>
      <td class="number">${call.turns}</td>
      <td class="number">${milliseconds(call.waited_ms)}</td>
      <td class="number">${cost(call.usd, call.known_usd)}</td>
    </tr>`)}</tbody></table></div>`;
}
