// The conversation as it is drawn anywhere: who says what, what of it was heard, and what was waited for.

import { html, useEffect, useRef, useState } from "./vendor/preact-htm.js";
import { duration, milliseconds } from "./format.js";

const NAMES = { caller: "Caller", agent: "Agent", tool: "Tool", colleague: "Colleague", error: "Trouble", "": "" };
const SHOWN_WAITS = 24;
const NEAR_PX = 60; // of the end: whoever is there wants to see what comes

/** Lines of a live call; the last ones grow while they are spoken. names: in place of "Caller". aloud: for a screen
 * reader to read out. Who has scrolled up to read is left where they are. */
export function LiveLines({ lines, names = {}, empty = "Nothing has been said yet.", aloud = true }) {
  const list = useRef(null);
  const follows = useRef(true);
  const last = lines.at(-1);
  useEffect(() => {
    if (follows.current) list.current.scrollTop = list.current.scrollHeight;
  }, [lines.length, last?.text, last?.unheard]);
  const scrolled = ({ target }) => (follows.current = target.scrollHeight - target.scrollTop - target.clientHeight < NEAR_PX);
  return html`<ol class="lines" ref=${list} onScroll=${scrolled} tabindex="0" aria-label="Conversation" aria-live=${aloud ? "polite" : "off"}>
    ${lines.length === 0 && html`<li class="line note"><span class="words">${empty}</span></li>`}
    ${lines.map(
      (line) => html`<li class=${`line ${line.who || "note"} ${line.growing ? "growing" : ""}`}>
        <span class="who">${names[line.who] ?? NAMES[line.who] ?? line.who}</span>
        <span class="words" dir="auto">${line.text} <${Unheard} text=${line.unheard} /></span>
        <span class="at">${duration(line.at_ms / 1000)}</span>
      </li>`,
    )}
  </ol>`;
}

/** Words that the agent had ready and nobody heard. */
export function Unheard({ text }) {
  return text ? html`<del class="unheard" title="Nobody heard this: the agent was interrupted.">${text}</del>` : null;
}

/** What the caller waited for each answer, as bars; the figure is the last one's. */
export function Waits({ latencies, waits }) {
  const shown = latencies.slice(-SHOWN_WAITS);
  const most = Math.max(1000, ...shown.map((each) => each.total_ms));
  const last = shown.at(-1);
  return html`<div class="waits">
    <dl class="figures">
      <div><dt>Last answer</dt><dd>${milliseconds(last?.total_ms)}</dd></div>
      <div><dt>Median</dt><dd>${waits.count ? milliseconds(waits.p50_ms) : "–"}</dd></div>
      <div><dt>95 of 100 within</dt><dd>${waits.count ? milliseconds(waits.p95_ms) : "–"}</dd></div>
    </dl>
    <div class="bars" role="img" aria-label=${`What was waited for the last ${shown.length} answers`}>
      ${shown.map((each) => html`<span style=${{ height: `${Math.max(4, (each.total_ms / most) * 100)}%` }} title=${milliseconds(each.total_ms)}></span>`)}
    </div>
  </div>`;
}

/** Seconds since a moment, counted here. */
export function useSeconds(since, runs) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!runs) return undefined;
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, [runs]);
  return since ? Math.max(0, (now - since) / 1000) : 0;
}

export const PHASES = {
  "agent speaks": "speaking",
  "caller speaks": "caller",
  thinking: "thinking",
  "waits for tool": "thinking",
  colleague: "colleague",
  over: "over",
};

export function Phase({ phase, muted }) {
  const kind = PHASES[phase] ?? "quiet";
  return html`<span class=${`phase ${kind}`}><i aria-hidden="true"></i>${phase}${muted ? " · muted" : ""}</span>`;
}
