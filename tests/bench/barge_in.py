"""How soon the agent is silent when the caller speaks over her: `python -m tests.bench.barge_in [-n 20]`.

n calls to the receptionist, in a process of its own. Each caller lets the greeting play for a while, another while
each time, and speaks over it: the second local voice, or a human recording. Onset is the first voiced 20 ms of what
was said, `clear` is what arrives on the caller's end of the wire. Printed as well: how the time was spent (dating the
onset, being sure of it, the rest of the threshold, the way to the wire), whether anything of the old reply came after
the clear, and how many words the history is off: against the share of the greeting that the line's own playout clock
played, and against what a recogniser makes of the recording.

Then the detector alone, without a call, over the beginnings of every installed human prompt, clean and with noise:
far more onsets than calls can be held, and what decides is how late it dates them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from patter_cli import wiring
from patter_cli.audio.frame import FRAME_MS, Samples
from patter_cli.audio.g711 import ULAW_SILENCE, decode_ulaw, encode_ulaw
from patter_cli.audio.resample import resample_all
from patter_cli.audio.vad import VoiceDetector, VoiceStarted
from patter_cli.audio.wav import read_channel, read_wav
from patter_cli.carriers.twilio.stream import TwilioLine
from patter_cli.contracts.carrier.stream import ClearOut, LineMessage, MediaOut
from patter_cli.contracts.vad import VoiceModel
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.journal import Entry
from patter_cli.core.playback import heard_prefix
from patter_cli.engine.batched_vad import GATHER_S
from patter_cli.engine.speak import TtsCache
from patter_cli.server.run import run
from patter_cli.simulate.caller import LineCaller
from patter_cli.simulate.overheard import overhear
from patter_cli.simulate.playout import VOICED_PEAK
from patter_cli.text.compare import normalised_words
from tests.bench.receptionist import (
    Sentence,
    Served,
    line,
    mixed,
    receptionist,
    recorded,
    spoken,
    wall_ms_at_zero,
    wall_ms_now,
)
from tests.bench.stt import PROMPTS, prompts

THRESHOLD_MS = 300
ALLOWED_MS = 60
FIRST_AFTER_MS, LAST_AFTER_MS = 400, 3800
"""How much of the greeting is heard before the caller cuts in."""
STAY_S = 6.0
"""How long the caller waits for an answer after cutting in, at most."""
NEVER = float("nan")

Kind = TypeVar("Kind", bound=order.Command)


class Tap(TwilioLine):
    """The line's end of the wire, which notes what came and when."""

    def __init__(self) -> None:
        super().__init__()
        self.came: list[tuple[float, LineMessage]] = []
        """(wall ms, message)."""

    def receive(self, text: str) -> LineMessage:
        """Read what the server sent."""
        message = super().receive(text)
        self.came.append((time.time() * 1000, message))
        return message


@dataclass(frozen=True, slots=True)
class CutIn:
    """One interruption; moments in ms of wall time."""

    sentence: Sentence
    after_ms: int
    onset: float
    cleared: float
    dated: float
    sure: float
    stopped: float
    """When the server dated the onset, was sure of it, and ordered silence."""
    stray_ms: float
    """Audio of the old reply that came after the clear."""
    resumed: bool
    history: str
    by_clock: str
    by_ear: str

    @property
    def took_ms(self) -> float:
        """From the onset to the clear on the wire; nan if none came."""
        return self.cleared - self.onset


async def cut_in(served: Served, sentence: Sentence, after_ms: int, recording: Path) -> CutIn:
    """One call: interrupt the greeting."""
    tap = Tap()
    caller = LineCaller(served.url, tap, record_to=recording)
    async with caller:
        zero = wall_ms_now(caller.now_ms)
        await caller.wait_for(lambda: caller.ear.voiced_ms >= after_ms, 8.0)
        said = caller.say(sentence.samples)
        await caller.wait_for(lambda: caller.mouth.answered_ms[0] is not None, STAY_S)
    entries = await served.journal()
    cleared = next((at for at, message in tap.came if isinstance(message, ClearOut)), NEVER)
    dated, sure, stopped = _moments(entries)
    resumed = any(isinstance(each, order.ResumePlayback) for entry in entries for each in entry.commands)
    by_clock, by_ear = "", ""
    if not np.isnan(cleared):
        by_clock, by_ear = await _heard(entries, recording, cleared - zero)
    return CutIn(
        sentence=sentence,
        after_ms=after_ms,
        onset=zero + said.start_ms + onset_ms(sentence.samples),
        cleared=cleared,
        dated=dated,
        sure=sure,
        stopped=stopped,
        stray_ms=0.0 if resumed or np.isnan(cleared) else await _stray_ms(entries, tap, cleared),
        resumed=resumed,
        history=next((each.text for each in _orders(entries, order.ReportTranscript) if each.role == "assistant"), ""),
        by_clock=by_clock,
        by_ear=by_ear,
    )


def onset_ms(samples: Samples) -> float:
    """Where the first 4 ms lie that are at most 30 dB below the loudest 20 ms."""
    whole = samples.astype(np.float64)
    loudest = np.max(np.mean(whole[: len(whole) // 160 * 160].reshape(-1, 160) ** 2, axis=1))
    power = np.mean(whole[: len(whole) // 32 * 32].reshape(-1, 32) ** 2, axis=1)
    return 4.0 * int(np.flatnonzero(power > loudest / 1000.0)[0])


def _orders(entries: Sequence[Entry], kind: type[Kind]) -> list[Kind]:
    return [each for entry in entries for each in entry.commands if isinstance(each, kind)]


def _moments(entries: Sequence[Entry]) -> tuple[float, float, float]:
    """When the server dated the first voice, was sure of it, and stopped for it."""
    zero = wall_ms_at_zero(entries)
    dated = sure = stopped = NEVER
    for entry in entries:
        if isinstance(entry.event, fact.SpeechStarted) and np.isnan(dated):
            dated, sure = zero + entry.event.at_ms, zero + entry.at
        if any(isinstance(each, (order.PausePlayback, order.ClearPlayback)) for each in entry.commands):
            return dated, sure, zero + entry.at
    return dated, sure, stopped


async def _stray_ms(entries: Sequence[Entry], tap: Tap, cleared: float) -> float:
    """Audio of the greeting that came after the clear: told by its bytes, which are the same in every process."""
    _, voice = wiring.built_in_speech()
    book = TtsCache()
    texts = [each.text for each in _orders(entries, order.Speak) if each.response_id == 1]
    await book.prepare(voice, texts, language="en")
    greeting = b"".join(book.get(voice, text) or b"" for text in texts)
    played = [(at, message.payload) for at, message in tap.came if isinstance(message, MediaOut)]
    assert all(payload in greeting for at, payload in played if at < cleared), "the greeting sounds otherwise"
    return sum(len(payload) / 8 for at, payload in played if at > cleared and payload in greeting and _sounds(payload))


def _sounds(payload: bytes) -> bool:
    """Not only silence, of which every reply has some."""
    return payload.count(ULAW_SILENCE) < len(payload)


async def _heard(entries: Sequence[Entry], recording: Path, cleared_ms: float) -> tuple[str, str]:
    """What of the greeting was heard up to the clear: by the line's playout clock, and by a recogniser's ear."""
    agent, rate_hz = read_channel(recording, 1)
    begin_ms = int(np.flatnonzero(np.abs(agent.astype(np.int32)) >= VOICED_PEAK)[0]) * 1000 // rate_hz
    # The line plays whole frames: the one on its way when the clear comes is heard to its end.
    end_ms = (int(cleared_ms // FRAME_MS) + 1) * FRAME_MS
    lengths, times = [], {}
    for each in entries:
        match each.event:
            case fact.ClauseVoiced(response_id=1, duration_ms=length_ms):
                lengths.append(length_ms)
            case fact.WordsTimed(response_id=1, clause=clause, starts_ms=starts, ends_ms=ends):
                times[clause] = list(zip(starts, ends, strict=True))
    texts = [each.text for each in _orders(entries, order.Speak) if each.response_id == 1]
    left_ms = end_ms - begin_ms
    words: list[str] = []
    for clause, (text, length_ms) in enumerate(zip(texts, lengths, strict=False)):
        words.append(heard_prefix(text, left_ms, length_ms, times[clause]))
        left_ms -= length_ms
    ears, _ = wiring.built_in_speech()
    # `overhear` listens a little longer on either side; the line is silent there.
    heard = await overhear(ears, agent[: end_ms * rate_hz // 1000], rate_hz, [(begin_ms, end_ms)])
    return " ".join(filter(None, words)), heard[0].text


def report(cuts: Sequence[CutIn], *, show: bool) -> None:
    """Print the figures; show: and the words."""
    clocks, ears = [], []
    for cut in cuts:
        words = len(normalised_words(cut.history))
        clocks.append(words - len(normalised_words(cut.by_clock)))
        ears.append(words - len(normalised_words(cut.by_ear)))
        trouble = "  RESUMED" if cut.resumed else f"  {cut.stray_ms:.0f} ms AFTER CLEAR" if cut.stray_ms else ""
        print(
            f"{cut.took_ms:4.0f} ms: dated {cut.dated - cut.onset:4.0f}, sure {cut.sure - cut.onset:4.0f}, "
            f"stopped {cut.stopped - cut.onset:4.0f}, words off {clocks[-1]:+} {ears[-1]:+}, "
            f"after {cut.after_ms} ms: {cut.sentence.title}{trouble}"
        )
        if show:
            print(f"    history: {cut.history}\n    clock:   {cut.by_clock}\n    ear:     {cut.by_ear}")
    heard = [each for each in cuts if not np.isnan(each.took_ms)]
    print(line("onset to clear, all", [each.took_ms for each in heard]))
    print(line("onset to clear, second voice", [each.took_ms for each in heard if not each.sentence.human]))
    print(line("onset to clear, recorded humans", [each.took_ms for each in heard if each.sentence.human]))
    print(line("the server dates the onset late by", [each.dated - each.onset for each in heard]))
    print(line("it is sure of a voice after", [each.sure - each.onset for each in heard]))
    print(line("it stops after its date plus threshold", [e.stopped - e.dated - THRESHOLD_MS for e in heard]))
    print(line("the clear takes", [each.cleared - each.stopped for each in heard]))
    print(f"no clear: {len(cuts) - len(heard)}; taken for a false alarm, reply resumed: {sum(c.resumed for c in cuts)}")
    print(f"old audio after the clear: {sum(each.stray_ms for each in cuts):.0f} ms in all calls")
    for title, off in (("the line's playout clock", clocks), ("a recogniser's ear", ears)):
        exact, near = sum(each == 0 for each in off), sum(abs(each) <= 1 for each in off)
        print(
            f"words of the history against {title}: {exact} of {len(off)} exact, {near} within one, "
            f"from {min(off):+} to {max(off):+}"
        )
    limit, p95 = THRESHOLD_MS + ALLOWED_MS, float(np.percentile([each.took_ms for each in heard], 95))
    print(f"target: p95 at most {limit} ms: {'met' if p95 <= limit else 'MISSED'}, {p95:.0f}")


def detect(model: VoiceModel, clip: Samples) -> tuple[float, float]:
    """When the first voice of a clip is dated, and when the detector is sure of it, ms; nan if it hears none."""
    detector, state = VoiceDetector(rate_hz=model.rate_hz, window_samples=model.window_samples), model.initial_state()
    for window in detector.windows(clip):
        probability = 0.0
        if not window.silent:
            (scored,), (state,) = model.score(window.samples[np.newaxis], [state])
            probability = float(scored)
        edge = detector.decide(probability, window.end_ms)
        if isinstance(edge, VoiceStarted):
            return edge.onset_ms, window.end_ms
    return NEVER, NEVER


def report_detector() -> None:
    """Print how soon a clear would come for each of the human prompts, at three places between two windows."""
    model, rng = wiring.voice_model(), np.random.default_rng(1)
    names = sorted(prompts())[::3]
    for noise_db in (None, -45.0, -35.0):
        took_ms = []
        for name in names:
            samples, rate_hz = read_wav(PROMPTS / f"{name}.wav")
            clip = resample_all(samples, rate_hz, 8000)
            for shift_ms in (0, 11, 22):
                begin_ms = 300 + shift_ms
                whole = np.concatenate([np.zeros(begin_ms * 8), clip[: int(onset_ms(clip) + 900) * 8]])
                if noise_db is not None:
                    whole += rng.normal(0.0, 32768 * 10 ** (noise_db / 20), len(whole))
                heard = decode_ulaw(encode_ulaw(whole.clip(-32768, 32767).astype(np.int16)))
                dated, sure = detect(model, heard)
                took_ms.append(max(dated + THRESHOLD_MS, sure + GATHER_S * 1000) - begin_ms - onset_ms(clip))
        missed = sum(map(np.isnan, took_ms))
        late = sum(each > THRESHOLD_MS + ALLOWED_MS for each in took_ms)
        title = f"detector alone, {'clean' if noise_db is None else f'noise at {noise_db:.0f} dB'}"
        print(line(title, [each for each in took_ms if not np.isnan(each)]))
        if took_ms:
            print(f"  over {THRESHOLD_MS + ALLOWED_MS} ms: {100 * late / len(took_ms):.1f} %, not heard: {missed}")


async def _measure(count: int, *, show: bool) -> None:
    sentences = mixed(await spoken(), recorded(), count)
    cuts = []
    with receptionist() as served, tempfile.TemporaryDirectory() as place:
        for index, sentence in enumerate(sentences):
            after_ms = FIRST_AFTER_MS + (LAST_AFTER_MS - FIRST_AFTER_MS) * index // max(1, count - 1)
            # Not always at the same place between two frames of the line.
            shifted = np.concatenate([np.zeros(7 * index % 20 * 8, np.int16), sentence.samples])
            cut = await cut_in(served, replace(sentence, samples=shifted), after_ms, Path(place, f"{index}.wav"))
            cuts.append(cut)
    report(cuts, show=show)
    report_detector()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=20, help="calls")
    parser.add_argument("--show", action="store_true", help="print the words too")
    options = parser.parse_args()
    run(_measure(options.n, show=options.show))


if __name__ == "__main__":
    main()
