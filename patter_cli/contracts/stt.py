"""Speech to text: what the engine relies on from any recogniser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from patter_cli.audio.frame import AudioFormat, Samples
from patter_cli.contracts.provider import Provider

WordSpans: TypeAlias = tuple[tuple[int, int], ...]
"""When each word of a text was said, from and to in ms of what the session was pushed; words are what blanks separate.
() where the vendor does not say, or not of all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """What a segment sounds like so far; a later Partial or Final of the same segment replaces it."""

    segment: int
    text: str
    spans: WordSpans = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Final:
    """What was said in a segment, up to a `finalize`. A later Final of the same segment replaces it.

    text may be empty: the sound held no words.
    """

    segment: int
    text: str
    spans: WordSpans = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOfTurn:
    """How sure the vendor is, 0..1, that the caller has finished; 1: it has decided so. A later one replaces it."""

    segment: int
    probability: float


Recognised: TypeAlias = Partial | Final | EndOfTurn


class SttSession(Protocol):
    """One caller's recognition, from the first frame to the end of the call.

    `push`, `finalize` and `commit` never block and never raise for a vendor's failure: that comes out of
    `results`, as a ProviderError raised from the iterator.
    """

    def push(self, samples: Samples) -> None:
        """Take the next samples, at the recipe's `rate_hz`. Any length, also none."""

    def finalize(self) -> None:
        """Ask for a Final of everything pushed so far; exactly one Final answers each call, in order."""

    def commit(self) -> None:
        """The caller's turn is over: what is pushed from here on belongs to the next segment.

        Segments count from 0 and grow by one with every commit; a vendor's own pieces are joined inside one.
        """

    def results(self) -> AsyncIterator[Recognised]:
        """Partials and finals as they come, and what the vendor thinks of the turn; ends after `aclose`."""

    async def aclose(self) -> None:
        """Let go of everything, at once; twice is fine."""


class SpeechToText(Provider, Protocol):
    """A recipe: frozen, shared by all calls, holds no socket. `open` gives one call its session."""

    @property
    def rate_hz(self) -> int:
        """The rate of the samples its sessions want."""

    @property
    def speech_only(self) -> bool:
        """True: push only what the voice detector calls speech, with its pre-roll. False: push everything."""

    async def warm(self) -> None:
        """Load what loads once per process (models, voices). Cheap the second time."""

    async def open(self) -> SttSession:
        """Begin recognition for one call. Raises ProviderError, ConfigError."""


class WireSttSession(SttSession, Protocol):
    """A session that takes the line's own bytes."""

    def push_wire(self, payload: bytes) -> None:
        """The same as `push`, of whole samples in the format that it was opened on."""


@runtime_checkable
class HearsWire(Protocol):
    """What a recipe has beside the above whose vendor takes what telephone lines speak: nothing is decoded for it."""

    @property
    def wire_formats(self) -> frozenset[AudioFormat]:
        """Those that it takes."""

    async def open_on(self, format: AudioFormat) -> WireSttSession:
        """`open`, for a line of one of these formats."""
