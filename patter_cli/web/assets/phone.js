// The softphone's call: one at a time, from the press of the button to the end. It knows nothing of what is drawn.

import { LiveCall } from "./live_call.js";
import { CallSocket, Sound } from "./sound.js";

export const IDLE = "idle";
export const ASKING = "asking"; // for the microphone
export const CALLING = "calling";
export const TALKING = "talking";
export const ENDED = "ended";

const START = { state: IDLE, fault: "", muted: false, told: null, began: 0, keys: "", near: 0, far: 0 };

export class Phone {
  /** onChange: is told after every change; ask `view` what it is. */
  constructor(onChange) {
    this.onChange = onChange;
    this.view = START;
  }

  change(part) {
    this.view = { ...this.view, ...part };
    this.onChange(this.view);
  }

  get busy() {
    return [ASKING, CALLING, TALKING].includes(this.view.state);
  }

  /** ticket: makes {path, call} of the call's socket once the microphone is there. */
  async call(ticket) {
    if (this.busy) return;
    const call = (this.latest = {}); // whoever hangs up while we wait has ended this one
    this.leaves = false;
    this.change({ ...START, state: ASKING });
    try {
      const sound = await Sound.open({
        onFrame: (pcm) => this.socket?.media(pcm),
        onMark: (name) => this.socket?.send({ event: "mark", name }),
        onLevels: ({ near, far }) => this.busy && this.change({ near, far }),
        onGone: () => this.change({ fault: "The microphone is gone: the agent hears nothing." }),
      });
      if (this.latest !== call) return void sound.close();
      this.sound = sound;
      this.change({ state: CALLING });
      const made = await ticket();
      if (this.latest !== call) return;
      this.socket = new CallSocket(made.path, {
        start: made.call,
        onOpen: () => this.change({ state: TALKING, began: Date.now() }),
        onMedia: (pcm) => this.sound?.play(pcm),
        onMark: (name) => this.sound?.mark(name),
        onClear: () => this.sound?.clear(),
        onTold: ({ facts }) => this.read(facts),
        onEnd: ({ opened, clean, reason }) => {
          if (!opened) this.end(reason || "The call was refused.");
          else this.end(clean || this.leaves ? "" : "The connection was lost, and the call with it.");
        },
      });
    } catch (error) {
      if (this.latest === call) this.end(error.message);
    }
  }

  /** What is said on this call, as the server tells its page. */
  read(facts) {
    const told = this.view.told ?? new LiveCall({ state: "connecting" });
    for (const each of facts) told.take(each.what, each);
    this.change({ told });
  }

  end(fault = "") {
    this.latest = null;
    this.sound?.close();
    this.sound = this.socket = null;
    this.change({ state: ENDED, fault, near: 0, far: 0 });
  }

  hangUp() {
    this.leaves = true;
    if (this.socket) this.socket.close();
    else this.end();
  }

  mute(muted) {
    if (this.sound) this.sound.muted = muted;
    this.change({ muted });
  }

  press(digit) {
    this.socket?.send({ event: "key", digit });
    this.change({ keys: (this.view.keys + digit).slice(-24) });
  }
}
