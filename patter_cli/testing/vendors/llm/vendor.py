"""What all language vendors of the lab do alike: let in by key, list their models, complain, reply, refuse."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from patter_cli.testing.vendors.faults import Fault
from patter_cli.testing.vendors.llm.said import Replies, Said, Writer, pieces
from patter_cli.testing.vendors.server import Answer, Request, Talk, in_json, streamed

KEY = "sk-lab-4711"
ALL_RIGHT = (Said("All right."),)
STATUS = {
    Fault.KEY_REFUSED: 401,
    Fault.NO_CREDIT: 402,
    Fault.NOT_FOUND: 404,
    Fault.INVALID: 400,
    Fault.RATE_LIMITED: 429,
    Fault.OVERLOADED: 503,
    Fault.BROKEN: 500,
}
"""What a vendor answers unless it has its own way."""


class Complaint(Exception):
    """A request that the vendor refuses, in its words."""


class LanguageVendor:
    """A scripted vendor of a language model. A subclass has the wire; this has the door.

    prompts: the bodies it was asked with and answered. refused: those it complained of.
    """

    name: ClassVar[str]
    key_header: ClassVar[str] = "authorization"
    status: ClassVar[Mapping[Fault, int]] = STATUS

    def __init__(self, replies: Replies = ALL_RIGHT, *, key: str = KEY) -> None:
        self.prompts: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self._replies = replies
        self._key = key

    def __call__(self, request: Request) -> Answer | Talk:
        shown = (request.headers.get(each, "").removeprefix("Bearer ") for each in (self.key_header, "authorization"))
        if self._key not in shown:
            return self.refusal(Fault.KEY_REFUSED)
        if request.method == "GET":
            return self.models(request)
        if not self.asks(request):
            return self.refusal(Fault.NOT_FOUND)
        try:
            body = request.json
            self.complain(body, request)
        except (Complaint, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            words = str(error) if isinstance(error, Complaint) else f"malformed: {error!r}"
            self.refused.append(words)
            return self.refusal(Fault.INVALID, words)
        self.prompts.append(body)
        return self.reply(self._next(body))

    def reply(self, said: Said) -> Answer:
        """A reply as a stream."""
        return streamed(*pieces(self.writer(), said))

    def asks(self, request: Request) -> bool:
        """Whether this is a request for a reply."""
        raise NotImplementedError

    def complain(self, body: dict[str, Any], request: Request) -> None:
        """Refuse what the vendor refuses. Raises Complaint."""
        raise NotImplementedError

    def writer(self) -> Writer:
        """Writes one reply."""
        raise NotImplementedError

    def failure(self, fault: Fault, words: str) -> dict[str, Any]:
        """The body of a refusal."""
        raise NotImplementedError

    def error_inside(self) -> bytes:
        """A failure in the middle of a reply: the vendor has too much to do."""
        return event(self.failure(Fault.OVERLOADED, "overloaded"))

    def models(self, request: Request) -> Answer:
        """A list of models, or one."""
        return in_json({"object": "list", "data": []})

    def refusal(self, fault: Fault, words: str = "") -> Answer:
        """A request is refused."""
        headers = {"retry_after": "1"} if fault is Fault.RATE_LIMITED else {}
        return in_json(self.failure(fault, words or fault.value), self.status[fault], **headers)

    def _next(self, body: dict[str, Any]) -> Said:
        if callable(self._replies):
            return self._replies(body)
        return self._replies[min(len(self.prompts), len(self._replies)) - 1]


def event(value: Any, name: str = "") -> bytes:
    """A JSON value as a server-sent event."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + json.dumps(value).encode() + b"\n\n"


def require(holds: bool, words: str) -> None:
    """Raises Complaint unless it holds."""
    if not holds:
        raise Complaint(words)


def known_fields(value: Mapping[str, Any], known: str) -> None:
    """Raises Complaint for a field that nobody knows. known: names, blanks between them."""
    for name in value:
        require(name in known.split(), f"Unknown parameter: {name}")
