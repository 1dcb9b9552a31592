// What somebody who is signed in may do in a call that goes on: listen, have a line said, talk in the agent's place.

import { html, useEffect, useRef, useState } from "./vendor/preact-htm.js";
import { post } from "./api.js";
import { CallSocket, Sound } from "./sound.js";

const GATHER_MS = { caller: 80, agent: 20 };

export function Operator({ call }) {
  const [line, setLine] = useState("");
  const [state, setState] = useState({ listens: false, talks: false, fault: "" });
  const held = useRef({});
  const change = (part) => setState((before) => ({ ...before, ...part }));
  const path = `/calls/${encodeURIComponent(call.call_id)}`;

  const leave = () => {
    held.current.socket?.close();
    held.current.sound?.close();
    held.current = {};
    change({ listens: false, talks: false });
  };
  useEffect(() => leave, []);

  const join = async (talks) => {
    leave();
    try {
      const sound = await Sound.open({
        microphone: talks,
        gatherMs: GATHER_MS,
        onFrame: (pcm) => held.current.socket?.media(pcm),
      });
      const socket = new CallSocket(`/dashboard/listen/${encodeURIComponent(call.call_id)}${talks ? "?talk=1" : ""}`, {
        start: call.call_id,
        onMedia: (pcm, track) => sound.play(pcm, track),
        onClear: (track) => sound.clear(track),
        onEnd: ({ opened }) => {
          if (held.current.socket === socket) leave();
          if (!opened) change({ fault: "This call cannot be listened to." });
        },
      });
      held.current = { sound, socket };
      change({ listens: true, talks, fault: "" });
    } catch (error) {
      change({ fault: error.message });
    }
  };
  const say = async (event) => {
    event.preventDefault();
    try {
      await post(`${path}/say`, { text: line });
      setLine("");
      change({ fault: "" });
    } catch (error) {
      change({ fault: error.message });
    }
  };
  return html`<div class="operator">
    <div class="row">
      <button class="plain" aria-pressed=${state.listens && !state.talks} onClick=${() => (state.listens && !state.talks ? leave() : join(false))}>${state.listens && !state.talks ? "Stop listening" : "Listen in"}</button>
      ${state.talks || call.taken
        ? html`<button class="plain strong" disabled=${!state.talks} onClick=${leave}>${state.talks ? "Hand back to the agent" : "A colleague has this call"}</button>`
        : html`<button class="plain" onClick=${() => join(true)}>Take over</button>`}
    </div>
    <form class="row say" onSubmit=${say}>
      <input aria-label="A line for the agent to say" placeholder="Have the agent say …" maxlength="500" value=${line} onInput=${(event) => setLine(event.target.value)} />
      <button class="plain" disabled=${!line.trim() || call.taken}>Say it</button>
    </form>
    ${state.talks && html`<p class="hint" role="status">The caller hears you. The agent is quiet, and is told afterwards what was said.</p>`}
    ${state.fault && html`<p class="fault" role="alert">${state.fault}</p>`}
  </div>`;
}
