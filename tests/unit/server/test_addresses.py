"""Where carriers reach a server, which may change while it runs."""

from __future__ import annotations

import pytest

from patter_cli.core.outcome import Direction
from patter_cli.server.addresses import Addresses, new_path, public_under
from patter_cli.server.tickets import check, new_ticket

SECRET = b"s" * 32
NOW_S = 1_700_000_000


def test_without_a_public_host_it_is_this_machine() -> None:
    """Addresses are of the port listened on, unsecured, and no stranger's host name is ours."""
    here = Addresses(host="127.0.0.1", port=lambda: 8123, secret=SECRET)
    assert here.stream_url("acme", "t.t") == "ws://127.0.0.1:8123/ws/acme/stream/t.t"
    assert here.callback_url("acme") == "http://127.0.0.1:8123/webhooks/acme/status"
    assert here.hosts() == {}


def test_a_tunnel_gets_another_name() -> None:
    """Every address that is asked for afterwards is under the new name; who still asks under the old one is known."""
    here = Addresses(host="127.0.0.1", port=lambda: 8123, secret=SECRET, public_host="Old.example")
    assert set(here.hosts()) == {"old.example"}
    here.move("new.example")
    assert here.stream_url("acme", "t.t") == "wss://new.example/ws/acme/stream/t.t"
    assert set(here.hosts()) == {"new.example", "old.example"}
    assert here.base("http", "OLD.example:443") == "https://old.example"
    assert here.base("http", "127.0.0.1:8123") == here.base("http", "evil.example") == "https://new.example"
    here.drop("new.example")
    assert here.public_host == ""
    assert set(here.hosts()) == {"old.example"}


def test_only_the_last_names_stay_ours() -> None:
    """A tunnel that dies for ever does not fill anything."""
    here = Addresses(host="127.0.0.1", port=lambda: 8123, secret=SECRET)
    for number in range(100):
        here.move(f"{number}.example")
    assert set(here.hosts()) == {f"{number}.example" for number in range(92, 100)}


def test_a_name_is_let_in_before_carriers_are_told_it() -> None:
    """So that a round trip can show first that it leads here."""
    here = Addresses(host="127.0.0.1", port=lambda: 8123, secret=SECRET)
    here.admit("New.example:8443")
    assert here.hosts() == {"new.example": ""}
    assert here.public_host == ""
    here.move("New.example:8443")
    assert here.base("ws") == "wss://new.example:8443"


@pytest.mark.parametrize(
    ("path", "public"),
    [
        ("/webhooks/twilio/voice", True),
        ("/webhooks/telnyx/status", True),
        ("/ws/twilio/stream/abc.def", True),
        ("/tunnel-check/abc", True),
        ("/ws/loopback/shop", False),
        ("/ws/loopback/stream", False),
        ("/health", False),
        ("/metrics", False),
        ("/", False),
        ("", False),
        ("/webhooks/twilio/voice/more", False),
        ("/webhooks//voice", False),
        ("/x/webhooks/twilio/voice", False),
    ],
)
def test_what_strangers_may_ask_for(path: str, public: bool) -> None:
    """Webhooks, media and the check of the address: nothing else of the server is there for them."""
    assert (public_under(path, [""]) == "") is public
    if path.startswith(("/webhooks", "/ws")):
        hidden = new_path()
        assert public_under(path, [hidden]) is None
        assert (public_under(hidden + path, [new_path(), hidden]) == hidden) is public


def test_what_a_tunnel_leads_to_is_under_a_path_that_nobody_can_guess() -> None:
    """Carriers are told it; it belongs to that name alone, and an address of one's own has none."""
    here = Addresses(host="127.0.0.1", port=lambda: 8123, secret=SECRET, public_host="mine.example")
    path = new_path()
    assert path != new_path()
    here.move(f"Tunnel.example{path}")
    assert here.public_host == "tunnel.example"
    assert here.public_address == f"tunnel.example{path}"
    assert here.hosts() == {"mine.example": "", "tunnel.example": path}
    assert here.callback_url("acme") == f"https://tunnel.example{path}/webhooks/acme/status"
    assert here.stream_url("acme", "t") == f"wss://tunnel.example{path}/ws/acme/stream/t"
    assert here.stream_url("acme", "t", "mine.example") == "wss://mine.example/ws/acme/stream/t"
    assert here.base("http") == "https://tunnel.example"
    here.drop("tunnel.example")
    assert here.public_address == ""


def test_a_dialled_call_is_known_by_the_ticket_in_its_addresses() -> None:
    """Both addresses of a dial bring the same call back, signed."""
    here = Addresses(host="127.0.0.1", port=lambda: 8123, secret=SECRET, public_host="phone.example")
    ticket = new_ticket(
        carrier="acme",
        carrier_call_id="",
        direction=Direction.OUTBOUND,
        caller="+12025550100",
        callee="+12025550142",
        agent="shop",
        variables={},
        now_s=NOW_S,
    )
    for url in (here.answer_url("acme", ticket), here.callback_url("acme", ticket)):
        base, _, signed = url.partition("?call=")
        assert base.startswith("https://phone.example/webhooks/acme/")
        assert check(signed, SECRET, NOW_S) == ticket
