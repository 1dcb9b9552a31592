"""Where calls are kept: what a store takes of a call while it lasts, and what it can be asked about calls later.

begin(call) -> its file: append lines, finish it with its record, close it
list, get, journal, export, delete: the calls that are kept, the youngest first
find, stats: which ids an abbreviation may mean, and what many calls come to
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from patter_cli.contracts.outlasting import Claims, Outbox
from patter_cli.errors import InputError
from patter_cli.text.redact import Redaction


class CallFile(Protocol):
    """Where one call is kept. Belongs to one thread; everything may block, and raise OSError."""

    @property
    def sound(self) -> Path | None:
        """Where the call's sound may be written as a WAV, in a folder that need not be there yet; None: nowhere.
        Belongs to nobody, and never blocks."""

    def append(self, data: bytes) -> int:
        """Write to the end of the journal; it survives the process then. Returns how many bytes were taken.

        data: journal lines with their newlines, or what was not taken of such.
        """

    def finish(self, record: Mapping[str, Any]) -> None:
        """The call is over: write its record, JSON values, beside the journal, whole or not at all."""

    def close(self) -> None:
        """Let go of it, without litter if nothing was kept. Never raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonedCall:
    """A call without a record whose process is gone."""

    call_id: str
    lines: Iterable[str]
    """What is whole of its journal."""
    finish: Callable[[Mapping[str, Any]], None]
    """Give it its record. Raises OSError."""
    sound: Path | None = None
    """Its recording, if there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallQuery:
    """Which calls; what is None does not matter. Raises InputError for a limit below 1."""

    since: float | None = None
    """Began then or later, Unix seconds."""
    until: float | None = None
    """Began before then, Unix seconds."""
    agent: str | None = None
    outcome: str | None = None
    number: str | None = None
    """Of either side; however it is spaced."""
    text: str | None = None
    """Somebody said this, in whatever case."""
    min_duration_s: float | None = None
    max_duration_s: float | None = None
    min_usd: float | None = None
    """It cost as much or more, as far as prices are known."""
    max_usd: float | None = None
    after: str | None = None
    """The next page: only calls that come after this call id in the list."""
    limit: int | None = 50
    """So many at most; None: all."""

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise InputError(f"a list of {self.limit} calls is none", hint="the limit is a number from 1 up")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """A call in a list. Texts are "" where nothing is known."""

    call_id: str
    started_at: float
    """Unix seconds."""
    agent: str
    caller: str
    callee: str
    direction: str
    carrier: str
    outcome: str | None
    """None while the call lasts, or until a start finds that its process is gone."""
    reason: str
    duration_s: float | None
    """None while the call lasts."""
    turns: int
    """What the caller said, lines of it; 0 while the call lasts."""
    waited_ms: int | None = None
    """What the caller waited for an answer, the middle of all; None where none was measured."""
    usd: float | None = None
    """None while the call lasts, and where a price is not known."""
    known_usd: float = 0.0
    """What is known of it."""

    @property
    def ours(self) -> str:
        """The number of our side."""
        return self.caller if self.direction == "outbound" else self.callee


STAGES = ("endpointing", "stt", "llm", "clause", "tts", "handover", "total")
"""Where the time of a turn goes, and all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a figure spreads over turns, in ms: nearest rank, so each is one that was measured."""

    turns: int = 0
    p50: int = 0
    p95: int = 0
    p99: int = 0
    most: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Some of the calls: an agent's, a day's, a number's; of a vendor, what was used of it."""

    name: str
    calls: int
    duration_s: float = 0.0
    known_usd: float = 0.0
    unpriced: int = 0
    """Calls of which some cost is unknown."""
    waits: Spread = field(default_factory=Spread)
    """What callers waited for an answer; of a vendor, nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStats:
    """What many calls come to. Shares with the most calls first, days in their order."""

    calls: int = 0
    live: int = 0
    """Of them, not over yet."""
    duration_s: float = 0.0
    known_usd: float = 0.0
    unpriced: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    stages: Mapping[str, Spread] = field(default_factory=dict)
    """By each of STAGES."""
    agents: tuple[Share, ...] = ()
    days: tuple[Share, ...] = ()
    """By this machine's clock, 2026-11-28; days without calls are left out."""
    numbers: tuple[Share, ...] = ()
    """Of our side."""
    vendors: tuple[Share, ...] = ()
    """"stt moonshine", "telephony twilio inbound": leg, provider, model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """A call with all that was written down at its end."""

    row: CallRow
    facts: Mapping[str, object]
    """record.json, JSON values: history, transcript, metrics, cost, recording_path, recording, line.
    Empty while it lasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePlace:
    """Where and how calls are to be kept; what a store in the registry is opened with.

    address: of a database, as the setting `store` has it, with whatever it needs; "" for one that is in the folder.
    folder: this user's, for recordings, and for all where there is no address.
    """

    folder: Path
    address: str = ""
    redaction: Redaction = Redaction.OFF
    keep_days: int | None = None


class CallFollow(Protocol):
    """What happens on calls, read again and again by one who looks on. Belongs to one thread."""

    def lines(self) -> Iterator[tuple[str, str]]:
        """(call id, journal line): what was written since the last time, by any process. Never raises."""


class CallStore(Protocol):
    """Calls that are kept. Safe to use from several threads; everything but `begin` may read many files."""

    def begin(self, call_id: str, started_at: float) -> CallFile | None:
        """Keep a call from now on; None if nothing is kept. Makes nothing before its first line is written.

        call_id: safe as a file name. started_at: Unix seconds.
        """

    def abandoned(self) -> Iterator[AbandonedCall]:
        """The calls that dead processes left open; each is nobody else's while it is in the caller's hands."""

    def list(self, query: CallQuery) -> tuple[CallRow, ...]:
        """The calls that fit, the youngest first. Raises StoreError if they cannot be read at all."""

    def find(self, text: str, limit: int = 10) -> tuple[str, ...]:
        """The ids that begin or end with this, the youngest call's first. Raises StoreError as `list`."""

    def stats(self, query: CallQuery) -> CallStats:
        """What the calls that fit come to; after and limit do not matter. Raises StoreError as `list`."""

    def get(self, call_id: str) -> CallRecord | None:
        """One call; None if it is not kept."""

    def sound(self, call_id: str) -> Path | None:
        """A call's own recording, which may still grow; None if there is none."""

    def journal(self, call_id: str) -> Iterator[str]:
        """The whole lines of a call's journal so far, without their newlines; none if it is not kept."""

    def follow(self) -> CallFollow:
        """Look on from now: at calls that last, from their beginning, and at all that come."""

    def expire(self, now: float) -> int:
        """Forget the calls that were kept for as long as somebody wished; how many. now: Unix seconds. Never raises.

        What outboxes and claims have kept for KEPT_S goes as well."""

    def outbox(self, address: str) -> Outbox | None:
        """Where this process's call events for an address wait; None if nothing is kept. Close it in the end."""

    def claims(self, scope: str) -> Claims | None:
        """Which requests with a key were carried out for those who know this secret; None if nothing is kept."""

    def backup(self, target: Path) -> int:
        """Copy all that is kept, while calls go on, into a folder that a store can be opened on; how many calls were
        not in it yet. Raises InputError for a folder that cannot be one, StoreError."""

    def export(self, query: CallQuery) -> Iterator[CallRecord]:
        """As `list`, with all that was written down, read one at a time."""

    def reindex(self) -> int:
        """Make anew what finds calls, from what is kept of them; how many calls there are. Raises StoreError."""

    def add(self, call_id: str, facts: Mapping[str, Any]) -> bool:
        """Write more into the record of a call that is over; False while there is none. Raises OSError."""

    def delete(self, call_id: str) -> bool:
        """Forget a call with all its files, and its events in outboxes; False if it is not kept.

        Raises InputError while the call lasts, StoreError if the disk refuses.
        """
