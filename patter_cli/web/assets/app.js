// The page's frame: where one is, and what is drawn there. The place is behind the # of the address.

import { html, render, useEffect, useErrorBoundary, useRef, useState } from "./vendor/preact-htm.js";
import { Analytics } from "./analytics_page.js";
import { CallPage } from "./call_page.js";
import { Calls } from "./calls_page.js";
import { useLive } from "./live.js";
import { LivePage } from "./live_page.js";
import { Softphone } from "./softphone.js";

const PLACES = [
  ["", "Live", "M4 12h3l2.500-6 4 12L16 12h4"],
  ["calls", "Calls", "M5 6h14M5 12h14M5 18h9"],
  ["analytics", "Analytics", "M5 19V11M12 19V5M19 19v-6"],
  ["softphone", "Softphone", "M6 4h3l1.500 5-2 1.500a12 12 0 0 0 5 5L15 13.500l5 1.500v3a2 2 0 0 1-2 2A15 15 0 0 1 4 6a2 2 0 0 1 2-2z"],
];

function place() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name = "", id = ""] = path.split("/").map(decodeURIComponent);
  return { name, id, query: Object.fromEntries(new URLSearchParams(query)) };
}

function usePlace() {
  const [here, setHere] = useState(place);
  useEffect(() => {
    const move = () => setHere(place());
    addEventListener("hashchange", move);
    return () => removeEventListener("hashchange", move);
  }, []);
  return here;
}

function Page({ here }) {
  const [error, reset] = useErrorBoundary();
  useEffect(reset, [here.name, here.id]);
  if (error) return html`<p class="alert" role="alert">This page has failed: ${String(error.message || error)}</p>`;
  if (here.name === "calls" && here.id) return html`<${CallPage} key=${here.id} id=${here.id} />`;
  if (here.name === "calls") return html`<${Calls} query=${here.query} />`;
  if (here.name === "analytics") return html`<${Analytics} query=${here.query} />`;
  if (here.name === "softphone") return html`<${Softphone} />`;
  return html`<${LivePage} />`;
}

function App() {
  const here = usePlace();
  const main = useRef(null);
  const live = useLive(false);
  const count = [...live.calls.values()].filter((each) => !each.over).length;
  const first = useRef(true);
  useEffect(() => {
    document.title = `${PLACES.find(([name]) => name === here.name)?.[1] ?? "Patter"} · Patter`;
    if (!first.current) main.current?.focus();
    first.current = false;
    scrollTo(0, 0);
  }, [here.name, here.id]);
  return html`<a class="skip" href="#main" onClick=${(event) => (event.preventDefault(), main.current.focus())}>To the content</a>
    <nav class="bar" aria-label="Pages">
      <a class="brand" href="#/"><img src="/assets/icon.svg" alt="" width="26" height="26" /><span>Patter</span></a>
      ${PLACES.map(
        ([name, label, path]) => html`<a href=${`#/${name}`} aria-current=${here.name === name ? "page" : undefined}>
          <svg viewBox="0 0 24 24" aria-hidden="true"><path d=${path} /></svg><span>${label}</span>
          ${name === "" && count > 0 && html`<b class="count" aria-label=${`${count} live`}>${count}</b>`}
        </a>`,
      )}
      <span class=${`link-state ${live.connected ? "on" : ""}`} role="status">${live.connected ? "Connected" : "Connecting …"}</span>
    </nav>
    <main id="main" tabindex="-1" ref=${main}><${Page} here=${here} /></main>`;
}

const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} />`, root);
