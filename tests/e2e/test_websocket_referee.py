"""Is our WebSocket endpoint one? A table of what a client may and may not send, each on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest

from patter_cli.server.calls import CallRegistry
from patter_cli.server.limits import Limits
from patter_cli.server.run import Server
from patter_cli.server.wire import SOCKET, CloseCause, Wire
from tests.e2e.stream_server import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame, peer

BYE = frame(CLOSE, b"\x03\xe8")
"""Code 1000."""
LIMIT = Limits().message_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """name: what is tried. pieces: what the client writes, with a pause between them."""

    name: str
    pieces: tuple[bytes, ...]
    close: int = 1000
    echoes: tuple[tuple[int, bytes], ...] = field(default=())


def ok(name: str, *pieces: bytes, echoes: list[tuple[int, bytes]]) -> Case:
    """The frames are fine; then the client says goodbye, and is answered."""
    return Case(name=name, pieces=(*pieces, BYE), echoes=tuple(echoes))


def bad(name: str, close: int, *pieces: bytes, echoes: list[tuple[int, bytes]] | None = None) -> Case:
    """We hang up, with this code. What was whole before is still echoed."""
    return Case(name=name, pieces=pieces, close=close, echoes=tuple(echoes or ()))


def text(value: str) -> tuple[int, bytes]:
    return TEXT, value.encode()


def cut(data: bytes, *places: int) -> list[bytes]:
    return [data[a:b] for a, b in pairwise((0, *places, len(data)))]


# The tables read better in rows than in the formatter's columns.
# fmt: off
def sizes() -> list[Case]:
    found = []
    for size in (0, 1, 125, 126, 127, 128, 65535, LIMIT):
        payload = b"x" * size
        found.append(ok(f"text of {size}", frame(TEXT, payload), echoes=[(TEXT, payload)]))
        found.append(ok(f"binary of {size}", frame(BINARY, payload), echoes=[(BINARY, payload)]))
    long = frame(TEXT, b"y" * 300)
    found.append(ok("in bytes", *cut(long[:20], *range(1, 20)), long[20:], echoes=[(TEXT, b"y" * 300)]))
    for place in (1, 2, 3, 4, 7, 8, 9, 200):
        found.append(ok(f"cut at {place}", *cut(long, place), echoes=[(TEXT, b"y" * 300)]))
    found.append(ok("three at once", frame(TEXT, b"1") + frame(TEXT, b"2") + frame(TEXT, b"3"),
                    echoes=[text("1"), text("2"), text("3")]))
    found.append(ok("one and a half", frame(TEXT, b"1") + long[:50], long[50:], echoes=[text("1"), (TEXT, b"y" * 300)]))
    many = [str(number).encode() for number in range(500)]
    found.append(ok("500 at once", b"".join(frame(TEXT, one) for one in many), echoes=[(TEXT, one) for one in many]))
    return found


def oversize() -> list[Case]:
    part = frame(TEXT, b"x" * 40000, fin=False)
    return [
        bad("header of one too many", 1009, frame(TEXT, size=LIMIT + 1)),
        bad("header of 1 GB", 1009, frame(TEXT, size=1 << 30)),
        bad("header of 2**62", 1009, frame(BINARY, size=1 << 62)),
        bad("header of 2**63", 1002, frame(TEXT, size=1 << 63)),
        bad("header of 2**64-1", 1002, frame(TEXT, size=(1 << 64) - 1)),
        bad("fragments too many", 1009, part, frame(CONTINUATION, b"x" * 40000)),
        bad("fragments, header only", 1009, part, frame(CONTINUATION, size=LIMIT)),
        bad(
            "one byte too many, last",
            1009,
            part,
            frame(CONTINUATION, b"x" * (LIMIT - 40000), fin=False),
            frame(CONTINUATION, b"x"),
        ),
        ok(
            "fragments up to the limit",
            part,
            frame(CONTINUATION, b"x" * (LIMIT - 40000)),
            echoes=[(TEXT, b"x" * LIMIT)],
        ),
        bad("after a good one", 1009, frame(TEXT, b"fine") + frame(TEXT, size=LIMIT + 1), echoes=[text("fine")]),
        bad("16-bit length for 5", 1002, b"\x81\xfe\x00\x05" + b"\0" * 9),
        bad("64-bit length for 500", 1002, b"\x81\xff" + (500).to_bytes(8, "big") + b"\0" * 504),
    ]


def control() -> list[Case]:
    return [
        ok("ping", frame(PING), echoes=[(PONG, b"")]),
        ok("ping with payload", frame(PING, b"hello"), echoes=[(PONG, b"hello")]),
        ok("ping of 125", frame(PING, b"z" * 125), echoes=[(PONG, b"z" * 125)]),
        ok("ping of any bytes", frame(PING, bytes(range(256))[131:]), echoes=[(PONG, bytes(range(256))[131:])]),
        bad("ping of 126", 1002, frame(PING, b"z" * 126)),
        bad("ping in fragments", 1002, frame(PING, b"a", fin=False)),
        bad("pong of 126", 1002, frame(PONG, b"z" * 126)),
        bad("pong in fragments", 1002, frame(PONG, b"a", fin=False)),
        bad("close in fragments", 1002, frame(CLOSE, b"\x03\xe8", fin=False)),
        bad("close of 126", 1002, frame(CLOSE, b"\x03\xe8" + b"z" * 124)),
        ok("pong nobody asked for", frame(PONG), frame(TEXT, b"a"), echoes=[text("a")]),
        ok("pong with payload", frame(PONG, b"whatever"), echoes=[]),
        ok("ping in bytes", *cut(frame(PING, b"hi"), 1, 2, 3, 6, 7), echoes=[(PONG, b"hi")]),
        ok(
            "flood of pings: the last is answered",
            b"".join(frame(PING, b"%d" % i) for i in range(10)),
            echoes=[(PONG, b"9")],
        ),
        ok(
            "ping between texts",
            frame(TEXT, b"a"),
            frame(PING, b"p"),
            frame(TEXT, b"b"),
            echoes=[text("a"), (PONG, b"p"), text("b")],
        ),
    ]


def reserved() -> list[Case]:
    found = [bad(f"reserved bits {bits}", 1002, frame(TEXT, b"a", rsv=bits)) for bits in range(1, 8)]
    found += [bad(f"reserved bit on {name}", 1002, frame(op, b"", rsv=4))
              for name, op in {"binary": BINARY, "ping": PING, "pong": PONG, "close": CLOSE}.items()]
    found += [bad(f"opcode {op}", 1002, frame(op, b"")) for op in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)]
    found += [bad(f"unmasked {name}", 1002, frame(op, b"", masked=False))
              for name, op in {"text": TEXT, "binary": BINARY, "ping": PING, "close": CLOSE}.items()]
    found.append(bad("unmasked after a good one", 1002, frame(TEXT, b"a"), frame(TEXT, b"b", masked=False),
                     echoes=[text("a")]))
    found.append(bad("reserved bit on a continuation", 1002, frame(TEXT, b"a", fin=False), frame(CONTINUATION, rsv=1)))
    found.append(bad("not WebSocket at all", 1002, b"GET / HTTP/1.1\r\n\r\n"))
    found.append(bad("zeros", 1002, bytes(100)))
    found.append(ok("mask of zeros", b"\x81\x81\0\0\0\0a", echoes=[text("a")]))
    return found


def fragments() -> list[Case]:
    begin, go_on, end = frame(TEXT, b"a", fin=False), frame(CONTINUATION, b"b", fin=False), frame(CONTINUATION, b"c")
    empty = frame(CONTINUATION, fin=False)
    return [
        ok("two", begin, end, echoes=[text("ac")]),
        ok("three", begin, go_on, end, echoes=[text("abc")]),
        ok("three fragments at once", begin + go_on + end, echoes=[text("abc")]),
        ok("binary", frame(BINARY, b"\xff", fin=False), frame(CONTINUATION, b"\xfe"), echoes=[(BINARY, b"\xff\xfe")]),
        ok("all empty", frame(TEXT, fin=False), empty, frame(CONTINUATION), echoes=[text("")]),
        ok("empty at both ends", frame(TEXT, fin=False), go_on, frame(CONTINUATION), echoes=[text("b")]),
        ok("1000 empty ones", begin + empty * 1000 + end, echoes=[text("ac")]),
        ok("ping inside", begin, frame(PING, b"p"), end, echoes=[(PONG, b"p"), text("ac")]),
        ok("pong inside", begin, frame(PONG), end, echoes=[text("ac")]),
        ok("two messages", begin + end + begin + end, echoes=[text("ac"), text("ac")]),
        bad("end of nothing", 1002, end),
        bad("middle of nothing", 1002, go_on),
        bad("end twice", 1002, begin + end + end, echoes=[text("ac")]),
        bad("text inside a text", 1002, begin, frame(TEXT, b"x")),
        bad("binary inside a text", 1002, begin, frame(BINARY, b"x")),
        bad("new beginning inside a text", 1002, begin, begin),
        bad("continuation after a whole text", 1002, frame(TEXT, b"x"), end, echoes=[text("x")]),
        Case(name="close inside a message", pieces=(begin, BYE)),
    ]


def unicode() -> list[Case]:
    good = {
        "Greek": "κόσμε",
        "four bytes": "😀",
        "NUL": "\0",
        "highest": "\U0010ffff",
        "BOM": "\ufeffa",
        "U+FFFF": "\uffff",
    }
    found = [ok(f"UTF-8: {name}", frame(TEXT, value.encode()), echoes=[text(value)]) for name, value in good.items()]
    wrong = {
        "lone continuation": b"\x80", "0xff": b"a\xff", "overlong slash": b"\xc0\xaf", "overlong NUL": b"\xe0\x80\x80",
        "surrogate": b"\xed\xa0\x80", "above U+10FFFF": b"\xf4\x90\x80\x80", "cut short": b"\xce",
        "cut four": b"\xf0\x9f\x98",
        "five bytes": b"\xf8\x88\x80\x80\x80", "wrong second": b"\xe2\x28\xa1", "latin-1": b"caf\xe9",
    }
    found += [bad(f"no UTF-8: {name}", 1007, frame(TEXT, value)) for name, value in wrong.items()]
    smile = "😀".encode()
    found.append(ok("character in two fragments", frame(TEXT, smile[:2], fin=False), frame(CONTINUATION, smile[2:]),
                    echoes=[text("😀")]))
    found.append(ok("character in four fragments", frame(TEXT, smile[:1], fin=False),
                    *(frame(CONTINUATION, smile[i : i + 1], fin=i == 3) for i in (1, 2, 3)), echoes=[text("😀")]))
    found.append(bad("no UTF-8 in fragments", 1007, frame(TEXT, b"a", fin=False), frame(CONTINUATION, b"\xff")))
    found.append(bad("fragments end inside a character", 1007, frame(TEXT, smile[:2], fin=False), frame(CONTINUATION)))
    found.append(ok("binary need not be UTF-8", frame(BINARY, b"\xff\xfe\xc0"), echoes=[(BINARY, b"\xff\xfe\xc0")]))
    return found


def closing() -> list[Case]:
    def code(number: int, reason: bytes = b"") -> bytes:
        return frame(CLOSE, number.to_bytes(2, "big") + reason)

    fine = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)
    found = [Case(name=f"close {number}", pieces=(code(number),), close=number) for number in fine]
    wrong = (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    found += [bad(f"close {number}", 1002, code(number)) for number in wrong]
    return [
        *found,
        Case(name="close without a code", pieces=(frame(CLOSE),), close=1005),
        bad("close of one byte", 1002, frame(CLOSE, b"\x03")),
        Case(name="close with a reason", pieces=(code(1000, "über".encode()),)),
        Case(name="close with the longest reason", pieces=(code(1000, b"r" * 123),)),
        bad("close with a reason that is no UTF-8", 1007, code(1000, b"\xff")),
        Case(name="nothing counts after close", pieces=(BYE + frame(TEXT, b"late") + frame(15),)),
        Case(name="close twice", pieces=(BYE + BYE,)),
    ]

# fmt: on

CASES = [*sizes(), *oversize(), *control(), *reserved(), *fragments(), *unicode(), *closing()]


class EchoSink:
    """Gives every message back."""

    wire: Wire

    def on_text(self, value: str) -> None:
        self.wire.write(value)

    def on_binary(self, data: bytes) -> None:
        # The server has no binary messages of its own to send; the test speaks for itself here.
        self.wire._transport.write(frame(BINARY, masked=False, size=len(data)) + data)

    def on_blocked(self) -> None: ...

    def on_writable(self) -> None: ...

    def on_gone(self, how: CloseCause) -> None: ...


async def echo(scope: Any, receive: Any, send: Any) -> None:
    sink = EchoSink()
    sink.wire = await scope["state"][SOCKET].accept(sink)
    await sink.wire.wait_lost()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    running = Server(echo, live=CallRegistry(), port=0, limits=Limits(close_s=0.05))
    await running.start()
    yield running
    await running.cut()


def test_the_referee_has_enough_cases() -> None:
    """At least 120 cases, each tried once."""
    assert len({case.name for case in CASES}) == len(CASES) >= 120


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_case(server: Server, case: Case) -> None:
    """What is right is echoed, what is wrong is answered with the right close code."""
    async with peer(server.port) as client:
        assert " 101 " in await client.upgrade()
        for piece in case.pieces:
            client.send(piece)
            await client.writer.drain()
            await asyncio.sleep(0.001)  # so that pieces arrive apart; not needed for the result
        frames, close = await client.until_close()
        assert (frames, close) == (list(case.echoes), case.close)
        assert await client.ended()


HANDSHAKES = {
    "no key": "Sec-WebSocket-Version: 13\r\n",
    "no version": "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "old version": "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "short key": "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2hvcnQ=\r\n",
    "key that is no base64": "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: !!!!\r\n",
    "two keys": "Sec-WebSocket-Version: 13\r\n" + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" * 2,
}


@pytest.mark.parametrize("headers", HANDSHAKES.values(), ids=HANDSHAKES.keys())
async def test_bad_handshake(server: Server, headers: str) -> None:
    """A handshake that is none gets 400 and the end of the connection."""
    async with peer(server.port) as client:
        client.send(f"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n{headers}\r\n".encode())
        assert " 400 " in await client.head()
        assert await client.ended()


async def test_good_handshake(server: Server) -> None:
    """The key is answered as RFC 6455 section 1.3 has it, and no extension is taken up."""
    async with peer(server.port) as client:
        head = await client.upgrade(headers="Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n")
        assert "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
        assert "extensions" not in head.lower()


async def test_early_frames(server: Server) -> None:
    """Frames sent along with the request, before it was answered, get 400: nobody could tell what they belong to."""
    async with peer(server.port) as client:
        assert " 400 " in await client.upgrade(early=frame(TEXT, b"too soon"))
        assert await client.ended()
