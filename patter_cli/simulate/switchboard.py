"""Who can be reached from a line of our own: people with a number, who answer a transfer and talk, or refuse it.

ring() ---- RING_MS ----> answers: says its first line, then one more each time the caller has spoken
      \\--- busy, no answer, no such number ---> refused: the caller is back with the agent
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from patter_cli.audio.frame import Samples
from patter_cli.contracts.carrier.stream import CarrierMessage, LineCodec
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


class TransferLine(LineCodec, Protocol):
    """A line whose server asks for transfers over the stream itself."""

    def wanted_number(self, message: CarrierMessage) -> str:
        """The E.164 number that the server wants the caller to be connected to."""

    def transfer_reply(self, message: CarrierMessage, refused: str) -> str:
        """Say what became of the transfer that a message asked for. refused: why nobody has it; "": it was answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A transfer rings no longer. refused: why; "" when a human has the caller. reply: what the server is told."""

    number: str
    refused: str
    reply: str


class Switchboard:
    """One call's transfers. Times are ms of call time."""

    def __init__(self, codec: TransferLine, humans: Sequence[Human] = ()) -> None:
        """codec: the line's, which writes the replies. Without humans every transfer is refused."""
        self._codec = codec
        self._humans = {human.number: human for human in humans}
        self._wish: CarrierMessage | None = None
        self._number = ""
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

    def ring(self, wish: CarrierMessage, now_ms: float) -> None:
        """The agent wants somebody. While one is rung, others are not."""
        if self.ringing or self.talking:
            return
        self._number = self._codec.wanted_number(wish)
        human = self._humans.get(self._number)
        rings_ms = 0 if human is None else NO_ANSWER_MS if human.refuses == "no answer" else RING_MS
        self._wish, self.began_ms, self._due_ms = wish, now_ms, now_ms + rings_ms

    def settle(self, now_ms: float) -> Settled | None:
        """What became of the transfer that rings, once it is known."""
        wish = self._wish
        if wish is None or now_ms < self._due_ms:
            return None
        self._wish = None
        human = self._humans.get(self._number)
        refused = "no such number" if human is None else human.refuses
        if human is not None and not refused:
            self.talking = True
            self._lines = list(human.lines)
        return Settled(number=self._number, refused=refused, reply=self._codec.transfer_reply(wish, refused))

    def next_line(self, now_ms: float, said: Sequence[SaidAudio]) -> Samples | None:
        """What the human says now, if anything. said: what the caller has said by now."""
        if not self._lines:
            return None
        if self._heard is not None and (len(said) == self._heard or now_ms < said[-1].end_ms + PAUSE_MS):
            return None
        self._heard = len(said)
        return self._lines.pop(0)
