// The sound of a call, on the browser's audio thread: the microphone at 16 kHz in frames of 20 ms, and what is heard.
//
// Several tracks are mixed (who listens in hears both sides). A track is a queue of samples and marks; a mark is
// reported when all before it has been played, or was cleared.

const WIRE_HZ = 16000;
const FRAME = 320;
const CROSSINGS = 12; // of the filter, on each side
const FINE = 64; // steps of its table between two crossings
const LEVEL_EVERY_S = 0.05;

/** Any rate to any other: a windowed sinc, read from a table. */
class Resampler {
  constructor(from, to) {
    this.step = from / to;
    this.cutoff = Math.min(1, to / from);
    this.half = Math.ceil(CROSSINGS / this.cutoff);
    this.kept = new Float32Array(this.half);
    this.at = this.half;
    this.table = new Float32Array(CROSSINGS * FINE + 2);
    for (let i = 0; i <= CROSSINGS * FINE; i++) {
      const x = i / FINE;
      const sinc = x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
      this.table[i] = sinc * (0.5 + 0.5 * Math.cos((Math.PI * x) / CROSSINGS));
    }
  }

  process(samples) {
    if (this.step === 1) return samples.slice();
    const all = new Float32Array(this.kept.length + samples.length);
    all.set(this.kept);
    all.set(samples, this.kept.length);
    const made = [];
    while (this.at + this.half < all.length) {
      const first = Math.ceil(this.at - this.half);
      const last = Math.floor(this.at + this.half);
      let sum = 0;
      for (let n = Math.max(0, first); n <= last; n++) {
        const place = Math.abs(n - this.at) * this.cutoff * FINE;
        const index = place | 0;
        if (index < CROSSINGS * FINE) {
          sum += all[n] * (this.table[index] + (this.table[index + 1] - this.table[index]) * (place - index));
        }
      }
      made.push(sum * this.cutoff);
      this.at += this.step;
    }
    const from = Math.max(0, Math.floor(this.at) - this.half - 1);
    this.kept = all.slice(from);
    this.at -= from;
    return Float32Array.from(made);
  }
}

class Track {
  constructor(gatherMs) {
    this.gather = (gatherMs * sampleRate) / 1000;
    this.resampler = new Resampler(WIRE_HZ, sampleRate);
    this.queue = [];
    this.waiting = 0; // samples
    this.runs = false;
  }

  play(pcm) {
    const samples = new Float32Array(pcm.length);
    for (let i = 0; i < pcm.length; i++) samples[i] = pcm[i] / 32768;
    const made = this.resampler.process(samples);
    this.queue.push({ samples: made, at: 0 });
    this.waiting += made.length;
  }

  clear() {
    const marks = this.queue.filter((each) => each.mark !== undefined).map((each) => each.mark);
    this.queue = [];
    this.waiting = 0;
    this.runs = false;
    this.resampler = new Resampler(WIRE_HZ, sampleRate);
    return marks;
  }

  /** Adds what is next to `out`; returns the marks that were passed. */
  mix(out) {
    const passed = [];
    this.runs = this.runs || this.waiting >= this.gather || this.queue.some((each) => each.mark !== undefined);
    let filled = 0;
    while (this.runs && this.queue.length && filled <= out.length) {
      const next = this.queue[0];
      if (next.mark !== undefined) {
        passed.push(next.mark);
        this.queue.shift();
        continue;
      }
      if (filled === out.length) break;
      const count = Math.min(out.length - filled, next.samples.length - next.at);
      for (let i = 0; i < count; i++) out[filled + i] += next.samples[next.at + i];
      next.at += count;
      filled += count;
      this.waiting -= count;
      if (next.at >= next.samples.length) this.queue.shift();
    }
    if (!this.queue.length) this.runs = false;
    return passed;
  }
}

class CallSound extends AudioWorkletProcessor {
  constructor(options) {
    super();
    this.microphone = new Resampler(sampleRate, WIRE_HZ);
    this.frame = new Int16Array(FRAME);
    this.filled = 0;
    this.muted = Boolean(options.processorOptions?.muted);
    this.tracks = new Map();
    this.gatherMs = options.processorOptions?.gatherMs ?? {};
    this.levels = { near: 0, far: 0 };
    this.toldAt = 0;
    this.open = true;
    this.port.onmessage = ({ data }) => this.take(data);
  }

  track(name) {
    if (!this.tracks.has(name)) this.tracks.set(name, new Track(this.gatherMs[name] ?? 0));
    return this.tracks.get(name);
  }

  take(message) {
    if (message.play) this.track(message.track).play(message.play);
    else if (message.mark !== undefined) this.track(message.track).queue.push({ mark: message.mark });
    else if (message.clear) this.tell(this.track(message.track).clear());
    else if (message.muted !== undefined) this.muted = message.muted;
    else if (message.close) this.open = false;
  }

  tell(marks) {
    for (const mark of marks) this.port.postMessage({ mark });
  }

  process(inputs, outputs) {
    const heard = inputs[0]?.[0];
    if (heard) this.hear(heard);
    const out = outputs[0][0];
    for (const track of this.tracks.values()) this.tell(track.mix(out));
    for (const sample of out) this.levels.far = Math.max(this.levels.far, Math.abs(sample));
    for (const other of outputs[0].slice(1)) other.set(out);
    if (currentTime - this.toldAt > LEVEL_EVERY_S) {
      this.toldAt = currentTime;
      this.port.postMessage({ levels: this.levels });
      this.levels = { near: 0, far: 0 };
    }
    return this.open;
  }

  hear(samples) {
    for (const sample of this.microphone.process(samples)) {
      const loud = this.muted ? 0 : Math.max(-1, Math.min(1, sample));
      this.levels.near = Math.max(this.levels.near, Math.abs(loud));
      this.frame[this.filled++] = Math.round(loud * 32767);
      if (this.filled === FRAME) {
        this.port.postMessage({ frame: this.frame }, [this.frame.buffer]);
        this.frame = new Int16Array(FRAME);
        this.filled = 0;
      }
    }
  }
}

registerProcessor("call-sound", CallSound);
