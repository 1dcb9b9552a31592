// One call while it lasts: what happens on it in, what there is to see out. No clock but the browser's own.

const LINES = 200;
const WORDS_A_SECOND = 2.8; // of a voice that does not say when its words come
const SPLIT = /\S+\s*/g;

/** What is being said in one reply, clause by clause. */
class Reply {
  constructor() {
    this.clauses = new Map();
    this.began = null;
    this.stopped = 0;
  }

  clause(number) {
    if (!this.clauses.has(number)) this.clauses.set(number, { text: "", since: 0, starts: [] });
    return this.clauses.get(number);
  }

  get sounds() {
    return [...this.clauses.values()].some((each) => each.since);
  }

  get whole() {
    return this.ordered.map((each) => each.text.trim()).join(" ");
  }

  get ordered() {
    return [...this.clauses].sort(([a], [b]) => a - b).map(([, each]) => each);
  }

  /** The words that have been heard by this moment. */
  heard(now) {
    const clauses = this.ordered;
    const last = clauses.findLastIndex((each) => each.since);
    return clauses
      .slice(0, last + 1)
      .map((each, place) => (place < last ? each.text.trim() : spoken(each, (this.stopped || now) - each.since)))
      .join(" ");
  }
}

function spoken(clause, elapsed) {
  const words = clause.text.match(SPLIT) ?? [];
  const known = clause.starts.length;
  const count = known ? clause.starts.filter((at) => at <= elapsed).length : Math.ceil((elapsed / 1000) * WORDS_A_SECOND);
  return words.slice(0, Math.max(1, count)).join("").trim();
}

export class LiveCall {
  constructor(row) {
    const { seconds = 0, ...facts } = row;
    Object.assign(this, { agent: "", caller: "", callee: "", direction: "", carrier: "" }, facts);
    this.began = Date.now() - seconds * 1000;
    this.lines = [];
    this.count = 0; // of all its lines; the last are kept
    this.hearing = null;
    this.replies = new Map();
    this.latencies = [];
    this.tools = new Map();
    this.thinks = false;
    this.taken ??= false;
    this.outcome = "";
    this.over = 0;
    this.renewed = 0; // how often something was missed
    if (row.last_caller) this.lines.push({ who: "caller", text: row.last_caller, at_ms: 0 });
    if (row.last_agent) this.lines.push({ who: "agent", text: row.last_agent, at_ms: 0 });
  }

  get other() {
    return (this.direction === "outbound" ? this.callee : this.caller) || "unknown";
  }

  /** Whether this is in it, in lower case: who talks, or what was said. */
  has(text) {
    const all = [this.caller, this.callee, this.agent, ...this.lines.map((each) => each.text)];
    return all.some((each) => each?.toLowerCase().includes(text));
  }

  get phase() {
    if (this.over) return "over";
    if (this.state && this.state !== "active") return this.state;
    if (this.taken) return "colleague";
    if (this.agent_speaks) return "agent speaks";
    if (this.caller_speaks) return "caller speaks";
    if ([...this.tools.values()].some((each) => each.result === null)) return "waits for tool";
    return this.thinks ? "thinking" : "listening";
  }

  get waits() {
    const all = this.latencies.map((each) => each.total_ms).sort((a, b) => a - b);
    const rank = (share) => all[Math.max(0, Math.ceil(all.length * share) - 1)];
    return { count: all.length, p50_ms: rank(0.5), p95_ms: rank(0.95) };
  }

  get length() {
    return ((this.over || Date.now()) - this.began) / 1000;
  }

  /** The conversation, with what is being said at this moment. */
  get growing() {
    const now = Date.now();
    const lines = [...this.lines];
    if (this.over) return lines;
    for (const reply of this.replies.values()) {
      if (!reply.sounds) continue;
      const heard = reply.heard(now);
      const unheard = reply.stopped ? after(reply.whole, heard) : "";
      lines.push({ who: "agent", text: heard, unheard, at_ms: reply.began, growing: true });
    }
    if (this.hearing) lines.push({ who: "caller", text: this.hearing.text, at_ms: this.hearing.at_ms, growing: true });
    return lines;
  }

  /** What was said before this page looked, once it is known. */
  know(lines, latencies) {
    if (lines.length > this.count) {
      this.lines = lines.slice(-LINES);
      this.count = lines.length;
    }
    if (latencies.length > this.latencies.length) this.latencies = latencies;
  }

  /** Where it stands now, after something was missed. */
  renew({ seconds, last_caller, last_agent, ...facts }) {
    this.replies.clear();
    this.hearing = null;
    this.renewed += 1;
    return Object.assign(this, facts);
  }

  /** It ended while nobody told us. */
  lost() {
    Object.assign(this, { outcome: "ended", reason: "", over: Date.now(), taken: false });
  }

  add(line) {
    this.count += 1;
    this.lines = [...this.lines.slice(1 - LINES), line];
  }

  reply(number) {
    if (!this.replies.has(number)) this.replies.set(number, new Reply());
    return this.replies.get(number);
  }

  take(what, told) {
    switch (what) {
      case "started":
        Object.assign(this, told, { began: told.time ? told.time * 1000 - told.at_ms : this.began });
        break;
      case "state":
        this.state = told.state;
        break;
      case "muted":
        this.muted = told.muted;
        break;
      case "taken":
        this.taken = told.taken;
        break;
      case "cost":
        this.known_usd = told.known_usd;
        break;
      case "voice":
        this[`${told.who}_speaks`] = told.speaks;
        if (told.who === "agent" && told.speaks) this.thinks = false;
        break;
      case "hearing":
        this.hearing = { text: told.text, at_ms: this.hearing?.at_ms ?? told.at_ms };
        break;
      case "saying":
        this.reply(told.response_id).clause(told.clause).text += told.text;
        break;
      case "words":
        this.reply(told.response_id).clause(told.clause).starts = told.starts_ms;
        break;
      case "sounding": {
        const reply = this.reply(told.response_id);
        reply.stopped = 0;
        reply.began ??= told.at_ms;
        reply.clause(told.clause).since = Date.now();
        break;
      }
      case "silenced": {
        const reply = this.replies.get(told.response_id);
        if (reply && !reply.stopped) reply.stopped = Date.now();
        break;
      }
      case "said":
        this.said(told);
        break;
      case "tool":
        this.tools.set(told.tool_call_id, { ...told, result: null });
        this.add({ who: "tool", text: `${told.name} ${told.arguments}`, at_ms: told.at_ms });
        break;
      case "result":
        if (this.tools.has(told.tool_call_id)) this.tools.get(told.tool_call_id).result = told.result;
        break;
      case "waited":
        this.latencies = [...this.latencies, told];
        this.waited_ms = told.total_ms;
        break;
      case "fault":
        this.add({ who: "error", text: told.provider ? `${told.provider}: ${told.message}` : told.message, at_ms: told.at_ms });
        break;
      case "ended":
        Object.assign(this, { outcome: told.outcome, reason: told.reason, over: Date.now(), taken: false });
        break;
    }
  }

  said({ who, text, interrupted, at_ms }) {
    if (who === "tool") return;
    let unheard = "";
    let began = at_ms;
    if (who === "caller") {
      began = this.hearing?.at_ms ?? at_ms;
      this.turns = (this.turns ?? 0) + 1;
      this.hearing = null;
      this.thinks = true;
    } else if (who === "agent") {
      for (const [number, reply] of this.replies) {
        this.replies.delete(number);
        if (!reply.sounds) continue;
        unheard = interrupted ? after(reply.whole, text) : "";
        began = reply.began;
        break;
      }
    }
    this.add({ who, text, unheard, at_ms: began });
  }
}

/** The words of a text that follow as many as were heard of it. */
function after(whole, heard) {
  const count = (heard.match(SPLIT) ?? []).length;
  return (whole.match(SPLIT) ?? []).slice(count).join("").trim();
}
