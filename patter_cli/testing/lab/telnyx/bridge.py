"""Two legs that hear each other, by their lines."""

from __future__ import annotations

from patter_cli.audio.frame import ULAW_8K
from patter_cli.contracts.carrier.stream import MediaOut
from patter_cli.testing.lab.line import Line, Source


class _Ear:
    """What one line's person says, played on the other line."""

    def __init__(self, other: Line) -> None:
        self._other = other
        self.mouthpiece: Source | None = None
        """Where the other line takes it from."""

    def media(self, payload: bytes, at_ms: int) -> None:
        if self.mouthpiece is not None:
            self._other.take(self.mouthpiece, MediaOut(payload))

    def mark(self, name: str) -> None:
        """Nothing here asks for one."""

    def key(self, digit: str) -> None:
        self._other.press_for_agent(digit)


class Bridge:
    """Joins two lines until it is taken apart. Whatever else played on them is heard no more."""

    def __init__(self, one: Line, other: Line) -> None:
        self._one, self._other = one, other
        to_other, to_one = _Ear(other), _Ear(one)
        self._of_one, self._of_other = one.attach(to_other, ULAW_8K), other.attach(to_one, ULAW_8K)
        to_other.mouthpiece, to_one.mouthpiece = self._of_other, self._of_one

    def part(self) -> None:
        """Each is alone again."""
        self._one.detach(self._of_one)
        self._other.detach(self._of_other)
