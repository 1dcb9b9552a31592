"""How far a list is, as it is counted while people are rung."""

from __future__ import annotations

import json
from io import StringIO

import pytest

from patter_cli.cli.forecast import CallGuess
from patter_cli.cli.list_count import ListCount
from patter_cli.cli.list_told import ListJson, ListLines, Rung
from patter_cli.tui.view import ListProgress

PEOPLE = [f"+1212555012{each}" for each in range(6)]


def count(*, concurrency: int = 2, usd: float | None = 0.02) -> ListCount:
    guess = CallGuess(seconds=60.0, usd=usd, because="in this test")
    counted = ListCount("people.csv", PEOPLE, guess=guess, concurrency=concurrency, calls_per_s=1.0)
    counted.round({PEOPLE[5]: "answered", "+12125550199": "busy"}, left=4, refused=1)
    return counted


def test_everybody_is_in_one_place_at_any_time() -> None:
    """Rung, left, to be rung again, refused or done: together they are the list; who is not on it does not count."""
    counted = count()
    assert (counted.view().done, counted.view().outcomes) == (1, (("answered", 1),))
    counted.moved(PEOPLE[0], None, "dialling")
    counted.moved(PEOPLE[1], None, "dialling")
    counted.moved(PEOPLE[0], "dialling", "rings")
    now = counted.view()
    assert (now.ringing, now.left, now.done) == (2, 2, 1)
    counted.moved(PEOPLE[0], "rings", "busy", again=True)
    counted.moved(PEOPLE[1], "dialling", "answered")
    counted.moved("+12125550199", "busy", "dialling")
    now = counted.view()
    assert (now.ringing, now.left, now.again, now.refused, now.done) == (0, 2, 1, 1, 2)
    assert dict(now.outcomes) == {"answered": 2, "busy": 1}


def test_time_and_money_go_by_what_calls_took() -> None:
    """At first what was guessed; the guess counts for less with each call. What nobody knows stays unknown."""
    counted = count()
    assert counted.view().seconds_left == pytest.approx(2 * 60.0)
    assert counted.view().usd_left == pytest.approx(4 * 0.02)
    for number in PEOPLE[:2]:
        counted.moved(number, None, "dialling")
        counted.moved(number, "dialling", "answered")
        counted.held(15.0)
    assert counted.view().seconds_left == pytest.approx((60.0 + 2 * 15.0) / 3)
    assert count(usd=None).view().usd_left is None
    assert count(concurrency=100).view().seconds_left == pytest.approx(60.0)


RUNG = Rung(number=PEOPLE[0], attempt=1, outcome="busy", reason="busy", answered_by="", duration_s=None, call_id="C1")
SO_FAR = ListProgress(name="people.csv", people=4, ringing=1, left=1, refused=1)


def test_a_pipe_gets_a_line_a_terminal_a_bar_and_a_program_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    """What a carrier says cannot make a terminal obey; stdout has what became of all, or the objects alone."""
    lines = ListLines(bar=False)
    lines.rung(RUNG, SO_FAR)
    lines.end("1 busy")
    out, err = capsys.readouterr()
    assert (out, err) == ("1 busy\n", f"1/3 {PEOPLE[0]} busy\n")

    bar = ListLines(bar=True)
    bar.rung(RUNG, SO_FAR)
    bar.end("1 busy")
    out, err = capsys.readouterr()
    assert err.startswith("\r[##########....................] 1/3 ")
    assert err.endswith("\n")

    written = StringIO()
    objects = ListJson(written)
    objects.rung(RUNG, SO_FAR)
    objects.end("1 busy")
    assert json.loads(written.getvalue()) == {
        "number": PEOPLE[0],
        "attempt": 1,
        "outcome": "busy",
        "reason": "busy",
        "answered_by": "",
        "duration_s": None,
        "call_id": "C1",
    }
    assert capsys.readouterr() == ("", "1 busy\n")
