// Microphone and loudspeaker of a page, and the socket that brings them to a call.

const FRAME_MS = 20;

const REFUSED = {
  NotAllowedError: "The microphone was not allowed. The browser's settings for this page can change that.",
  NotFoundError: "There is no microphone. Plug one in and try again.",
  NotReadableError: "The microphone cannot be used: another program may have it.",
  OverconstrainedError: "There is no microphone that fits.",
};

/** Sound in and out. microphone false: it only plays. */
export class Sound {
  static async open({ microphone = true, muted = false, gatherMs = {}, onFrame, onMark, onLevels, onGone }) {
    if (!window.AudioWorkletNode || (microphone && !navigator.mediaDevices)) {
      throw new Error("This browser gives no microphone to a page that came over plain http: use https or localhost.");
    }
    const context = new AudioContext({ latencyHint: "interactive" });
    const sound = new Sound(context);
    try {
      await context.audioWorklet.addModule("/assets/worklet.js");
      if (microphone) {
        const wanted = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
        sound.stream = await navigator.mediaDevices.getUserMedia({ audio: wanted });
      }
      await context.resume();
    } catch (error) {
      await sound.close();
      throw microphone && REFUSED[error.name] ? new Error(REFUSED[error.name]) : error;
    }
    for (const track of sound.stream?.getTracks() ?? []) track.onended = () => onGone?.();
    const node = new AudioWorkletNode(context, "call-sound", {
      numberOfInputs: 1,
      numberOfOutputs: 1,
      outputChannelCount: [1],
      processorOptions: { muted, gatherMs },
    });
    node.port.onmessage = ({ data }) => {
      if (data.frame) onFrame?.(data.frame);
      else if (data.mark !== undefined) onMark?.(data.mark);
      else onLevels?.(data.levels);
    };
    sound.node = node;
    if (sound.stream) context.createMediaStreamSource(sound.stream).connect(node);
    node.connect(context.destination);
    return sound;
  }

  constructor(context) {
    this.context = context;
  }

  play(pcm, track = "line") {
    this.node?.port.postMessage({ track, play: pcm }, [pcm.buffer]);
  }

  mark(mark, track = "line") {
    this.node?.port.postMessage({ track, mark });
  }

  clear(track = "line") {
    this.node?.port.postMessage({ track, clear: true });
  }

  set muted(muted) {
    this.node?.port.postMessage({ muted });
  }

  async close() {
    this.node?.port.postMessage({ close: true });
    this.node?.disconnect();
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    if (this.context.state !== "closed") await this.context.close();
  }
}

export function decode(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new Int16Array(bytes.buffer, 0, bytes.length >> 1);
}

export function encode(pcm) {
  return btoa(String.fromCharCode(...new Uint8Array(pcm.buffer)));
}

/** One call's socket. The wire is that of patter_cli/carriers/browser/stream.py. */
export class CallSocket {
  constructor(path, { start, onMedia, onMark, onClear, onTold, onJoined, onUnheard, onOpen, onEnd }) {
    const secure = location.protocol === "https:";
    this.socket = new WebSocket(`${secure ? "wss" : "ws"}://${location.host}${path}`);
    this.sequence = 0;
    this.opened = false;
    this.socket.onopen = () => {
      this.opened = true;
      this.send({ event: "start", call: start });
      onOpen?.();
    };
    this.socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.event === "media") onMedia?.(decode(message.payload), message.track);
      else if (message.event === "mark") onMark?.(message.name);
      else if (message.event === "clear") onClear?.(message.track);
      else if (message.event === "told") onTold?.(message);
      else if (message.event === "joined") onJoined?.(message.talks);
      else if (message.event === "unheard") onUnheard?.();
    };
    this.socket.onclose = ({ wasClean, reason }) => onEnd?.({ opened: this.opened, clean: wasClean, reason });
  }

  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  media(pcm) {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    const head = `{"event":"media","seq":${this.sequence + 1},"at":${this.sequence * FRAME_MS},"payload":"`;
    this.sequence += 1;
    this.socket.send(`${head}${encode(pcm)}"}`);
  }

  close() {
    this.send({ event: "stop" });
    this.socket.close();
  }
}
