"""A carrier that calls us straight over TCP: no webhook before the call, and only its first bytes to judge it by.

    bytes --push--> --pop--> StreamMessage      StreamStarted --incoming--> AnswerPlan      media, hang_up --> bytes

Such a wire keeps no audio and returns no marks: the other side plays what it gets, when it gets it. So whoever holds
the connection sends in real time, and counts as played what was sent.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from patter_cli.contracts.carrier.carrier import AnswerPlan, Carrier
from patter_cli.contracts.carrier.stream import StreamMessage, StreamStarted


class ByteCodec(Protocol):
    """One call's end of a stream over TCP. Pure; never raises, whatever comes and however the network cut it."""

    @property
    def keep_alive_ms(self) -> int:
        """How long the line may be left without a word from us before silence has to be sent."""

    def push(self, data: bytes, now_ms: float) -> None:
        """Take bytes as they came. now_ms: of any clock that does not go back."""

    def pop(self) -> StreamMessage | None:
        """The next message that is whole; None: more bytes are needed. Nothing comes after a StartRefused."""

    def media(self, payload: bytes) -> bytes:
        """20 ms of audio towards the caller, in the stream's format."""

    def hang_up(self) -> bytes:
        """The last message."""


@runtime_checkable
class DirectCarrier(Carrier, Protocol):
    """A carrier with a port of its own that it connects to."""

    @property
    def host(self) -> str:
        """The address to listen on."""

    @property
    def port(self) -> int:
        """0: any that is free."""

    def stream(self) -> ByteCodec:
        """Our end of a new stream."""

    def incoming(self, started: StreamStarted) -> AnswerPlan:
        """The call that a stream has brought. Raises BadSignature for a stranger's."""
