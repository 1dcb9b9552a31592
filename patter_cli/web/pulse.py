"""A call while it lasts, as those who look on see it: where it stands, and each thing that happens, at once.

A fold over its journal. What it tells beside observe.happenings is what a page needs to be alive: words while they are
being said, by either side, who sounds, what it cost so far. By what:

    state     state                                      voice     who, speaks
    hearing   text: the caller's words so far            saying    response_id, clause, text: about to be heard
    sounding  response_id, clause                        words     response_id, clause, starts_ms, ends_ms
    silenced  response_id, for_good                      cost      known_usd
    muted     muted                                      taken     taken: a colleague talks with the caller
    listened  listens: somebody hears the call
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import Answered, DialRequested, Ringing
from patter_cli.core.journal import Entry
from patter_cli.observe.cost import LIST_PRICES, CostFold
from patter_cli.observe.happenings import Happenings
from patter_cli.observe.prices import PriceTable

SHOWN_CHARS = 2000
"""Of words that are not final; what is said in full is told when it was."""


class LiveCall:
    """Feed it a call's entries in order."""

    def __init__(self, call_id: str, prices: PriceTable = LIST_PRICES) -> None:
        self._happenings = Happenings(call_id)
        self._call_id = call_id
        self._cost = CostFold(prices)
        self.known_usd = 0.0
        self.state = "connecting"
        self.caller_speaks = self.muted = self.taken = False
        self._sounding: set[tuple[int, int]] = set()
        """Clauses that are on the line; the next begins there before the one before is known to be over."""
        self.at_ms = 0
        """Of the last entry."""
        self.turns = 0
        self.waited_ms: int | None = None
        self.last_caller = self.last_agent = ""
        self.facts: dict[str, Any] = {}
        """What its beginning said: agent, caller, callee, direction, carrier, and `started_at`, Unix seconds."""

    @property
    def agent_speaks(self) -> bool:
        return bool(self._sounding)

    @property
    def over(self) -> bool:
        return self._happenings.over

    def feed(self, entry: Entry) -> Iterator[dict[str, Any]]:
        """Take one entry; what happened with it, JSON values: {call_id, at_ms, time, what, ...}."""
        self.at_ms = entry.at
        time = None
        for each in self._happenings.feed(entry):
            self._note(each)
            time = each["time"]
            yield each
        if time is None and self.facts:
            time = round(self.facts["started_at"] + entry.at / 1000, 3)
        self._cost.feed(entry)
        for what, facts in (*self._of_event(entry.event), *self._of_commands(entry), *self._of_cost()):
            yield {"call_id": self._call_id, "at_ms": entry.at, "time": time, "what": what, **facts}

    def render(self) -> dict[str, Any]:
        """JSON values: where it stands now."""
        names = "state caller_speaks agent_speaks turns waited_ms known_usd last_caller last_agent muted taken"
        return {name: getattr(self, name) for name in names.split()}

    def _note(self, happened: dict[str, Any]) -> None:
        match happened["what"]:
            case "started":
                names = "agent caller callee direction carrier"
                self.facts = {name: happened[name] for name in names.split()}
                self.facts["started_at"] = happened["time"] - happened["at_ms"] / 1000
            case "waited":
                self.waited_ms = happened["total_ms"]
            case "said" if happened["who"] == "caller":
                self.turns += 1
                self.last_caller = happened["text"][:SHOWN_CHARS]
            case "said":
                self.last_agent = happened["text"][:SHOWN_CHARS]
            case _:
                pass

    def _of_event(self, event: fact.Event) -> Iterator[tuple[str, dict[str, Any]]]:
        match event:
            case DialRequested():
                yield from self._move("dialling")
            case Ringing():
                yield from self._move("ringing")
            case Answered() if self.state in ("dialling", "ringing"):
                yield from self._move("connecting")
            case fact.CallPrepared():
                yield from self._move("active")
            case fact.TransferFailed() if self.state == "transferring":
                yield from self._move("active")
            case fact.SpeechStarted():
                self.caller_speaks = True
                yield "voice", {"who": "caller", "speaks": True}
            case fact.SpeechEnded():
                self.caller_speaks = False
                yield "voice", {"who": "caller", "speaks": False}
            case fact.TranscriptPartial(text=text) | fact.EngineTranscript(text=text, final=False) if text:
                yield "hearing", {"text": text[-SHOWN_CHARS:]}
            case fact.SpanWords(response_id=response_id, clause=clause, text=text) if text:
                yield "saying", {"response_id": response_id, "clause": clause, "text": text[:SHOWN_CHARS]}
            case fact.WordsTimed(response_id=response_id, clause=clause):
                times = {"starts_ms": list(event.starts_ms), "ends_ms": list(event.ends_ms)}
                yield "words", {"response_id": response_id, "clause": clause, **times}
            case fact.PlayoutStarted(response_id=response_id, clause=clause):
                yield "sounding", {"response_id": response_id, "clause": clause}
                yield from self._sound(self._sounding | {(response_id, clause)})
            case fact.MarkReached(response_id=response_id, clause=clause):
                yield from self._sound(self._sounding - {(response_id, clause)})
            case fact.PlaybackStopped():
                yield from self._sound(set())
            case fact.MuteRequested(muted=muted):
                self.muted = muted
                yield "muted", {"muted": muted}
            case fact.ListenedIn(listens=listens):
                yield "listened", {"listens": listens}
            case _:
                pass

    def _of_commands(self, entry: Entry) -> Iterator[tuple[str, dict[str, Any]]]:
        for command in entry.commands:
            match command:
                case order.Speak(response_id=response_id, clause=clause, text=text):
                    yield "saying", {"response_id": response_id, "clause": clause, "text": text[:SHOWN_CHARS]}
                case order.PausePlayback(response_id=response_id):
                    yield "silenced", {"response_id": response_id, "for_good": False}
                case order.ClearPlayback(response_id=response_id):
                    yield "silenced", {"response_id": response_id, "for_good": True}
                case order.PassColleague(passes=passes):
                    self.taken = passes
                    yield "taken", {"taken": passes}
                case order.Transfer():
                    yield from self._move("transferring")
                case order.HangUp() | order.HandOver():
                    yield from self._move("ending")
                case _:
                    pass

    def _of_cost(self) -> Iterator[tuple[str, dict[str, Any]]]:
        known_usd = round(sum(each.usd or 0.0 for each in self._cost.uses), 6)
        if known_usd != self.known_usd:
            self.known_usd = known_usd
            yield "cost", {"known_usd": known_usd}

    def _move(self, state: str) -> Iterator[tuple[str, dict[str, Any]]]:
        if state != self.state:
            self.state = state
            yield "state", {"state": state}

    def _sound(self, sounding: set[tuple[int, int]]) -> Iterator[tuple[str, dict[str, Any]]]:
        changes = bool(sounding) != self.agent_speaks
        self._sounding = sounding
        if changes:
            yield "voice", {"who": "agent", "speaks": self.agent_speaks}
