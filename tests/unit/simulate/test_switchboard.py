"""Whom a transfer reaches, when, and what they say."""

from __future__ import annotations

import json

import numpy as np

from patter_cli.carriers.loopback.stream import LoopbackLine
from patter_cli.contracts.carrier.stream import CarrierMessage
from patter_cli.simulate.mouth import SaidAudio
from patter_cli.simulate.switchboard import NO_ANSWER_MS, PAUSE_MS, RING_MS, Human, Switchboard

FIRST, SECOND = (np.full(800, level, np.int16) for level in (1000, 2000))
MARIA = Human(number="+12025550142", lines=(FIRST, SECOND))


def board(*humans: Human) -> Switchboard:
    return Switchboard(LoopbackLine(), humans)


def wish(number: str = MARIA.number, request: str = "0" * 16) -> CarrierMessage:
    return CarrierMessage(event="transfer", fields={"request": request, "number": number})


def said(end_ms: float) -> SaidAudio:
    return SaidAudio(start_ms=0, first_voiced_ms=0, last_voiced_ms=end_ms, end_ms=end_ms)


def test_a_human_answers_after_the_ring() -> None:
    """It rings for a moment; then the human has the caller, and the reply carries the question's request."""
    switchboard = board(MARIA)
    switchboard.ring(wish(), 100.0)
    assert switchboard.ringing
    assert switchboard.settle(100.0 + RING_MS - 1) is None
    settled = switchboard.settle(100.0 + RING_MS)
    assert settled is not None
    assert (settled.number, settled.refused) == (MARIA.number, "")
    assert json.loads(settled.reply)["transfer"] == {"request": "0" * 16, "refused": ""}
    assert switchboard.talking
    assert not switchboard.ringing


def test_each_line_answers_something() -> None:
    """The first is a greeting, each further one waits for the caller to have spoken, and none comes twice."""
    switchboard = board(MARIA)
    assert switchboard.next_line(0.0, []) is None
    switchboard.ring(wish(), 0.0)
    switchboard.settle(RING_MS)
    before = said(500.0)
    assert switchboard.next_line(RING_MS, [before]) is FIRST
    assert switchboard.next_line(9000.0, [before]) is None
    after = said(10_000.0)
    assert switchboard.next_line(10_000.0 + PAUSE_MS - 1, [before, after]) is None
    assert switchboard.next_line(10_000.0 + PAUSE_MS, [before, after]) is SECOND
    assert switchboard.next_line(30_000.0, [before, after, said(20_000.0)]) is None


def test_who_refuses_and_who_is_not_there() -> None:
    """Busy is known after the ring, no answer later, a number that nobody has at once; the caller is not taken."""
    for human, number, after_ms, why in (
        (Human(number=MARIA.number, refuses="busy"), MARIA.number, RING_MS, "busy"),
        (Human(number=MARIA.number, refuses="no answer"), MARIA.number, NO_ANSWER_MS, "no answer"),
        (MARIA, "+12025550199", 0, "no such number"),
    ):
        switchboard = board(human)
        switchboard.ring(wish(number), 50.0)
        assert after_ms == 0 or switchboard.settle(50.0 + after_ms - 1) is None
        settled = switchboard.settle(50.0 + after_ms)
        assert settled is not None
        assert settled.refused == why
        assert not switchboard.talking
        assert switchboard.next_line(60_000.0, []) is None


def test_one_at_a_time() -> None:
    """While somebody is rung, and once somebody talks, nobody else is."""
    switchboard = board(MARIA)
    switchboard.ring(wish(), 0.0)
    switchboard.ring(wish("+12025550199", "1" * 16), 10.0)
    settled = switchboard.settle(RING_MS)
    assert settled is not None
    assert settled.number == MARIA.number
    switchboard.ring(wish(request="2" * 16), 2000.0)
    assert not switchboard.ringing


def test_after_a_refusal_one_may_try_again() -> None:
    """The line is as it was before."""
    switchboard = board(MARIA)
    switchboard.ring(wish("+12025550199"), 0.0)
    assert switchboard.settle(0.0) is not None
    switchboard.ring(wish(), 500.0)
    assert switchboard.settle(500.0 + RING_MS) is not None
    assert switchboard.talking
