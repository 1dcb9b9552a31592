"""Call events for somebody's own server: which there are, and what each says. A fold over a call's journal.

    {"id": "C1:ended", "event": "call.ended", "time": 1790000000.123, "call": {...}, ...}

    call.started    somebody rings us, or we ring somebody       call.ended      outcome, reason, duration_s, turns,
    call.answered   the line is up                                               transcript, usd, known_usd
    call.transferred  the caller is put through: number          call.recorded   recording_id, url, duration_ms

The id is the same whenever the same thing is told again, so that whoever takes it can tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import DialRequested, RecordingReady
from patter_cli.core.journal import Entry
from patter_cli.observe.cost import LIST_PRICES, CostFold
from patter_cli.observe.happenings import Happenings
from patter_cli.observe.prices import PriceTable

KINDS: Final = ("started", "answered", "transferred", "ended", "recorded")


class Notices:
    """Of one call. Feed it the entries in order."""

    def __init__(self, call_id: str, prices: PriceTable = LIST_PRICES) -> None:
        self._call_id = call_id
        self._happenings = Happenings(call_id)
        self._cost = CostFold(prices)
        self._call: dict[str, Any] = {"call_id": call_id}
        self._said: list[dict[str, Any]] = []
        self._began_ms: int | None = None
        self._began_at: float | None = None
        self._transfer = ""
        self._ended: dict[str, Any] | None = None
        """What is told of its end, once what it cost is known."""
        self.over = False
        """Nothing comes any more but a recording."""

    def feed(self, entry: Entry) -> Iterator[dict[str, Any]]:
        """Take one entry; what is to be told because of it, JSON values."""
        self._cost.feed(entry)
        event = entry.event
        if isinstance(event, RecordingReady):
            facts = {"recording_id": event.recording_id, "url": event.url, "duration_ms": event.duration_ms}
            yield self._notice("recorded", entry.at, facts)
        for each in self._happenings.feed(entry):
            yield from self._take(each)
        if isinstance(event, fact.CallConnected) and self._began_ms is None:
            self._began_ms = entry.at
            self._call["carrier_call_id"] = event.carrier_call_id
            yield self._notice("answered", entry.at, {})
        for command in entry.commands:
            if isinstance(command, order.Transfer):
                self._transfer = command.number
        if isinstance(event, fact.TransferFinished):
            yield self._notice("transferred", entry.at, {"number": self._transfer})
        # Usage is told after the end, the line's last of all.
        if self._ended is not None and (isinstance(event, fact.LineUsed) or self._began_ms is None):
            ended, self._ended, self.over = self._ended, None, True
            self._said.clear()
            cost = self._cost.render()
            yield self._notice("ended", ended.pop("at_ms"), {**ended, **{k: cost[k] for k in ("usd", "known_usd")}})

    def _take(self, happened: dict[str, Any]) -> Iterator[dict[str, Any]]:
        match happened["what"]:
            case "started":
                names = ("agent", "caller", "callee", "direction", "carrier")
                self._call |= {name: happened[name] for name in names}
                self._began_at = happened["time"]
                yield self._notice("started", happened["at_ms"], {})
            case "said":
                self._said.append({name: happened[name] for name in ("who", "text", "at_ms", "interrupted")})
            case "ended":
                lasted_ms = 0 if self._began_ms is None else happened["at_ms"] - self._began_ms
                self._ended = {
                    "at_ms": happened["at_ms"],
                    "outcome": happened["outcome"],
                    "reason": happened["reason"],
                    "duration_s": lasted_ms / 1000,
                    "turns": sum(each["who"] == "caller" for each in self._said),
                    "transcript": list(self._said),
                }
            case _:
                pass

    def _notice(self, kind: str, at_ms: int, facts: dict[str, Any]) -> dict[str, Any]:
        time = None if self._began_at is None else round(self._began_at + at_ms / 1000, 3)
        told = {"id": f"{self._call_id}:{kind}", "event": f"call.{kind}", "time": time, "call": dict(self._call)}
        return {**told, **facts}


def begins(entry: Entry) -> bool:
    """Whether a call's journal begins with this."""
    return isinstance(entry.event, fact.CallConnected | DialRequested)
