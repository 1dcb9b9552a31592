"""What is read of a tunnel program's lines: its address, and from no line more than that."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.tunnels import cloudflared, ngrok


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "2026-11-28T02:00:00Z INF |  https://seven-red-cats.trycloudflare.com      |",
            "seven-red-cats.trycloudflare.com",
        ),
        ("https://a.trycloudflare.com", "a.trycloudflare.com"),
        ("2026-11-28T02:00:01Z INF Registered tunnel connection connIndex=0 protocol=quic", "connected"),
        ('ERR failed to request quick Tunnel: Post "https://api.trycloudflare.com/tunnel": no such host', ""),
        ("INF |  https://api.trycloudflare.com  |", ""),
        ("INF |  https://evil.example/?x=https://a.trycloudflare.com  |", ""),
        ("INF |  http://a.trycloudflare.com  |", ""),
        ("INF |  https://a.trycloudflare.com.evil.example  |", ""),
        ("INF |  https://a.b.trycloudflare.com  |", ""),
        ("INF Requesting new quick Tunnel on trycloudflare.com...", ""),
        ("", ""),
    ],
)
def test_only_the_address_of_the_tunnel_is_one(line: str, told: str) -> None:
    """The service's own address in an error, or somebody's address in a path, is not taken for the tunnel's."""
    assert cloudflared.read_line(line) == told


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"msg": "started tunnel", "url": "https://ab12.ngrok-free.app"}, "ab12.ngrok-free.app"),
        ({"msg": "started tunnel", "url": "http://ab12.ngrok-free.app"}, ""),
        ({"msg": "started tunnel", "url": "https://[x"}, ""),
        ({"msg": "started tunnel", "url": 7}, ""),
        ({"msg": "client session established", "url": "https://ab12.ngrok-free.app"}, ""),
    ],
)
def test_ngrok_tells_its_address_in_json(facts: dict[str, object], told: str) -> None:
    """Only an https address of a tunnel that has started counts."""
    assert ngrok.read_line(json.dumps({"lvl": "info", **facts})) == told


def test_ngroks_trouble_is_shown_without_the_token() -> None:
    """What ngrok complains of is told, chatter is not, and its token never."""
    bad = json.dumps({"lvl": "eror", "err": "authentication failed: Your authtoken: 2abcSECRET ERR_NGROK_105"})
    assert ngrok.shown(bad) == "authentication failed: Your authtoken: **** ERR_NGROK_105"
    assert ngrok.shown(json.dumps({"lvl": "info", "msg": "no configuration paths supplied"})) == ""
    assert ngrok.shown("panic: oh") == "panic: oh"


@given(st.text())
def test_any_line_is_read(line: str) -> None:
    """Garbage gives nothing, and no error."""
    assert cloudflared.read_line(line) in ("", "connected")
    assert ngrok.read_line(line) == ""
    ngrok.shown(line)


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
def test_any_json_is_read(value: object) -> None:
    """So does any JSON, with the names that count among its keys."""
    for line in (json.dumps(value), json.dumps({"msg": "started tunnel", "url": value, "lvl": "eror", "err": value})):
        ngrok.read_line(line)
        ngrok.shown(line)
