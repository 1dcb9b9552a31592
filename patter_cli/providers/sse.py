"""Server-sent events: bytes in, however they were cut, whole events out.

Source: WHATWG HTML, "Server-sent events", 9.2.6. A line may end in LF, CR or CRLF, and none of these bytes occurs
inside a UTF-8 sequence: so bytes are gathered to whole lines, and only those are decoded.
"""

from __future__ import annotations

from dataclasses import dataclass

EVENT_BYTES = 1 << 20
"""More than this in one line or one event is refused; a model's largest honest event is some 100 KB."""


class EventTooLong(ValueError):
    """A line or an event of more than EVENT_BYTES; the decoder is of no more use."""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event. name: "message" unless the server said otherwise; data: its data lines, joined by newlines."""

    name: str
    data: str


class EventDecoder:
    """One response's events. Comments, ids and retry times are passed over, and so is what is not UTF-8."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._rest_bytes = 0
        self._after_cr = False
        self._at_start = True
        self._name = ""
        self._data: list[str] = []
        self._data_bytes = 0

    def push(self, chunk: bytes) -> list[ServerEvent]:
        """The events that this chunk completes. Raises EventTooLong."""
        events: list[ServerEvent] = []
        if not chunk:
            return events
        if self._after_cr:
            # A CR ended its line at once, so that its event was not kept waiting; the LF that belongs to it comes now.
            chunk = chunk.removeprefix(b"\n")
        self._after_cr = chunk.endswith(b"\r")
        for line in chunk.splitlines(keepends=True):
            if line.endswith((b"\n", b"\r")):
                self._line(self._take(line.rstrip(b"\r\n")), events)
            else:
                self._keep(line)
        return events

    def end(self) -> list[ServerEvent]:
        """What the end of the body completes: some servers leave out the last blank line."""
        events: list[ServerEvent] = []
        self._line(self._take(b""), events)
        self._line(b"", events)
        return events

    def _keep(self, piece: bytes) -> None:
        self._rest.append(piece)
        self._rest_bytes += len(piece)
        if self._rest_bytes > EVENT_BYTES:
            raise EventTooLong(f"a line of more than {EVENT_BYTES} bytes")

    def _take(self, piece: bytes) -> bytes:
        self._keep(piece)
        line = b"".join(self._rest)
        self._rest.clear()
        self._rest_bytes = 0
        return line

    def _line(self, line: bytes, events: list[ServerEvent]) -> None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line:
            if self._data:
                events.append(ServerEvent(self._name or "message", "\n".join(self._data)))
            self._name, self._data, self._data_bytes = "", [], 0
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data_bytes += len(value) + 1
            if self._data_bytes > EVENT_BYTES:
                raise EventTooLong(f"an event of more than {EVENT_BYTES} bytes")
            self._data.append(value.decode("utf-8", "replace"))
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
