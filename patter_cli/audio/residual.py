"""What an adaptive filter leaves of an echo, turned down where the caller is not speaking.

Theory of operation. In each of BANDS bands we know what the line brings after the filter (E) and what the filter took
away (Y). While nothing but echo is on the line, E / Y is how much the filter leaves; that ratio is learned. Later it
says how much of E is still echo, and the band is turned down by so much, with something to spare. Where the caller
speaks, E is many times what the filter leaves, and the gain is 1. No decision "double talk or not" is taken.

The gains become a short filter of minimum phase: the voice is not delayed by a single sample. Between two blocks
the filters are cross-faded. The line's own noise is never turned down below what it is without us, else the voice
detector would hear a hole each time the agent speaks.
"""

from __future__ import annotations

import numpy as np

from patter_cli.audio.signal import Signal, power

BANDS = 20
"""200 Hz apart on a telephone line."""
FLOOR = 0.01
"""The least power gain: -20 dB."""
WARY_FLOOR = 0.001
"""The power gain while everything is taken for echo: -30 dB."""
SPARE = 4.0
"""How many times the expected rest is taken off: speech moves about its average by 6 dB."""
ECHO_ALONE = 0.85
"""From this share of the line's power explained by the filter on, nobody else is speaking."""
LEARN = 0.95
"""How much of the learned ratio is kept a block: 0.4 s."""
FADE = 0.5
"""How much of the expected rest is left a block later: the tail of a room that is longer than the filter."""
UNTOUCHED = 0.96
"""Gains above it, in power, are left alone."""
GUESS, GUESS_FALL, LEAST_GUESS = 1.0, 0.92, 0.1
"""E / Y before anything was learned: all of it, and less with each block that the filter learns, down to -10 dB."""
BELIEF = 4.0
"""How many blocks of learning the guess is worth."""
QUIET = 20.0
"""Below this rms there is nothing to learn from."""
ABOVE_NOISE = 3.0
"""What is less than this many times the noise floor is noise and not the echo's rest; the floor follows the least."""
QUIETEST = 0.25
"""The share of the first second that is taken for noise alone."""
NOISE_SMOOTH = 0.2
"""The floor follows the least of a level smoothed over five blocks: single blocks of noise dip by 10 dB."""
NOISE_RISE = 1.005
"""How fast the noise floor may rise a block: 1 dB/s."""


class ResidualSuppressor:
    """One call's."""

    def __init__(self, rate_hz: int) -> None:
        self._size = 256 * rate_hz // 8000
        self._taps = self._size * 3 // 8
        self._past: Signal = np.zeros((2, self._size))
        """The last samples after the filter, and of what it took away."""
        at = np.arange(self._size)
        self._window: Signal = np.sin(np.pi * (at + 0.5) / self._size)
        bins = self._size // 2 + 1
        centres = np.linspace(0, bins - 1, BANDS)
        self._spread: Signal = np.maximum(
            0.0, 1 - np.abs(np.arange(bins)[:, None] - centres) / (centres[1] - centres[0])
        )
        """Bands to bins, shape (bins, BANDS): straight lines from centre to centre."""
        self._gather: Signal = self._spread / self._spread.sum(axis=0)
        self._left: Signal = np.full(BANDS, GUESS)
        self._taken: Signal = np.ones(BANDS)
        self._guessing = True
        self._rest: Signal = np.zeros(BANDS)
        self._noise: Signal = np.full(BANDS, np.inf)
        self._level: Signal = np.zeros(BANDS)
        self._gains: Signal = np.ones(BANDS)
        self._through: Signal = np.zeros(self._taps)
        self._through[0] = 1.0
        self._filter = self._through

    def begin(self, line: Signal) -> None:
        """Learn the line's noise from what it brought so far, shape (n,), before there is anything to turn down."""
        count = len(line) // self._size
        pieces = line[len(line) - count * self._size :].reshape(count, self._size)
        heard = power(np.fft.rfft(pieces * self._window)) @ self._gather
        heard = heard[pieces.any(axis=1)]
        if len(heard):
            self._noise = np.quantile(heard, QUIETEST, axis=0)
            self._level = heard.mean(axis=0)

    def process(self, error: Signal, taken: Signal, explained: float, *, wary: bool = False) -> Signal:
        """Turn the rest of the echo down.

        error: shape (n,), n up to 20 ms, after the adaptive filter. taken: what it took away. explained: the share
        0..1 of the line's power that is echo, by correlation. wary: take all of it for echo, the caller's voice too.
        Returns shape (n,); `error` itself while there is nothing to do.
        """
        count = len(error)
        self._past[:, :-count] = self._past[:, count:]
        self._past[0, -count:] = error
        self._past[1, -count:] = taken
        after, before = power(np.fft.rfft(self._past * self._window)) @ self._gather
        self._level += NOISE_SMOOTH * (after - self._level)
        self._noise = np.minimum(self._noise * NOISE_RISE, self._level)
        if float(taken @ taken) > count * QUIET**2:
            if explained > ECHO_ALONE:
                if self._guessing:
                    self._left, self._taken = self._left * BELIEF * before, BELIEF * before
                self._left = LEARN * self._left + np.maximum(after - ABOVE_NOISE * self._noise, 0)
                self._taken = LEARN * self._taken + before
                self._guessing = False
            elif self._guessing:
                self._left = np.maximum(self._left * GUESS_FALL, LEAST_GUESS)
        self._rest = np.maximum(self._rest * FADE, self._left / self._taken * before)
        gains = np.maximum(1 - SPARE * self._rest / (after + 1), FLOOR)
        if wary:
            gains[:] = WARY_FLOOR
        gains = np.maximum(gains, np.minimum(1, self._noise / (after + 1)))
        self._gains = 0.3 * self._gains + 0.7 * gains
        former, self._filter = self._filter, self._through
        if self._gains.min() < UNTOUCHED:
            self._filter = self._minimum_phase(np.sqrt(self._gains))
        elif former is self._through:
            return error
        heard = np.fft.rfft(self._past[0])
        shaped = np.fft.irfft(heard * np.fft.rfft(np.stack((former, self._filter)), self._size), self._size)[:, -count:]
        fade = np.arange(1, count + 1) / count
        blended: Signal = shaped[0] + (shaped[1] - shaped[0]) * fade
        return blended

    def _minimum_phase(self, gains: Signal) -> Signal:
        """The impulse response of these gains with the least delay, by folding the cepstrum."""
        half = self._size // 2
        cepstrum = np.fft.irfft(np.log(self._spread @ gains), self._size)
        cepstrum[1:half] *= 2
        cepstrum[half + 1 :] = 0
        response: Signal = np.fft.irfft(np.exp(np.fft.rfft(cepstrum)), self._size)[: self._taps]
        return response
