"""Who can be reached from a line of our own: people with a number, who answer a transfer and talk, or refuse it.

ring() ---- RING_MS ----> answers: says its first line, then one more each time the caller has spoken
      \\--- busy, no answer, no such number ---> refused: the caller is back with the agent
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from patter_cli.audio.frame import Samples
from patter_cli.contracts.carrier.stream import TransferCodec, TransferOut, TransferReply
from patter_cli.simulate.mouth import SaidAudio

RING_MS: Final = 1000
NO_ANSWER_MS: Final = 3000
"""So long it rings before we know that nobody comes; the loopback control waits for five seconds."""

PAUSE_MS: Final = 500
"""From the caller's last word to the answer."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Human:
    """Somebody with a telephone. lines: what they say, int16, 8 kHz. refuses: "busy" or "no answer", if they do."""

    number: str
    lines: tuple[Samples, ...] = ()
    refuses: str = ""


class Switchboard:
    """One call's transfers. Times are ms of call time."""

    def __init__(self, codec: TransferCodec, humans: Sequence[Human] = ()) -> None:
        """codec: the line's, which writes the replies. Without humans every transfer is refused."""
        self.codec = codec
        self._humans = {human.number: human for human in humans}
        self._wish: TransferOut | None = None
        self._due_ms = 0.0
        self._lines: list[Samples] = []
        self._heard: int | None = None
        """How many of the caller's utterances there were when the human last spoke; None: they have not yet."""
        self.began_ms = 0.0
        """When it last began to ring."""
        self.talking = False
        """A human has the caller now."""

    @property
    def ringing(self) -> bool:
        return self._wish is not None

    def ring(self, wish: TransferOut, now_ms: float) -> None:
        """The agent wants somebody. While one is rung, others are not."""
        if self.ringing or self.talking:
            return
        human = self._humans.get(wish.number)
        rings_ms = 0 if human is None else NO_ANSWER_MS if human.refuses == "no answer" else RING_MS
        self._wish, self.began_ms, self._due_ms = wish, now_ms, now_ms + rings_ms

    def settle(self, now_ms: float) -> tuple[TransferOut, TransferReply] | None:
        """What became of the transfer that rings, once it is known."""
        wish = self._wish
        if wish is None or now_ms < self._due_ms:
            return None
        self._wish = None
        human = self._humans.get(wish.number)
        if human is None or human.refuses:
            why = human.refuses if human is not None else "no such number"
            return wish, TransferReply(request=wish.request, refused=why)
        self.talking = True
        self._lines = list(human.lines)
        return wish, TransferReply(request=wish.request)

    def next_line(self, now_ms: float, said: Sequence[SaidAudio]) -> Samples | None:
        """What the human says now, if anything. said: what the caller has said by now."""
        if not self._lines:
            return None
        if self._heard is not None and (len(said) == self._heard or now_ms < said[-1].end_ms + PAUSE_MS):
            return None
        self._heard = len(said)
        return self._lines.pop(0)
