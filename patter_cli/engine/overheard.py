"""A call's line as whoever looks on hears it, and as a colleague talks into it: one comparison a frame for nobody."""

from __future__ import annotations

from typing import Final, Protocol

from patter_cli.audio.frame import Samples
from patter_cli.audio.resample import Resampler
from patter_cli.audio.wire import WireCodec
from patter_cli.contracts.carrier.stream import AudioLine
from patter_cli.engine.clock import CallClock

HEARD_HZ: Final = 16_000
"""What onlookers hear and talk at, whatever the line speaks."""


class OnlookersEar(Protocol):
    """Somebody who hears a call. Samples: int16, shape (n,), at HEARD_HZ. Nothing here blocks or raises."""

    def caller(self, samples: Samples) -> None:
        """What the line brought."""

    def agent(self, samples: Samples) -> None:
        """What the caller is sent, perhaps well ahead of when they hear it."""

    def cut(self) -> None:
        """What of that has not been played is not heard."""

    def over(self) -> None:
        """The call is."""

    def unheard(self) -> None:
        """They had taken the call over, and no sound came of them: it is the agent's again, and they are let go."""


class ToldOfPlayout(Protocol):
    """Who has to know what the caller's phone plays."""

    def sent(self, payload: bytes, start_ms: float) -> float:
        """Wire audio that plays from start_ms of call time on."""


class OverheardLine:
    """One call's AudioLine, with ears beside it."""

    def __init__(self, line: AudioLine, wire: WireCodec, clock: CallClock, *told: ToldOfPlayout) -> None:
        """told: of what the caller's phone plays of a colleague, as of us: an echo canceller, a recording."""
        self._line = line
        self._wire = wire
        self._clock = clock
        self._told = told
        self._ears: dict[OnlookersEar, tuple[Resampler, Resampler]] = {}
        """Each with what makes its caller's and its agent's samples."""
        self._from_colleague = Resampler(HEARD_HZ, wire.rate_hz)
        self.passes = False
        """A colleague is heard by the caller."""

    # --- as the agent's way to the caller ------------------------------------------------------------------------

    def media(self, payload: bytes) -> None:
        self._line.media(payload)
        if self._ears:
            self._tell_agent(payload)

    def mark(self, name: str) -> None:
        self._line.mark(name)

    def clear(self) -> None:
        self._line.clear()
        for ear in self._ears:
            ear.cut()

    # --- for whoever looks on ------------------------------------------------------------------------------------

    def join(self, ear: OnlookersEar) -> None:
        """They hear the call from now on."""
        rate_hz = self._wire.rate_hz
        self._ears[ear] = Resampler(rate_hz, HEARD_HZ), Resampler(rate_hz, HEARD_HZ)

    def leave(self, ear: OnlookersEar) -> bool:
        """They do no longer. False: they did not."""
        return self._ears.pop(ear, None) is not None

    def heard(self, payload: bytes) -> None:
        """The caller's audio, as it came."""
        if self._ears:
            samples = self._wire.decode(self._wire.whole(payload))
            for ear, (caller, _) in self._ears.items():
                ear.caller(caller.process(samples))

    def speak(self, samples: Samples, mouth: OnlookersEar) -> None:
        """A colleague's voice, at HEARD_HZ, in real time: the caller hears it as it comes. mouth: whose it is."""
        if self.passes:
            payload = self._wire.encode(self._from_colleague.process(samples))
            self._line.media(payload)
            for each in self._told:
                each.sent(payload, self._clock.now_ms())
            self._tell_agent(payload, beside=mouth)

    def close(self) -> None:
        """The call is over."""
        ears, self._ears = list(self._ears), {}
        for ear in ears:
            ear.over()

    def _tell_agent(self, payload: bytes, *, beside: OnlookersEar | None = None) -> None:
        samples = self._wire.decode(payload)
        for ear, (_, agent) in self._ears.items():
            if ear is not beside:
                ear.agent(agent.process(samples))
