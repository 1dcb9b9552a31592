// One call: how it went, turn by turn; where the time went; its sound; and, while it lasts, what may be done to it.

import { html, useEffect, useMemo, useRef, useState } from "./vendor/preact-htm.js";
import { Alert, get, getText, useAnswer } from "./api.js";
import { cost, count, duration, ending, milliseconds, moment, money, outcome, pretty, words } from "./format.js";
import { useLive } from "./live.js";
import { Orders } from "./live_page.js";
import { Operator } from "./operator.js";
import { LiveLines, Phase, Unheard, Waits } from "./talk.js";
import { Recording } from "./recording.js";

const STAGES = {
  endpointing: "waiting for the caller's end",
  stt: "words recognised",
  llm: "first words of the answer",
  clause: "first sentence",
  tts: "voice",
  handover: "onto the line",
};
const SETTLE_MS = 400; // after something was said, until its figures are asked for
const SPARE = 30; // a long call's page takes the server a while: it is asked for so much more seldom
const SPOKEN = new Set(["caller", "agent", "colleague"]);

export function CallPage({ id }) {
  const live = useLive();
  const call = live.calls.get(id);
  const going = Boolean(call && !call.over);
  const took = useRef(0);
  const ask = async (signal) => {
    const began = performance.now();
    const answer = await get(`/calls/${encodeURIComponent(id)}`, {}, signal);
    took.current = performance.now() - began;
    return answer;
  };
  const { data, fault, reload } = useAnswer(ask, [id]);
  const due = useRef(0);
  const said = call ? `${call.lines.length} ${call.lines.at(-1)?.at_ms}` : "";
  useEffect(() => {
    if (!call || due.current) return;
    due.current = setTimeout(() => ((due.current = 0), reload()), Math.max(SETTLE_MS, took.current * SPARE));
  }, [said]);
  useEffect(() => {
    if (call?.renewed) reload();
  }, [call?.renewed]);
  useEffect(() => {
    const timer = call?.over ? setTimeout(reload, SETTLE_MS) : 0;
    return () => clearTimeout(timer);
  }, [call?.over]);
  useEffect(() => () => clearTimeout(due.current), []);
  useEffect(() => {
    if (data && going) call.know(begun(data.turns.flatMap(lines)).map(asLive), data.turns.map((each) => each.latency).filter(Boolean));
  }, [data]);
  const [at, setAt] = useState(null);
  const player = useRef(null);
  if (!data && !call) {
    return html`<header class="top"><h1>Call</h1></header>${fault
      ? html`<${Alert} fault=${fault} />`
      : html`<p class="waiting">Loading …</p>`}`;
  }
  const row = data?.call;
  const shown = row ?? call;
  const other = (shown.direction === "outbound" ? shown.callee : shown.caller) || "unknown";
  const seek = (ms) => player.current?.(ms);
  return html`<header class="top">
      <div><p class="back"><a href="#/calls">Calls</a></p><h1 dir="auto">${other}</h1></div>
      ${going ? html`<${Phase} phase=${call.phase} muted=${call.muted} />` : html`<span class=${`outcome ${row?.outcome ?? "live"}`}>${outcome(row?.outcome)}</span>`}
    </header>
    <dl class="tiles small">
      <div class="tile"><dt>Agent</dt><dd class="clamped" dir="auto" title=${shown.agent}>${shown.agent}</dd></div>
      <div class="tile"><dt>Began</dt><dd>${row ? moment(row.started_at) : "–"}</dd></div>
      <div class="tile"><dt>Length</dt><dd>${duration(going ? call.length : row?.duration_s)}</dd></div>
      <div class="tile"><dt>Median wait</dt><dd>${milliseconds(going ? call.waits.p50_ms : row?.waited_ms)}</dd></div>
      <div class="tile"><dt>Cost</dt><dd>${going ? money(call.known_usd ?? 0) : cost(row?.usd, row?.known_usd)}</dd></div>
      ${!going && row?.reason && html`<div class="tile"><dt>Ending</dt><dd class="clamped" title=${words(row.reason)}>${ending(row.reason)}</dd></div>`}
    </dl>
    ${going && live.serving && html`<section class="card operate" aria-label="This call goes on"><${Operator} call=${call} /><${Orders} call=${call} /></section>`}
    ${data?.recording?.here && html`<${Recording} id=${id} turns=${data.turns} onTime=${setAt} seek=${(how) => (player.current = how)} />`}
    ${data?.recording && !data.recording.here && html`<p class="hint">The carrier keeps this call's recording${data.recording.url ? "" : ", and has not said where"}.</p>`}
    <div class="halves">
      <section aria-label="Conversation" class="card">
        <h2>Conversation</h2>
        ${going ? html`<${LiveLines} lines=${call.growing} />` : html`<${Story} turns=${data?.turns ?? []} at=${at} seek=${data?.recording?.here ? seek : null} />`}
      </section>
      <div>
        ${going && html`<section class="card" aria-label="Latency"><h2>Latency</h2><${Waits} latencies=${call.latencies} waits=${call.waits} /></section>`}
        ${data?.waterfall.length > 0 && html`<${Waterfall} turns=${data.waterfall} />`}
        ${data?.cost.legs.length > 0 && html`<${Legs} cost=${data.cost} />`}
      </div>
    </div>
    ${data?.unreadable > 0 && html`<p class="alert">${data.unreadable} lines of this call's journal are damaged.</p>`}
    <${Journal} id=${id} />`;
}

/** The conversation of a call that is known in full. at: where its sound is, ms. */
function Story({ turns, at, seek }) {
  const items = useMemo(() => begun(turns.flatMap(lines)), [turns]);
  const now = at === null ? -1 : items.findIndex((each) => each.spoken && each.at >= at);
  const list = useRef(null);
  useEffect(() => {
    const line = list.current?.children[now];
    if (line) list.current.scrollTo({ top: line.offsetTop - list.current.clientHeight / 3, behavior: "smooth" });
  }, [now]);
  if (!items.length) return html`<p class="hint">Nobody said anything.</p>`;
  return html`<ol class="lines story" ref=${list} tabindex="0" aria-label="Conversation">${items.map(
    (each, place) => html`<li class=${`line ${each.who} ${place === now ? "now" : ""}`} key=${place}>
      <span class="who">${each.name}</span>
      <span class="words" dir="auto">${each.body}</span>
      ${seek ? html`<button class="at" aria-label=${`Play from ${duration(each.from / 1000)}`} onClick=${() => seek(each.from)}>${duration(each.from / 1000)}</button>` : html`<span class="at">${duration(each.from / 1000)}</span>`}
    </li>`,
  )}</ol>`;
}

/** What was spoken is told of when it is over: it began, at the earliest, when what was spoken before it was over. */
function begun(items) {
  let before = 0;
  for (const each of items.sort((a, b) => a.at - b.at)) {
    each.spoken = SPOKEN.has(each.who);
    each.from = each.spoken ? before : each.at;
    if (each.spoken) before = each.at;
  }
  return items;
}

/** A line as those of a live call are. */
function asLive({ who, from, text, unheard = "" }) {
  return { who, text, unheard, at_ms: from };
}

function lines(turn) {
  const made = [];
  if (turn.caller !== null) made.push({ who: "caller", name: "Caller", at: turn.at_ms, body: turn.caller, text: turn.caller });
  for (const tool of turn.tools) {
    const head = html`<code>${tool.name}</code> ${tool.took_ms === null ? "did not answer" : milliseconds(tool.took_ms)}`;
    const body = html`<details><summary>${head}</summary><pre>${pretty(tool.arguments)}</pre><pre>${pretty(tool.result)}</pre></details>`;
    made.push({ who: "tool", name: "Tool", at: tool.at_ms, body, text: `${tool.name} ${tool.arguments}` });
  }
  for (const said of turn.agent) {
    made.push({ who: "agent", name: "Agent", at: said.at_ms, body: html`${said.heard} <${Unheard} text=${said.unheard} />`, text: said.heard, unheard: said.unheard });
  }
  for (const each of turn.colleague) made.push({ who: "colleague", name: "Colleague", at: each.at_ms, body: each.text, text: each.text });
  for (const text of turn.faults) made.push({ who: "error", name: "Trouble", at: turn.at_ms, body: text, text });
  return made;
}

function Waterfall({ turns }) {
  const most = Math.max(...turns.map((each) => each.to_ms - each.from_ms), 1);
  return html`<section class="card" aria-label="Latency">
    <h2>Where the time went</h2>
    <ul class="legend">${Object.entries(STAGES).map(([name, text]) => html`<li><i class=${`stage ${name}`} aria-hidden="true"></i>${text}</li>`)}</ul>
    <div class="scroll tall" tabindex="0" role="region" aria-label="Where the time of each turn went"><table class="waterfall"><thead class="quiet"><tr><th scope="col">Turn</th><th scope="col">Stages</th><th scope="col">Total</th></tr></thead>
      <tbody>${turns.map((turn) => {
        const all = turn.to_ms - turn.from_ms;
        const text = turn.stages.map((each) => `${each.name} ${each.to_ms - each.from_ms} ms`).join(", ");
        return html`<tr><th scope="row">${turn.turn}</th>
          <td><span class="track" role="img" aria-label=${text} title=${text}>${turn.stages.map(
            (each) => html`<i class=${`stage ${each.name}`} style=${{ width: `${((each.to_ms - each.from_ms) / most) * 100}%` }}></i>`,
          )}</span></td>
          <td class="number">${milliseconds(all)}</td></tr>`;
      })}</tbody></table></div>
  </section>`;
}

const AMOUNTS = { audio_ms: (ms) => `${(ms / 1000).toFixed(1)} s`, characters: (n) => `${count(n)} characters` };

function Legs({ cost }) {
  const amounts = (leg) =>
    Object.entries(leg)
      .filter(([name, value]) => typeof value === "number" && name !== "usd")
      .map(([name, value]) => AMOUNTS[name]?.(value) ?? `${count(value)} ${words(name)}`)
      .join(", ");
  return html`<section class="card" aria-label="Cost"><h2>Cost</h2>
    <table><thead class="quiet"><tr><th scope="col">Leg</th><th scope="col">Cost</th></tr></thead>
      <tbody>${cost.legs.map((leg) => html`<tr><th scope="row">${leg.leg} <small>${leg.provider} ${leg.model}</small><small class="used">${amounts(leg)}</small></th>
        <td class="number">${leg.usd === null ? "price unknown" : money(leg.usd)}</td></tr>`)}</tbody>
      <tfoot><tr><th scope="row">All</th><td class="number">${money(cost.usd ?? cost.known_usd, cost.usd !== null)}</td></tr></tfoot></table>
  </section>`;
}

const SHOWN_ENTRIES = 400;
const SHOWN_CHARS = 300; // of an entry, until it is opened

function Journal({ id }) {
  const [lines, setLines] = useState(null);
  const [fault, setFault] = useState("");
  const [only, setOnly] = useState("");
  const [most, setMost] = useState(SHOWN_ENTRIES);
  const read = async (event) => {
    if (!event.target.open || lines) return;
    try {
      const text = await getText(`/calls/${encodeURIComponent(id)}/journal`);
      setLines(text.split("\n").filter(Boolean).map((line) => JSON.parse(line)));
    } catch (error) {
      setFault(error.message);
    }
  };
  const wanted = (lines ?? []).filter((each) => !only || JSON.stringify(each).toLowerCase().includes(only.toLowerCase()));
  return html`<details class="card journal" onToggle=${read}><summary><h2>Journal</h2></summary>
    ${fault && html`<p class="alert" role="alert">${fault}</p>`}
    ${lines && html`<p class="row"><label class="field">Only with<input type="search" value=${only} onInput=${(event) => (setOnly(event.target.value), setMost(SHOWN_ENTRIES))} /></label>
      <span class="hint">${count(wanted.length)} of ${count(lines.length)} entries</span></p>
      <div class="scroll" tabindex="0" role="region" aria-label="Journal"><table><thead><tr><th scope="col" class="number">At</th><th scope="col">What happened</th><th scope="col">What was ordered</th></tr></thead>
      <tbody>${wanted.slice(0, most).map((each) => html`<tr><td class="number">${(each.at / 1000).toFixed(3)}</td>
        <td><${Entry} value=${each.event} /></td><td>${each.commands.map((order) => html`<${Entry} value=${order} />`)}</td></tr>`)}</tbody></table></div>
      ${wanted.length > most && html`<p class="row"><button class="plain" onClick=${() => setMost(most + SHOWN_ENTRIES)}>Show more</button>
        <span class="hint">The first ${count(most)} are shown.</span></p>`}`}
  </details>`;
}

function Entry({ value }) {
  const { type, ...rest } = value;
  const text = JSON.stringify(rest);
  if (text.length <= SHOWN_CHARS) return html`<div class="entry"><b>${type}</b> ${text !== "{}" && html`<code>${text}</code>`}</div>`;
  return html`<details class="entry"><summary><b>${type}</b> <code class="clamped">${text.slice(0, SHOWN_CHARS)} …</code></summary><pre>${pretty(text)}</pre></details>`;
}
