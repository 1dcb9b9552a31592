// Calls while they last: the server's events in, what there is to see out. No clock but the browser's own.

import { useEffect, useReducer } from "./vendor/preact-htm.js";
import { AGAIN_MS, get, unanswered } from "./api.js";
import { LiveCall } from "./live_call.js";

const KINDS = [
  "started", "ringing", "answered", "connected", "said", "tool", "result", "waited", "fault", "ended", "state", "voice",
  "hearing", "saying", "sounding", "words", "silenced", "cost", "muted", "taken", "listened", "missed",
];
const KEPT_MS = 60_000; // a call that is over stays in sight for so long
const SILENT_MS = 1500; // a break that is shorter is nobody's business
const UNSEEN_MS = 5000; // that a tab is in the background before it lets go of its stream

/** All calls of the server. One stream for the whole page; who draws asks `useLive` to be told.
 *
 * A browser has six connections to a server, whatever its tabs: one that nobody looks at lets go of its stream, or the
 * seventh tab would load nothing. It goes on after the last event when somebody looks again. */
class Live {
  constructor() {
    this.calls = new Map();
    this.connected = false;
    this.fault = null;
    this.agents = [];
    this.serving = true;
    this.watchers = new Set();
    this.due = 0;
    this.again = 0;
    this.silent = 0;
    this.last = ""; // event's id
    this.unseen = 0;
    this.rests = false;
    document.addEventListener("visibilitychange", () => this.look());
  }

  look() {
    clearTimeout(this.unseen);
    if (!this.source) return;
    if (document.hidden) this.unseen = setTimeout(() => this.rest(), UNSEEN_MS);
    else if (this.rests) this.listen(this.last);
  }

  rest() {
    this.rests = true;
    this.source.close();
    clearTimeout(this.again);
    clearTimeout(this.silent);
    this.silent = 0;
  }

  watch(draw) {
    this.watchers.add(draw);
    if (!this.source && !this.opening) this.open();
    return () => this.watchers.delete(draw);
  }

  /** Learn what goes on now, and listen from there. Also after a while without a server: it may be another one. */
  async open() {
    if (this.opening) return;
    this.opening = true;
    clearTimeout(this.again);
    try {
      const now = await get("/calls/active");
      this.fault = null;
      Object.assign(this, { agents: now.agents, serving: now.serving });
      const going = new Map(now.calls.map((row) => [row.call_id, this.kept(row)]));
      for (const [id, call] of this.calls) {
        if (going.has(id)) continue;
        if (!call.over) call.lost();
        going.set(id, call);
      }
      this.calls = going;
      this.listen(now.last_event);
    } catch (error) {
      this.fault = error;
      this.again = setTimeout(() => this.open(), AGAIN_MS);
    }
    this.opening = false;
    this.changed();
  }

  /** A call that is known already keeps what was said. */
  kept(row) {
    const known = this.calls.get(row.call_id);
    return known && !known.over ? known.renew(row) : new LiveCall(row);
  }

  listen(after) {
    this.source?.close();
    this.last = after;
    this.rests = false;
    if (document.hidden) this.look();
    this.source = new EventSource(`/api/v1/events?after=${encodeURIComponent(after)}`);
    this.source.onopen = () => this.mark(true);
    this.source.onerror = () => {
      this.mark(false);
      this.silent ||= setTimeout(() => this.mark(false, unanswered()), SILENT_MS);
      if (this.source.readyState !== EventSource.CLOSED) return; // the browser goes on after the last event by itself
      clearTimeout(this.again);
      this.again = setTimeout(() => this.open(), AGAIN_MS);
    };
    for (const kind of KINDS) {
      this.source.addEventListener(kind, (event) => {
        this.last = event.lastEventId || this.last;
        this.take(kind, JSON.parse(event.data));
      });
    }
  }

  mark(connected, fault = null) {
    this.connected = connected;
    if (connected) clearTimeout(this.silent);
    if (connected) this.silent = 0;
    if (connected || fault) this.fault = fault;
    this.changed();
  }

  take(kind, told) {
    if (kind === "missed") return void this.open();
    if (!this.calls.has(told.call_id)) {
      if (kind !== "started") return;
      this.calls.set(told.call_id, new LiveCall({ ...told, seconds: told.at_ms / 1000, state: "connecting" }));
    }
    this.calls.get(told.call_id).take(kind, told);
    this.changed();
  }

  /** Lets go of calls that have been over for a while; whether there were any. */
  forget() {
    const gone = [...this.calls].filter(([, call]) => call.over && Date.now() - call.over > KEPT_MS);
    for (const [id] of gone) this.calls.delete(id);
    return gone.length > 0;
  }

  /** Everybody draws soon, and together. */
  changed() {
    this.due ||= setTimeout(() => {
      this.due = 0;
      for (const draw of this.watchers) draw();
    }, 60);
  }
}

const live = new Live();

/** The live calls. ticks: draw ten times a second while somebody is heard to speak, for their words. */
export function useLive(ticks = true) {
  const [, draw] = useReducer((n) => n + 1, 0);
  useEffect(() => live.watch(() => draw()), []);
  useEffect(() => {
    const timer = setInterval(() => {
      const calls = [...live.calls.values()];
      if (live.forget() || (ticks && calls.some((each) => !each.over))) draw();
    }, 150);
    return () => clearInterval(timer);
  }, [ticks]);
  return live;
}
