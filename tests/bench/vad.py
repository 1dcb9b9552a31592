"""What a window of voice detection costs, and how well it hears: `python -m tests.bench.vad`.

The speech is that of the moonshine-voice package, brought to the telephone (8 kHz mu-law). Its pauses are labelled
by level: speech lies within 20 dB of the loud windows, a pause 40 dB below them.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

import numpy as np

from patter_cli.audio import tone
from patter_cli.audio.frame import Samples
from patter_cli.audio.g711 import decode_ulaw, encode_ulaw
from patter_cli.audio.resample import resample_all
from patter_cli.audio.vad import VadPolicy, VoiceDetector, VoiceStarted
from patter_cli.audio.wav import read_wav
from patter_cli.providers.silero import VoiceModel

POLICIES = {
    "default": VadPolicy(),
    "no shortcut for strong windows": VadPolicy(strong_probability=1.1),
    "no skipping of silence": VadPolicy(silent_db=-200.0, floor_cap_db=-200.0),
}


def main() -> None:
    """Print the tables."""
    for rate_hz in (8000, 16000):
        model = VoiceModel(rate_hz=rate_hz)
        costs = ", ".join(f"{cost_us(model, n):.0f} us at batch {n}" for n in (1, 16, 64, 100))
        print(f"one window at {rate_hz} Hz: {costs}")
    for name in ("two_cities", "beckett", "endgame_nagg_nell"):
        clip = speech(name)
        for gain_db in (0, -15):
            quiet = telephone(np.rint(clip * 10.0 ** (gain_db / 20.0)).astype(np.int16))
            for rate_hz in (8000, 16000):
                for title, policy in POLICIES.items():
                    print(f"{name} {gain_db} dB, {rate_hz} Hz, {title}: {heard(quiet, rate_hz, policy)}")
    sounds = {
        "keys": tone.dtmf("0123456789*#ABCD", 8000),
        "ringback": tone.ringback(12000, 8000),
        "busy": tone.busy(6000, 8000),
        "hold music": tone.hold_music(16000, 8000),
        "white noise": tone.white_noise(10000, 8000, seed=1, level_db=-20),
        "pink noise": tone.pink_noise(10000, 8000, seed=2, level_db=-20),
    }
    for title, sound in sounds.items():
        print(f"{title}: {heard(telephone(sound), 8000, VadPolicy())}")


def cost_us(model: VoiceModel, batch: int) -> float:
    """The median time of a window when `batch` calls are scored in one run."""
    windows = (np.random.default_rng(0).standard_normal((batch, model.window_samples)) * 0.1).astype(np.float32)
    states = [model.initial_state()] * batch
    times = []
    for _ in range(60):
        begun = perf_counter()
        _, states = model.score(windows, states)
        times.append(perf_counter() - begun)
    return float(np.median(times[10:])) / batch * 1e6


def heard(clip: Samples, rate_hz: int, policy: VadPolicy) -> str:
    """Hit and false alarm rates of windows, edges, and how soon the edges come, in one line."""
    model = VoiceModel(rate_hz=rate_hz)
    detector = VoiceDetector(policy, rate_hz=rate_hz, window_samples=model.window_samples)
    state = model.initial_state()
    samples = clip if rate_hz == 8000 else resample_all(clip, 8000, rate_hz)
    levels, probabilities, start_delays, edges, scored = [], [], [], 0, 0
    for window in detector.windows(samples):
        probability = 0.0
        if not window.silent:
            scored += 1
            result, (state,) = model.score(window.samples[np.newaxis], [state])
            probability = float(result[0])
        edge = detector.decide(probability, window.end_ms)
        if edge is not None:
            edges += 1
        if isinstance(edge, VoiceStarted):
            start_delays.append(window.end_ms - edge.onset_ms)
        levels.append(10.0 * np.log10(np.mean(window.samples**2) + 1e-12))
        probabilities.append(probability)
    level, voiced = np.array(levels), np.array(probabilities) > policy.on_probability
    loud = np.percentile(level, 95)
    speech_hit = 100.0 * np.mean(voiced[level > loud - 20])
    pause = level < loud - 40
    false = f"{100.0 * np.mean(voiced[pause]):.1f} %" if pause.any() else "-"
    delay = f", start told after {np.mean(start_delays):.0f} ms" if start_delays else ""
    return f"hit {speech_hit:.1f} %, false {false}, {edges} edges, {100 * scored // len(level)} % scored{delay}"


def speech(name: str) -> Samples:
    """A clip of the moonshine-voice package at 8 kHz."""
    spec = find_spec("moonshine_voice")
    folders = spec.submodule_search_locations if spec else None
    assert folders, "pip install 'patter-cli[local]'"
    samples, rate_hz = read_wav(Path(folders[0], "assets", f"{name}.wav"))
    return resample_all(samples, rate_hz, 8000)


def telephone(samples: Samples) -> Samples:
    """Through mu-law and back."""
    return decode_ulaw(encode_ulaw(samples))


if __name__ == "__main__":
    main()
