// What the page asks the server, and what the server tells it by itself.

import { useEffect, useRef, useState } from "./vendor/preact-htm.js";

const ROOT = "/api/v1";

/** The server's no: its sentence, and what to do next. */
export class Fault extends Error {
  constructor(status, told) {
    super(told?.message || `the server answered ${status}`);
    this.status = status;
    this.code = told?.code || "";
    this.hint = told?.hint || "";
  }
}

export function address(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const text = new URLSearchParams(given).toString();
  return `${ROOT}${path}${text ? `?${text}` : ""}`;
}

export async function get(path, query = {}, signal = undefined) {
  return read(await fetch(address(path, query), { signal, headers: { accept: "application/json" } }));
}

export async function getText(path) {
  const response = await fetch(address(path));
  return response.ok ? response.text() : read(response);
}

export async function post(path, body = {}) {
  const headers = { "content-type": "application/json", "x-patter": "1" };
  return read(await fetch(address(path), { method: "POST", headers, body: JSON.stringify(body) }));
}

async function read(response) {
  const told = await response.json().catch(() => null);
  if (!response.ok) throw new Fault(response.status, told);
  return told;
}

/** {data, fault, reload} of a question that is asked again when one of `what` changes. */
export function useAnswer(ask, what) {
  const [answer, setAnswer] = useState({ data: null, fault: null, waiting: true });
  const [round, setRound] = useState(0);
  const last = useRef(null);
  useEffect(() => {
    const control = new AbortController();
    last.current = control;
    setAnswer((before) => ({ ...before, waiting: true }));
    ask(control.signal).then(
      (data) => setAnswer({ data, fault: null, waiting: false }),
      (fault) => control.signal.aborted || setAnswer({ data: null, fault, waiting: false }),
    );
    return () => control.abort();
  }, [...what, round]);
  return { ...answer, reload: () => setRound((n) => n + 1) };
}
