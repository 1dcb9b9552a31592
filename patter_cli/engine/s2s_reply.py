"""One reply of a speech-to-speech engine as the shell keeps it: its name, our number, its sound as wire audio."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from patter_cli.audio.frame import Samples
from patter_cli.audio.resample import Resampler
from patter_cli.audio.wire import WireCodec
from patter_cli.core.events import Ms
from patter_cli.core.inflow import Inflow, Item

GREW_MS = 1000
"""How much more sound of a span is worth telling."""


@dataclass(slots=True)
class VendorReply:
    """One reply. Its sound is resampled and encoded as it comes; whole ms are counted over all of an item."""

    name: str | None
    """The vendor's; None once the session that knows it is gone."""
    handle: str
    """What the machine calls it until it has a number: its name, or more where that was used before."""
    inflow: Inflow[bytes]
    wire: WireCodec
    resampler: Resampler
    number: int | None = None
    """Its response_id, once it was accepted."""
    early: list[Callable[[int], None]] = field(default_factory=list)
    """What is to be told under its number, in order."""
    calls: list[str] = field(default_factory=list)
    """Tool calls of ours (tool_…) that it made before it had a number."""
    sending: bool = True
    """The vendor may still send something of it."""
    failed: str = ""
    announced: set[str] = field(default_factory=set)
    times: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    """(starts, ends) of the words of each item, as far as the vendor knows them."""
    told_ms: dict[str, int] = field(default_factory=dict)
    """How much sound of each item the machine knows of."""
    heard: set[int] = field(default_factory=set)
    """Clauses whose first sound was handed out."""
    broken: bool = False
    """It was told that a rule is broken."""
    finished: bool = False
    """It was told that all of it has come."""
    _bytes: int = 0

    def tell(self, say: Callable[[int], None]) -> None:
        """Say something under its number, now or when it gets one."""
        if self.number is None:
            self.early.append(say)
        else:
            say(self.number)

    def accept(self, number: int) -> None:
        """The machine gave it a number: everything that waited for it is told."""
        self.number = number
        early, self.early = self.early, []
        for say in early:
            say(number)

    def take(self, item: str, samples: Samples, now: Ms) -> Item[bytes] | None:
        """The next sound of an item. The item, None if nothing of it is taken."""
        return self._take(item, self.resampler.process(samples), now)

    def flush(self, now: Ms) -> None:
        """What the resampler still holds belongs to the last item."""
        if self.inflow.items and not self.inflow.items[-1].voiced:
            self._take(self.inflow.items[-1].name, self.resampler.flush(), now)

    def _take(self, item: str, samples: Samples, now: Ms) -> Item[bytes] | None:
        if not len(samples):
            return next((each for each in self.inflow.items if each.name == item), None)
        payload = self.wire.encode(samples)
        per_ms = self.wire.bytes_per_ms
        before_ms = self._bytes // per_ms
        self._bytes += len(payload)
        return self.inflow.audio(item, payload, self._bytes // per_ms - before_ms, now)

    def grown(self, item: Item[bytes]) -> bool:
        """There is so much more of an item that it is worth telling."""
        if item.received_ms - self.told_ms.get(item.name, 0) < GREW_MS:
            return False
        self.told_ms[item.name] = item.received_ms
        return True
