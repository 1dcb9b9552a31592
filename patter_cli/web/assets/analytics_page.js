// What many calls come to: how many, how they ended, what callers waited for, what it cost.

import { html, useEffect, useRef } from "./vendor/preact-htm.js";
import { Alert, get, useAnswer } from "./api.js";
import { asked, Filter, go } from "./calls_page.js";
import { cost, count, duration, milliseconds, money, outcome, percent } from "./format.js";

const SPANS = [["7", "7 days"], ["30", "30 days"], ["90", "90 days"], ["", "All"]];
const DAY_S = 86400;
const FEWEST_DAYS = 5; // that a chart is wide
const LABEL_PX = 64; // of a day below a chart
const AXIS_PX = 90; // beside the chart
const STAGES = { endpointing: "Caller's end", stt: "Words", llm: "Model", clause: "Sentence", tts: "Voice", handover: "Line", total: "Total" };

const dayOf = (daysAgo) => {
  const day = new Date();
  day.setDate(day.getDate() - daysAgo);
  return `${day.getFullYear()}-${String(day.getMonth() + 1).padStart(2, "0")}-${String(day.getDate()).padStart(2, "0")}`;
};

export function Analytics({ query }) {
  const { agent, since, until } = asked(query);
  const filter = { agent, since, until };
  const key = JSON.stringify(filter);
  const overview = useAnswer((signal) => get("/analytics/overview", filter, signal), [key]);
  const costs = useAnswer((signal) => get("/analytics/costs", filter, signal), [key]);
  const data = overview.data;
  const fault = overview.fault || costs.fault;
  const waits = data?.stages.total;
  return html`<header class="top"><h1>Analytics</h1>
      <div class="segments" role="group" aria-label="Time">${SPANS.map(([days, text]) => {
        const from = days ? dayOf(Number(days) - 1) : "";
        const here = (query.since ?? "") === from && !query.until;
        return html`<button aria-pressed=${here} onClick=${() => go("analytics", { ...query, since: from, until: "" })}>${text}</button>`;
      })}</div>
    </header>
    <${Filter} query=${query} name="analytics" searches=${false} />
    <${Alert} fault=${fault} />
    ${data && !data.calls && html`<div class="empty"><p>No calls in this time.</p></div>`}
    ${data?.calls > 0 && html`
      <dl class="tiles">
        <div class="tile"><dt>Calls</dt><dd>${count(data.calls)}</dd></div>
        <div class="tile"><dt>Talked</dt><dd>${duration(data.duration_s)}</dd></div>
        <div class="tile"><dt>Median wait</dt><dd>${waits?.turns ? milliseconds(waits.p50) : "–"}</dd></div>
        <div class="tile"><dt>95 of 100 within</dt><dd>${waits?.turns ? milliseconds(waits.p95) : "–"}</dd></div>
        <div class="tile"><dt>Cost</dt><dd>${cost(data.unpriced ? null : data.known_usd, data.known_usd)}</dd></div>
      </dl>
      <div class="halves even">
        <${Chart} title="Calls a day" days=${data.days} series=${[{ label: "Calls", of: (day) => day.calls, kind: "bars" }]} />
        <${Chart} title="Wait for an answer" unit=" ms" days=${data.days} series=${[
          { label: "Median", of: (day) => (day.waits.turns ? day.waits.p50 : null) },
          { label: "95 of 100", of: (day) => (day.waits.turns ? day.waits.p95 : null), second: true },
        ]} />
        <${Chart} title="Cost a day" unit=" $" days=${data.days} series=${[{ label: "Cost", of: (day) => day.known_usd, kind: "bars" }]} />
        <${Outcomes} outcomes=${data.outcomes} />
      </div>
      <${Stages} stages=${data.stages} />
      <div class="halves even top-aligned">
        <${Shares} title="By agent" shares=${data.agents} />
        ${costs.data && html`<${Legs} legs=${costs.data.legs} />`}
        <${Shares} title="By number" shares=${data.numbers} />
        <${Shares} title="By day" shares=${[...data.days].reverse()} />
      </div>`}`;
}

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** As many of these times, in order, as are so far from each other. */
function apart(times, least) {
  const found = [];
  for (const at of times) if (!found.length || at - found.at(-1) >= least) found.push(at);
  return found;
}

function Chart({ title, days, series, unit = "" }) {
  const box = useRef(null);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const table = days.map((day) => `${day.name}: ${series.map((each) => each.of(day) ?? "none").join(", ")}`).join("; ");
  useEffect(() => {
    const draw = () => {
      box.current.replaceChildren();
      const colour = [style("--accent"), style("--second")];
      const axis = { stroke: style("--muted"), grid: { stroke: style("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
      const times = days.map((day) => new Date(`${day.name}T12:00:00`).getTime() / 1000);
      const bars = window.uPlot.paths.bars({ size: [0.6, 46, 3], radius: 0.2 });
      const margin = Math.max(0.6, (FEWEST_DAYS - days.length) / 2) * DAY_S;
      const labels = apart(times, ((times.at(-1) - times[0] + 2 * margin) * LABEL_PX) / Math.max(LABEL_PX, box.current.clientWidth - AXIS_PX));
      const plot = {
        width: box.current.clientWidth,
        height: 190,
        cursor: { y: false, points: { size: 7 } },
        legend: { live: true },
        scales: { x: { range: () => [times[0] - margin, times.at(-1) + margin] }, y: { range: (_, low, high) => [0, (high || 1) * 1.1] } },
        axes: [{ ...axis, grid: { show: false }, splits: () => labels, values: (_, splits) => splits.map((at) => new Date(at * 1000).toLocaleDateString(undefined, { day: "numeric", month: "short" })) },
          { ...axis, size: 54 }],
        series: [
          { label: "Day", value: (_, at) => (at === null ? "" : new Date(at * 1000).toLocaleDateString()) },
          ...series.map((each, place) => ({
            label: each.label,
            stroke: colour[place],
            width: 2,
            fill: each.kind === "bars" ? colour[place] : undefined,
            paths: each.kind === "bars" ? bars : undefined,
            points: { show: each.kind !== "bars", size: 6, fill: colour[place] },
            dash: each.second ? [5, 4] : undefined,
            value: (_, value) => (value === null ? "–" : `${Number(value.toFixed(4))}${unit}`),
          })),
        ],
      };
      new window.uPlot(plot, [times, ...series.map((each) => days.map(each.of))], box.current);
    };
    draw();
    const watch = new ResizeObserver(([entry]) => entry.contentRect.width !== wide && ((wide = entry.contentRect.width), draw()));
    let wide = box.current.clientWidth;
    watch.observe(box.current);
    dark.addEventListener("change", draw);
    return () => (watch.disconnect(), dark.removeEventListener("change", draw));
  }, [JSON.stringify(days)]);
  return html`<section class="card chart" aria-label=${title}><h2>${title}</h2><div ref=${box} role="img" aria-label=${`${title}. ${table}`}></div></section>`;
}

function Outcomes({ outcomes }) {
  const all = Object.values(outcomes).reduce((sum, each) => sum + each, 0) || 1;
  return html`<section class="card" aria-label="Outcomes"><h2>Outcomes</h2><ul class="shares">${Object.entries(outcomes).map(
    ([name, calls]) => html`<li><a href=${`#/calls?outcome=${encodeURIComponent(name)}`}>${outcome(name)}</a><span class="number">${count(calls)}</span>
      <span class="number">${percent(calls / all)}</span><i class=${`rule ${name}`} style=${{ width: `${(calls / all) * 100}%` }} aria-hidden="true"></i></li>`,
  )}</ul></section>`;
}

function Stages({ stages }) {
  const known = Object.keys(STAGES).filter((name) => stages[name]?.turns);
  if (!known.length) return null;
  return html`<section class="card" aria-label="Latency by stage"><h2>Latency by stage</h2><div class="scroll" tabindex="0" role="region" aria-label="Latency by stage"><table>
    <thead><tr><th scope="col">Stage</th><th scope="col" class="number">Turns</th><th scope="col" class="number">50 of 100</th><th scope="col" class="number">95 of 100</th><th scope="col" class="number">99 of 100</th><th scope="col" class="number">Most</th></tr></thead>
    <tbody>${known.map((name) => html`<tr class=${name === "total" ? "sum" : ""}><th scope="row"><i class=${`stage ${name}`} aria-hidden="true"></i>${STAGES[name]}</th>
      <td class="number">${count(stages[name].turns)}</td>${["p50", "p95", "p99", "most"].map((rank) => html`<td class="number">${milliseconds(stages[name][rank])}</td>`)}</tr>`)}</tbody></table></div></section>`;
}

function Shares({ title, shares }) {
  if (!shares.length) return null;
  return html`<section class="card" aria-label=${title}><h2>${title}</h2><div class="scroll tall" tabindex="0" role="region" aria-label=${title}><table>
    <thead><tr><th scope="col">Name</th><th scope="col" class="number">Calls</th><th scope="col" class="number">Talked</th><th scope="col" class="number">Wait p50</th><th scope="col" class="number">p95</th><th scope="col" class="number">Cost</th></tr></thead>
    <tbody>${shares.map((each) => html`<tr><th scope="row"><span class="clamped" dir="auto" title=${each.name}>${each.name || "unknown"}</span></th><td class="number">${count(each.calls)}</td><td class="number">${duration(each.duration_s)}</td>
      <td class="number">${each.waits.turns ? milliseconds(each.waits.p50) : "–"}</td><td class="number">${each.waits.turns ? milliseconds(each.waits.p95) : "–"}</td>
      <td class="number">${cost(each.unpriced ? null : each.known_usd, each.known_usd)}</td></tr>`)}</tbody></table></div></section>`;
}

function Legs({ legs }) {
  if (!legs.length) return null;
  return html`<section class="card" aria-label="By leg"><h2>By leg</h2><div class="scroll" tabindex="0" role="region" aria-label="By leg"><table>
    <thead><tr><th scope="col">Leg</th><th scope="col" class="number">Calls</th><th scope="col" class="number">Cost</th></tr></thead>
    <tbody>${legs.map((each) => html`<tr><th scope="row">${each.name}</th><td class="number">${count(each.calls)}</td><td class="number">${each.unpriced && !each.known_usd ? "price unknown" : money(each.known_usd, !each.unpriced)}</td></tr>`)}</tbody></table></div></section>`;
}
