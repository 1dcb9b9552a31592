"""Tickets: signed by us, for one call, for a minute, used once."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.core.outcome import Direction
from patter_cli.errors import BadSignature, InputError
from patter_cli.server.tickets import (
    LIFE_S,
    MAX_TICKET_CHARS,
    RESUME_S,
    CallTicket,
    UsedTickets,
    check,
    new_ticket,
    resume_ticket,
    sign,
)

SECRET = b"a secret of thirty-two bytes....."
NOW_S = 1_750_000_000.5


def ticket(**changed: object) -> CallTicket:
    made = new_ticket(
        carrier="acme",
        carrier_call_id="CA00000000000000000000000000000001",
        direction=Direction.INBOUND,
        caller="+12025550142",
        callee="+12025550100",
        agent="shop",
        variables={"tier": "gold", "name": "Zoë 😀"},
        now_s=NOW_S,
    )
    return replace(made, **changed)  # type: ignore[arg-type]


def signed_by_hand(facts: object) -> str:
    """A text that only a holder of the secret can write, whatever is in it."""
    body = urlsafe_b64encode(json.dumps(facts).encode()).rstrip(b"=")
    signature = hmac.digest(SECRET, b"patter call ticket\n" + body, hashlib.sha256)
    return f"{body.decode()}.{urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def test_what_was_signed_is_read_back() -> None:
    """Every field, in a text that needs no escaping in a path; each ticket has its own token and call id."""
    one = ticket()
    text = sign(one, SECRET)
    assert check(text, SECRET, NOW_S) == one
    assert all(each.isascii() and (each.isalnum() or each in "-_.") for each in text)
    assert one.token != ticket().token
    assert one.call_id != ticket().call_id


def test_a_ticket_to_go_on_with_opens_no_stream_and_outlives_the_call() -> None:
    """It names the call that broke off, and has all that is known of it but the carrier's id, which a stream needs."""
    began = ticket()
    again = check(sign(resume_ticket(began, NOW_S), SECRET), SECRET, NOW_S + RESUME_S - 1)
    assert (again.resumes, again.carrier_call_id) == (began.call_id, "")
    assert (again.caller, again.agent, again.variables) == (began.caller, began.agent, began.variables)
    assert again.token != began.token


def test_every_bit_counts() -> None:
    """No text that differs in a single bit, anywhere, is a ticket."""
    text = sign(ticket(), SECRET).encode()
    accepted = []
    for place in range(len(text)):
        for bit in range(8):
            other = bytearray(text)
            other[place] ^= 1 << bit
            try:
                check(other.decode("latin-1"), SECRET, NOW_S)
            except BadSignature:
                continue
            accepted.append((place, bit))
    assert accepted == []


def test_there_is_one_way_to_write_a_ticket() -> None:
    """Padding, a shorter or longer text: all refused, though some of them stand for the same bytes."""
    text = sign(ticket(), SECRET)
    for other in (text + "=", text[:-1], text + ".", " " + text, text.upper(), text.partition(".")[0] + ".", ".", ""):
        with pytest.raises(BadSignature):
            check(other, SECRET, NOW_S)


def test_the_parts_of_two_tickets_make_none() -> None:
    """One's facts under the other's signature."""
    one, other = (sign(ticket(caller=caller), SECRET).split(".") for caller in ("+12025550142", "+12025550143"))
    with pytest.raises(BadSignature):
        check(f"{one[0]}.{other[1]}", SECRET, NOW_S)


def test_another_secret_and_another_time() -> None:
    """A ticket is good where its secret is known, up to its last second and not in it."""
    text = sign(ticket(), SECRET)
    with pytest.raises(BadSignature, match="not signed"):
        check(text, SECRET + b".", NOW_S)
    check(text, SECRET, int(NOW_S) + LIFE_S - 0.001)
    with pytest.raises(BadSignature, match="time is over"):
        check(text, SECRET, int(NOW_S) + LIFE_S)


@given(st.text())
def test_rubbish_is_refused(text: str) -> None:
    """Any text at all."""
    with pytest.raises(BadSignature):
        check(text, SECRET, NOW_S)
    with pytest.raises(BadSignature):
        check(f"{text}.{text}", SECRET, NOW_S)


@pytest.mark.parametrize(
    "facts",
    [
        [],
        {},
        None,
        {**asdict(ticket()), "more": "1"},
        {**asdict(ticket()), "caller": 5},
        {**asdict(ticket()), "direction": "sideways"},
        {**asdict(ticket()), "direction": ["inbound"]},
        {**asdict(ticket()), "token": "../../x"},
        {**asdict(ticket()), "variables": {"tier": 5}},
        {**asdict(ticket()), "variables": []},
        {**asdict(ticket()), "expires_at_s": "9999999999"},
        {**asdict(ticket()), "expires_at_s": True},
    ],
)
def test_a_signed_text_of_another_shape_is_refused(facts: object) -> None:
    """Another version of ours may have written it."""
    with pytest.raises(BadSignature):
        check(signed_by_hand(facts), SECRET, NOW_S)


def test_a_ticket_has_a_size() -> None:
    """A call that brings too much along gets none, and too long a text is not even looked at."""
    with pytest.raises(InputError, match="too long"):
        sign(ticket(variables={"essay": "x" * MAX_TICKET_CHARS}), SECRET)
    with pytest.raises(BadSignature, match="no ticket"):
        check(signed_by_hand({**asdict(ticket()), "agent": "x" * MAX_TICKET_CHARS}), SECRET, NOW_S)


@pytest.mark.parametrize("shared", [True, False])
def test_a_ticket_is_used_once(shared: bool, tmp_path: Path) -> None:
    """By the first of twenty who try at once, also where they are workers that share no more than a folder."""
    alone = UsedTickets()
    workers = [UsedTickets(tmp_path / "run" / "tickets") if shared else alone for _ in range(20)]
    one, other = ticket(), ticket()
    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(lambda worker: worker.use(one, NOW_S), workers)) == 1
    assert workers[3].use(other, NOW_S)
    assert not workers[4].use(other, NOW_S)


def test_used_tickets_are_forgotten_when_their_time_is_over(tmp_path: Path) -> None:
    """The folder holds the last minute's, readable by nobody else; other files in it are left alone."""
    folder = tmp_path / "tickets"
    used = UsedTickets(folder)
    assert used.use(ticket(), NOW_S)
    (folder / "notes.txt").touch()
    (kept,) = folder.glob("*-*")
    assert (folder.stat().st_mode & 0o777, kept.stat().st_mode & 0o777) == (0o700, 0o600)
    assert UsedTickets(folder).use(ticket(expires_at_s=int(NOW_S) + 2 * LIFE_S), NOW_S + LIFE_S)
    assert not kept.exists()
    assert len(list(folder.iterdir())) == 2


def test_where_nothing_can_be_written_nothing_is_known(tmp_path: Path) -> None:
    """Then the ticket must not be taken."""
    (tmp_path / "tickets").write_text("in the way")
    with pytest.raises(OSError, match="exists"):
        UsedTickets(tmp_path / "tickets").use(ticket(), NOW_S)
