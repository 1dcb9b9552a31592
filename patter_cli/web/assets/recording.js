// A call's sound: its shape to click into, and where it is now. What is said at that place is lit up elsewhere.

import { html, useEffect, useMemo, useRef, useState } from "./vendor/preact-htm.js";
import { address, get, useAnswer } from "./api.js";
import { duration } from "./format.js";

const HEIGHT = 60;
const STEP_S = 5;
const QUIET = 60; // a side that is never louder than this looks quiet

export function Recording({ id, onTime, seek }) {
  const path = `/calls/${encodeURIComponent(id)}`;
  const { data, fault } = useAnswer((signal) => get(`${path}/peaks`, {}, signal), [id]);
  const audio = useRef(null);
  const [at, setAt] = useState(0);
  const [plays, setPlays] = useState(false);
  const [trouble, setTrouble] = useState("");
  const long = data?.seconds || audio.current?.duration || 0;
  const to = (seconds) => {
    if (!audio.current) return;
    audio.current.currentTime = Math.max(0, Math.min(long, seconds));
    setAt(audio.current.currentTime);
    onTime(audio.current.currentTime * 1000);
  };
  useEffect(() => {
    seek((ms) => (to(ms / 1000), audio.current?.play()));
    return () => seek(null);
  }, [long]);
  useEffect(() => {
    if (!plays) return undefined;
    const timer = setInterval(() => {
      setAt(audio.current.currentTime);
      onTime(audio.current.currentTime * 1000);
    }, 80);
    return () => clearInterval(timer);
  }, [plays]);
  const keys = { ArrowLeft: -STEP_S, ArrowRight: STEP_S, PageDown: -6 * STEP_S, PageUp: 6 * STEP_S };
  const press = (event) => {
    if (event.key in keys) to(at + keys[event.key]);
    else if (event.key === "Home") to(0);
    else if (event.key === "End") to(long);
    else return;
    event.preventDefault();
  };
  const point = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    to(((event.clientX - box.left) / box.width) * long);
  };
  return html`<section class="card recording" aria-label="Recording">
    <button class="play" aria-label=${plays ? "Pause" : "Play"} onClick=${() => (plays ? audio.current.pause() : audio.current.play())}>
      <svg viewBox="0 0 24 24" aria-hidden="true"><path d=${plays ? "M7 5h3.500v14H7zM13.500 5H17v14h-3.500z" : "M7 4.500v15l12-7.500z"} /></svg>
    </button>
    <div class="wave" role="slider" tabindex="0" aria-label="Place in the recording" aria-valuemin="0" aria-valuemax=${Math.round(long)}
      aria-valuenow=${Math.round(at)} aria-valuetext=${`${duration(at)} of ${duration(long)}`} onKeyDown=${press} onPointerDown=${point}>
      ${data && html`<${Shape} tracks=${data.tracks} done=${long ? at / long : 0} />`}
      ${fault && html`<span class="hint">No shape: ${fault.message}.</span>`}
    </div>
    <span class="clock">${duration(at)} / ${duration(long)} <a href=${address(`${path}/recording`)} download=${id}>Download</a></span>
    <audio ref=${audio} src=${address(`${path}/recording`)} preload="metadata" onPlay=${() => setPlays(true)} onPause=${() => setPlays(false)}
      onEnded=${() => setPlays(false)} onError=${() => setTrouble("The recording cannot be played.")}></audio>
    ${trouble && html`<p class="alert" role="alert">${trouble}</p>`}
  </section>`;
}

/** tracks: peaks, 0..255, of the caller and, where there is one, of the agent. done: 0..1. */
function Shape({ tracks, done }) {
  const shapes = useMemo(() => tracks.map((peaks, place) => outline(peaks, place, tracks.length)), [tracks]);
  const wide = tracks[0]?.length || 1;
  return html`<svg viewBox=${`0 0 ${wide} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
    <defs><clipPath id="done"><rect x="0" y="0" width=${done * wide} height=${HEIGHT} /></clipPath></defs>
    ${shapes.map((path, place) => html`<path class=${`track${place}`} d=${path} />`)}
    <g clip-path="url(#done)">${shapes.map((path, place) => html`<path class=${`track${place} done`} d=${path} />`)}</g>
    <rect class="head" x=${done * wide} y="0" width=${Math.max(1, wide / 600)} height=${HEIGHT} />
  </svg>`;
}

function outline(peaks, place, count) {
  const half = HEIGHT / (2 * count);
  const middle = half * (2 * place + 1);
  const most = Math.max(QUIET, ...peaks);
  const tall = (peak) => Math.max(0.5, (peak / most) * half * 0.95).toFixed(1);
  const up = peaks.map((peak, x) => `${x} ${(middle - tall(peak)).toFixed(1)}`);
  const down = peaks.map((peak, x) => `${x} ${(middle + Number(tall(peak))).toFixed(1)}`).reverse();
  return peaks.length ? `M${up.join("L")}L${down.join("L")}Z` : "";
}
