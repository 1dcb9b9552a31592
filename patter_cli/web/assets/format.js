// How numbers, times and people are written, everywhere alike.

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const past = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const whole = new Intl.NumberFormat(undefined);

export const count = (number) => whole.format(number);

export const milliseconds = (ms) => (ms === null || ms === undefined ? "–" : `${whole.format(Math.round(ms))} ms`);

/** 72 seconds as 1:12. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const all = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  const tail = `${String(rest).padStart(2, "0")}`;
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

/** Dollars; whole says whether that is all of it. */
export function money(usd, isWhole = true) {
  if (usd === null || usd === undefined) return "–";
  const digits = usd !== 0 && Math.abs(usd) < 0.1 ? 4 : 2;
  return `${isWhole ? "" : "≥ "}$${usd.toFixed(digits)}`;
}

/** What something cost; where not all prices are known, what is known of it. */
export const cost = (usd, known) => (usd === null || usd === undefined ? money(known || null, false) : money(usd));

export const percent = (share) => `${Math.round(share * 100)} %`;

/** When a call was, as short as it is clear. */
export function when(unixSeconds) {
  const date = new Date(unixSeconds * 1000);
  const now = new Date();
  if (now.toDateString() === date.toDateString()) return clock.format(date);
  return now.getFullYear() === date.getFullYear() ? `${day.format(date)}, ${clock.format(date)}` : past.format(date);
}

export const moment = (unixSeconds) => full.format(new Date(unixSeconds * 1000));

const OUTCOMES = {
  answered: "Answered",
  voicemail: "Voicemail",
  no_answer: "No answer",
  busy: "Busy",
  failed: "Failed",
  canceled: "Canceled",
  interrupted: "Interrupted",
};

export const OUTCOME_NAMES = Object.keys(OUTCOMES);

export const outcome = (name) => (name ? (OUTCOMES[name] ?? name) : "Live");

const ENDINGS = {
  carrier_stop: "other side hung up",
  carrier_close: "other side hung up",
  agent: "agent hung up",
  operator: "operator hung up",
  idle: "nobody spoke",
};

/** How a call ended, for people: a carrier's stop is somebody who has put the phone down. */
export const ending = (reason) => ENDINGS[reason] ?? words(reason);

/** drain_goodbye as "drain goodbye". */
export const words = (name) => String(name ?? "").replaceAll("_", " ");

/** A JSON text spread over lines; what is none stays as it is. */
export function pretty(text) {
  if (text === null || text === undefined) return "";
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return String(text);
  }
}
