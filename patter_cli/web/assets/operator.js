// What somebody who is signed in may do in a call that goes on: listen, have a line said, talk in the agent's place.

import { html, useEffect, useRef, useState } from "./vendor/preact-htm.js";
import { post } from "./api.js";
import { CallSocket, Sound } from "./sound.js";

const GATHER_MS = { caller: 80, agent: 20 };
const TAKES_MS = 4000; // for the server to say that the call is ours
const WHY_MS = 500; // for our own socket to say why it no longer is
const APART = { asks: false, hears: false, talks: false, granted: false, fault: "", near: 0 };

const SAYS = {
  theirs: "A colleague has this call. You hear both sides.",
  refused: "The call cannot be taken over at this moment.",
  back: "The agent has the call again.",
  unheard: "No sound came from this page, so the agent has the call again. Is the microphone still there?",
  cut: "The connection was lost. A call that you had taken over is the agent's again.",
  gone: "The microphone is gone.",
};

export function Operator({ call }) {
  const [line, setLine] = useState("");
  const [state, setState] = useState(APART);
  const held = useRef({}); // sound, socket
  const had = useRef(false); // the call has been ours
  const latest = useRef(null); // what was pressed last; whoever has left since wants it no more
  const change = (part) => setState((before) => ({ ...before, ...part }));
  const path = `/calls/${encodeURIComponent(call.call_id)}`;

  const leave = (fault = "") => {
    const { socket, sound } = held.current;
    held.current = {};
    had.current = false;
    latest.current = null;
    socket?.close();
    sound?.close();
    setState({ ...APART, fault });
  };
  useEffect(() => () => leave(), []);

  /** It takes a moment until the call is ours; and others may end it: who hangs up, or puts the caller through. */
  const ours = state.talks && state.granted && call.taken;
  useEffect(() => {
    if (!state.talks) return undefined;
    if (ours) return void (had.current = true);
    const [text, ms] = had.current ? [SAYS.back, WHY_MS] : [SAYS.refused, TAKES_MS];
    const timer = setTimeout(() => leave(text), ms);
    return () => clearTimeout(timer);
  }, [state.talks, ours]);

  const join = async (talks) => {
    const pressed = (latest.current = {});
    change({ asks: true, fault: "" });
    try {
      const sound = await Sound.open({
        microphone: talks,
        gatherMs: GATHER_MS,
        onFrame: (pcm) => held.current.socket?.media(pcm),
        onLevels: ({ near }) => held.current.sound === sound && talks && change({ near }),
        onGone: () => held.current.sound === sound && leave(SAYS.gone),
      });
      if (latest.current !== pressed) return void sound.close();
      leave();
      let unheard = false;
      const socket = new CallSocket(`/dashboard/listen/${encodeURIComponent(call.call_id)}${talks ? "?talk=1" : ""}`, {
        start: call.call_id,
        onJoined: (granted) => held.current.socket === socket && talks && change(granted ? { granted } : { talks: false, fault: SAYS.theirs }),
        onMedia: (pcm, track) => sound.play(pcm, track),
        onClear: (track) => sound.clear(track),
        onUnheard: () => (unheard = true),
        onEnd: ({ opened, clean }) => {
          if (held.current.socket !== socket) return;
          leave(!opened ? "This call cannot be listened to." : unheard ? SAYS.unheard : clean ? "" : SAYS.cut);
        },
      });
      held.current = { sound, socket };
      change({ hears: true, talks });
    } catch (error) {
      if (latest.current === pressed) change({ asks: false, fault: error.message });
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
  const listens = state.hears && !state.talks;
  return html`<div class="operator">
    <div class="row">
      ${!state.talks && html`<button class="plain" disabled=${state.asks} aria-pressed=${listens} onClick=${() => (listens ? leave() : join(false))}>${listens ? "Stop listening" : "Listen in"}</button>`}
      ${state.talks
        ? html`<button class="plain strong" onClick=${() => leave()}>Hand back to the agent</button>`
        : html`<button class="plain" disabled=${call.taken || state.asks} onClick=${() => join(true)}>${call.taken ? "A colleague has this call" : "Take over"}</button>`}
      ${state.talks && html`<span class="meter near" aria-hidden="true"><i style=${{ width: `${Math.min(100, state.near * 140)}%` }}></i></span>`}
    </div>
    <form class="row say" onSubmit=${say}>
      <input aria-label="A line for the agent to say" placeholder="Have the agent say …" maxlength="500" value=${line} onInput=${(event) => setLine(event.target.value)} />
      <button class="plain" disabled=${!line.trim() || call.taken}>Say it</button>
    </form>
    ${state.talks && html`<p class="hint" role="status">${ours ? "The caller hears you. The agent is quiet, and is told what was said." : "The agent hands the call over …"}</p>`}
    ${state.fault && html`<p class="fault" role="alert">${state.fault}</p>`}
  </div>`;
}
