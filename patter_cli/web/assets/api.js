// What the page asks the server, and what the server tells it by itself.

import { html, useEffect, useState } from "./vendor/preact-htm.js";

const ROOT = "/api/v1";
export const AGAIN_MS = 3000; // until a server that did not answer is asked again

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
  return read(await reach(address(path, query), { signal, headers: { accept: "application/json" } }));
}

export async function getText(path) {
  const response = await reach(address(path));
  return response.ok ? response.text() : read(response);
}

export async function post(path, body = {}) {
  const headers = { "content-type": "application/json", "x-patter": "1" };
  return read(await reach(address(path), { method: "POST", headers, body: JSON.stringify(body) }));
}

/** Nobody answered. */
export const unanswered = () => new Fault(0, { message: "the server does not answer", hint: "this page tries again by itself" });

async function reach(url, options = {}) {
  try {
    return await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unanswered();
  }
}

async function read(response) {
  const told = await response.json().catch(() => null);
  if (!response.ok) throw new Fault(response.status, told);
  return told;
}

/** {data, fault, waiting, reload} of a question that is asked again when one of `what` changes, or nobody answered. */
export function useAnswer(ask, what) {
  const [answer, setAnswer] = useState({ data: null, fault: null, waiting: true });
  const [round, setRound] = useState(0);
  useEffect(() => {
    const control = new AbortController();
    let timer = 0;
    setAnswer((before) => ({ ...before, waiting: true }));
    ask(control.signal).then(
      (data) => setAnswer({ data, fault: null, waiting: false }),
      (fault) => {
        if (control.signal.aborted) return;
        setAnswer((before) => ({ data: fault.status ? null : before.data, fault, waiting: false }));
        if (!fault.status) timer = setTimeout(() => setRound((n) => n + 1), AGAIN_MS);
      },
    );
    return () => (control.abort(), clearTimeout(timer));
  }, [...what, round]);
  return { ...answer, reload: () => setRound((n) => n + 1) };
}

/** What went wrong, in words, and what to do. */
export function Alert({ fault }) {
  if (!fault) return null;
  if (fault.status === 401) return html`<p class="alert" role="alert">This browser is signed in no more. <a href="/dashboard">Sign in</a></p>`;
  return html`<p class="alert" role="alert">${[fault.message, fault.hint].filter(Boolean).map(sentence).join(" ")}</p>`;
}

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
