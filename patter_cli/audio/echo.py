"""Our own voice, taken out of what the line brings: a delay, an adaptive filter, and what the filter leaves.

Theory of operation. What we play comes back 20-500 ms later, through the caller's phone and room:

    far  --[ bulk delay: DelayFinder ]--[ room: filter_taps ]--> echo
    near = echo + caller + noise;    out = near - estimated echo, its rest turned down by ResidualSuppressor

The room is learned by NLMS, a block (20 ms at most) at a time and in the frequency domain, each bin normalised by its
own power: speech is strongly coloured, and the plain time-domain form learns only its loudest frequencies quickly.
With X the transform of the last taps + block samples of delayed far, and e the block's error,

    w += step_size * taps-long part of  ifft( conj(X) fft(e) / P )       P: |X|^2, averaged, scaled to taps samples

so that step_size 1 is the projection that would explain the block entirely, were X white.

Two filters share the transform. The background filter learns all the time; the foreground filter, which is heard,
only takes over the background's weights when those have proved better for some blocks, and is not used at all when
the line is quieter without it. So whatever drives the background astray (the caller over the agent, another room)
cannot be heard, and before an echo was found what the line brings is passed on bit by bit. A foreground that knew the
room and suddenly makes it worse, or leaves much of an utterance's beginning, is first tried a little earlier and later:
carriers begin each utterance as they like.

The caller speaking is told by rho, the correlation of near with the background's estimate: 1 when there is nothing
but an echo that we know, sqrt(1/2) when the caller is as loud as it. Below double_talk_rho nothing is learned, but when
that lasts for STUCK_MS of our voice, it may be another room as well, and learning starts anew in the background.

The first WARY_MS of a call's first echo are an exception to "the caller is not hurt": the filter knows a few vowels of
the room by then, and what it leaves would sound like somebody speaking. All of it is turned down, once a call.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from patter_cli.audio.delay import MOVED_SAMPLES, REACH_MS, DelayFinder, best_match
from patter_cli.audio.echo_trust import PAUSE_MS, EchoTrust
from patter_cli.audio.frame import Samples
from patter_cli.audio.residual import ResidualSuppressor
from patter_cli.audio.signal import Signal, Spectrum, fast_size, power, to_samples
from patter_cli.audio.wire import LineAudio
from patter_cli.errors import InputError

BLOCK_MS = 20
EARLY_MS = 4
"""How much of the filter lies before the strongest reflection, which is the one that the finder finds."""
AUDIBLE = 30.0
"""Below this rms far is silence: -61 dB."""
LOUD = 1e-3
"""We learn from far within 30 dB of its loudest: the breath between two words teaches the noise of the line."""
FORGET_LOUDEST = 0.9995
"""How much of the loudest is kept a block: half in 28 s."""
RAISED = 4.0
"""Far this many times its loudest so far begins the warm-up again: it was spent on a breath."""
REHEARSE_MS, AGAIN_MS = 400, 60
"""How much of the past is learned from once more: when the delay is found for the first time, so that a call's first
echo is short, and with each block of the warm-up. Source: tests/bench/echo.py, as for the numbers below."""
WARY_MS = 800
"""How much of a call's first echo is turned down by 30 dB, whoever speaks: the filter knows too little of the room yet,
and the agent must not be interrupted by its own first words."""
STUCK_MS = 500
"""How long rho may be too low before it is taken for another room."""
CLEAR = 0.9
"""From this rho on nobody else is speaking, and each block is learned from twice."""
SMOOTH = 0.7
"""How much of powers and correlations is kept a block: 56 ms."""
PROVED, FAILED = 0.8, 2.0
"""The background's error power against what is heard: below, it is taken over; above, it starts again from there."""
WORSE, BETTER = 1.3, 0.95
"""The foreground's error power against the line's: above, it is muted; below, heard again. Between, the caller's voice
and the estimate may look alike by chance."""
KNOWN = 0.05
"""The foreground's error power against the line's, below which it knows the room: 13 dB."""
POOR = 0.2
"""The same, above which it does not, at the beginning of an utterance: a millisecond beside the place where it was, it
still takes out half of a vowel. Source: tests/bench/phantoms.py, a speakerphone."""
NEARBY_MS, MATCHED_MS, SEARCH_MS, ALIKE = 24, 60, 300, 0.85
"""How far, in how much of the line, and for how long an echo that was lost is looked for nearby; and the correlation
with its estimate that finds it. A carrier begins to play each utterance a little early or late."""
REGULAR = 1e-3
"""Of the mean bin's power, added to each: bins outside of the voice are not divided by nothing."""


DEFAULT_TAPS = 512


class NlmsEchoCanceller:
    """One call's canceller; keeps contracts.echo.EchoCanceller. About 0.25 ms a frame and 0.16 MB."""

    def __init__(
        self,
        sample_rate: int = 16000,
        filter_taps: int = DEFAULT_TAPS,
        step_size: float = 0.1,
        warmup_step_size: float = 0.5,
        warmup_seconds: float = 0.5,
        leakage: float = 0.9999,
        double_talk_rho: float = 0.6,
    ) -> None:
        """sample_rate: 8000 or 16000 Hz. filter_taps: the length of the room, 64 ms at 8 kHz by default.

        step_size: 0..1, once warm; warmup_step_size: during the first warmup_seconds of our voice and after a
        change of the echo's delay or path. leakage: what a weight keeps a block. double_talk_rho: 0..1, below
        it the caller is speaking. Raises InputError for anything else.
        """
        if sample_rate not in (8000, 16000):
            raise InputError(f"the echo canceller works at 8000 or 16000 Hz, not {sample_rate}")
        if not 16 <= filter_taps <= 8192:
            raise InputError(f"filter_taps is 16 to 8192, not {filter_taps}")
        for name, share in (("step_size", step_size), ("warmup_step_size", warmup_step_size), ("leakage", leakage)):
            if not 0 < share <= 1:
                raise InputError(f"{name} is above 0 and at most 1, not {share}")
        if not 0 <= double_talk_rho <= 1 or not 0 <= warmup_seconds < math.inf:
            raise InputError("double_talk_rho is 0 to 1, warmup_seconds not negative")
        self._warmup_s = warmup_seconds
        self._taps = filter_taps
        self._step = step_size
        self._warmup_step = warmup_step_size
        self._warmup = int(warmup_seconds * sample_rate)
        self._leakage = leakage
        self._rho = double_talk_rho
        self._block = sample_rate * BLOCK_MS // 1000
        self._early = sample_rate * EARLY_MS // 1000
        self._stuck = sample_rate * STUCK_MS // 1000
        self._rate_hz = sample_rate
        self._size = fast_size(filter_taps + self._block)
        past = sample_rate * (REACH_MS + REHEARSE_MS) // 1000 + self._size
        self._far: Samples = np.zeros(past, np.int16)
        self._near: Samples = np.zeros(past, np.int16)
        self._silent = past
        """Samples since far was last anything but zero."""
        self._finder = DelayFinder(sample_rate)
        self._bulk: int | None = None
        self._suppressor = ResidualSuppressor(sample_rate)
        self._weights: Signal = np.zeros(filter_taps)
        self._filters: Spectrum = np.zeros((2, self._size // 2 + 1), np.complex128)
        """Foreground and background."""
        self._power: Signal = np.zeros(self._size // 2 + 1)
        self._loudest = 0.0
        self._warm = 0
        """Samples of our voice learned from since learning began."""
        self._doubtful = 0
        """Samples of our voice with rho too low, in a row."""
        self._search = sample_rate * SEARCH_MS // 1000
        self._lost = 0
        """Samples of our voice since the foreground was muted."""
        self._wary = 0
        """Samples of our voice yet to come back before the caller can be told from it."""
        self._trust = EchoTrust(sample_rate)
        self._anew = 0
        """Samples of our voice for which an utterance that has just begun may be elsewhere."""
        self._room: Spectrum | None = None
        """The last foreground that fitted so well that it can be recognised in another place."""
        self._heard = False
        """Whether the foreground is subtracted."""
        self._near_power = self._fore_power = self._back_power = self._estimate_power = self._overlap = 0.0

    @property
    def trusted(self) -> bool:
        """Whether a voice in what was given last is the caller's: our echo has been learned, or cannot be there."""
        return self._trust.trusts(self._bulk)

    @property
    def delay_ms(self) -> float | None:
        """The bulk delay that was found; None before."""
        samples = self._finder.samples
        return None if samples is None else samples * 1000 / self._rate_hz

    @property
    def heavy(self) -> bool:
        """Always; a far that is silent for long costs little."""
        return True

    def passes(self, near: LineAudio, sounds: bool, played: Callable[[int], Samples]) -> bool:
        """Never: what was played before may still come back."""
        return False

    def for_line(self, sample_rate: int) -> NlmsEchoCanceller:
        """A new one, tuned as this one, for a line of this rate; a room that was measured keeps its length in ms."""
        taps = self._taps
        if taps != DEFAULT_TAPS:
            taps = min(8192, max(16, taps * sample_rate // self._rate_hz))
        return NlmsEchoCanceller(
            sample_rate=sample_rate,
            filter_taps=taps,
            step_size=self._step,
            warmup_step_size=self._warmup_step,
            warmup_seconds=self._warmup_s,
            leakage=self._leakage,
            double_talk_rho=self._rho,
        )

    def process(self, near: Samples, far: Samples) -> Samples:
        """Take our echo out of what the line brings; see contracts/echo.py. Any length, best in frames of 20 ms."""
        if near.shape != far.shape or near.ndim != 1:
            return near
        if len(near) <= self._block:
            return self._process(near, far) if len(near) else near
        cuts = range(self._block, len(near), self._block)
        return np.concatenate(list(map(self._process, np.split(near, cuts), np.split(far, cuts))))

    def _process(self, near: Samples, far: Samples) -> Samples:
        count = len(near)
        sounds = bool(far.any())
        if sounds and self._silent > self._block * PAUSE_MS // BLOCK_MS:
            self._anew = self._search
        self._trust.played(count, sounds=sounds, delay=self._bulk)
        self._silent = 0 if sounds else self._silent + count
        line = near.astype(np.float64)
        self._trust.brought(float(line @ line) / count, count)
        if self._silent > len(self._far):
            return near
        for past, now in ((self._far, far), (self._near, near)):
            past[:-count] = past[count:]
            past[-count:] = now
        if self._finder.push(line, far.astype(np.float64)):
            self._believe_finder()
        if self._bulk is None or not near.any():
            return near  # of a frame that was lost there is nothing to learn, and nothing of us to take out
        played = self._delayed(0)
        loudness = float(played @ played) / self._size
        if loudness > RAISED * self._loudest:
            self._warm = 0
        self._loudest = max(self._loudest * FORGET_LOUDEST, loudness)
        speaking = loudness > max(AUDIBLE**2, LOUD * self._loudest)
        if loudness == 0.0 and not self._heard:
            return near
        spectrum = np.fft.rfft(played)
        estimates = np.fft.irfft(spectrum * self._filters, self._size)[:, -count:]
        errors = line - estimates
        before = errors[0] if self._heard else line
        after = before
        explained = 0.0
        if speaking:
            rho = self._measure(line, errors, estimates[1])
            explained = rho * rho
            after = self._choose(line, errors)
            self._learn(spectrum, errors[1], rho)
            self._wary = max(0, self._wary - count)
            if self._heard:
                taken = line - after
                self._trust.took_out(float(taken @ taken) / count)
        wary = speaking and self._wary > 0
        if after is before and not self._heard and not wary:
            return near
        out = before + (after - before) * (np.arange(1, count + 1) / count) if after is not before else after
        return to_samples(self._suppressor.process(out, line - out, explained, wary=wary))

    def _believe_finder(self) -> None:
        """The delay was found, or has changed: the same room, most likely, in another place."""
        found = self._finder.samples
        assert found is not None
        bulk = max(0, found - self._early)
        if self._bulk is None:
            self._bulk = bulk
            self._suppressor.begin(self._near.astype(np.float64))
            self._wary = self._rate_hz * WARY_MS // 1000
            self._rehearse(REHEARSE_MS, self._warmup_step)
        elif abs(bulk - self._bulk) > MOVED_SAMPLES:
            self._bulk = bulk
            self._trust.lost()
            self._warm = self._doubtful = 0

    def _realign(self) -> bool:
        """Look for the same room a little earlier or later, as each new utterance may begin. Whether it was found."""
        if self._room is None or self._bulk is None:
            return False
        reach = min(self._block * NEARBY_MS // BLOCK_MS, self._bulk)
        line = self._near[-self._block * MATCHED_MS // BLOCK_MS :].astype(np.float64)
        end = len(self._far) - self._bulk + reach
        played = self._far[end - len(line) - 2 * reach - self._taps : end].astype(np.float64)
        size = fast_size(len(played))
        room = np.fft.irfft(self._room, self._size)[: self._taps]
        estimate = np.fft.irfft(np.fft.rfft(played, size) * np.fft.rfft(room, size), size)[self._taps : len(played)]
        at, likeness = best_match(line, estimate)
        if likeness < ALIKE:
            return False
        self._bulk += reach - at
        self._filters[0] = self._room
        self._restart(self._room)
        return True

    def _rehearse(self, past_ms: int, step: float) -> None:
        """Learn again from what has been heard already."""
        for back in range(self._rate_hz * past_ms // 1000, 0, -self._block):
            line = self._near[len(self._near) - back - self._block : len(self._near) - back].astype(np.float64)
            if not line.any():
                continue
            spectrum = np.fft.rfft(self._delayed(back))
            error = line - np.fft.irfft(spectrum * self._filters[1], self._size)[-self._block :]
            self._adapt(spectrum, error, step)

    def _delayed(self, back: int) -> Signal:
        """What was played, up to the moment whose echo came `back` samples ago."""
        assert self._bulk is not None
        end = len(self._far) - self._bulk - back
        return self._far[end - self._size : end].astype(np.float64)

    def _measure(self, line: Signal, errors: Signal, estimate: Signal) -> float:
        """Follow the powers. Returns rho."""
        new = 1 - SMOOTH
        self._near_power += new * (float(line @ line) - self._near_power)
        self._fore_power += new * (float(errors[0] @ errors[0]) - self._fore_power)
        self._back_power += new * (float(errors[1] @ errors[1]) - self._back_power)
        self._estimate_power += new * (float(estimate @ estimate) - self._estimate_power)
        self._overlap += new * (float(line @ estimate) - self._overlap)
        return max(0.0, self._overlap) / (math.sqrt(self._near_power * self._estimate_power) + 1e-9)

    def _choose(self, line: Signal, errors: Signal) -> Signal:
        """What is heard from here on: the line without the foreground's estimate, the background's, or with neither."""
        best = min(self._near_power, self._fore_power)
        if self._back_power < PROVED * best:
            self._filters[0] = self._filters[1]
            self._fore_power = self._back_power
            self._heard = True
            background: Signal = errors[1]
            return background
        if not self._back_power <= FAILED * best:
            self._restart(self._filters[0] * (self._fore_power <= WORSE * self._near_power))
            self._back_power = best
        if self._fore_power > WORSE * self._near_power:
            self._lose(len(line))
        elif self._fore_power < BETTER * self._near_power:
            self._heard = True
            if self._fore_power < KNOWN * self._near_power:
                self._room = self._filters[0].copy()
            elif self._anew > 0 and self._fore_power > POOR * self._near_power and self._realign():
                self._fore_power = self._back_power = KNOWN * self._near_power
            self._anew -= len(line)
        foreground: Signal = errors[0]
        return foreground if self._heard else line

    def _lose(self, count: int) -> None:
        """The foreground makes it worse: be silent about it, look nearby, and let finder and background look anew."""
        if self._heard:
            self._heard = False
            self._trust.lost()
            self._believe_finder()
            self._finder.doubt()
            self._warm = self._lost = 0
        self._lost += count
        if self._lost <= self._search and self._realign():
            self._fore_power = self._near_power
            self._warm = self._warmup
            self._lost = self._search

    def _restart(self, response: Spectrum) -> None:
        """Let the background begin again from here."""
        self._filters[1] = response
        self._weights = np.fft.irfft(response, self._size)[: self._taps]

    def _learn(self, spectrum: Spectrum, error: Signal, rho: float) -> None:
        """One step of the background, unless the caller is speaking."""
        warm = self._warm >= self._warmup
        self._warm += len(error)
        if not warm or rho >= self._rho:
            self._doubtful = 0
            self._adapt(spectrum, error, self._step if warm else self._warmup_step)
            if not warm:
                self._rehearse(AGAIN_MS, self._warmup_step)
            elif rho > CLEAR:
                self._rehearse(BLOCK_MS, self._step)
            return
        self._doubtful += len(error)
        if self._doubtful > self._stuck:
            self._warm = self._doubtful = 0
            self._believe_finder()

    def _adapt(self, spectrum: Spectrum, error: Signal, step: float) -> None:
        """One step of the background towards what would have left less of the block."""
        now = power(spectrum)
        self._power *= SMOOTH
        self._power += (1 - SMOOTH) * now
        scale = np.maximum(self._power, now)
        scale += REGULAR * float(scale.mean()) + 1e-9
        padded = np.zeros(self._size)
        padded[-len(error) :] = error  # so that the transform's wrapped beginning has no error
        gradient = np.fft.irfft(spectrum.conj() * np.fft.rfft(padded) / scale, self._size)[: self._taps]
        self._weights *= self._leakage
        # A block longer than the filter asks each weight more than once.
        self._weights += step * self._size / max(self._taps, self._block) * gradient
        self._filters[1] = np.fft.rfft(self._weights, self._size)
