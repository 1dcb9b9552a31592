"""Where carriers reach a server, which may change while it runs."""

from __future__ import annotations

from patter_cli.core.outcome import Direction
from patter_cli.server.addresses import Addresses
from patter_cli.server.tickets import check, new_ticket

SECRET = b"s" * 32
NOW_S = 1_700_000_000


def test_without_a_public_host_it_is_this_machine() -> None:
    """Addresses are of the port listened on, unsecured, and no stranger's host name is ours."""
    here = Addresses(host="127.0.0.1", port=lambda: 8123, secret=SECRET)
    assert here.stream_url("acme", "t.t") == "ws://127.0.0.1:8123/ws/acme/stream/t.t"
    assert here.callback_url("acme") == "http://127.0.0.1:8123/webhooks/acme/status"
    assert here.hosts() == frozenset()


def test_a_tunnel_gets_another_name() -> None:
    """Every address that is asked for afterwards is under the new name, and only that one is answered for."""
    here = Addresses(host="127.0.0.1", port=lambda: 8123, secret=SECRET, public_host="Old.example")
    assert here.hosts() == {"old.example"}
    here.move("new.example")
    assert here.stream_url("acme", "t.t") == "wss://new.example/ws/acme/stream/t.t"
    assert here.hosts() == {"new.example"}


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
