"""The screen of stored calls, as pages of text: what somebody sees, at four sizes."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from patter_cli.tui.draw import draw
from patter_cli.tui.steer import Steering
from patter_cli.tui.theme import theme
from patter_cli.tui.view import ListProgress, ScreenView
from tests.unit.tui.stored import DATA, LISTING, MOMENTS, SIZES, golden, page, screen_at


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_stored_call_looks_as_it_did(moment: str, width: int, height: int) -> None:
    """While it is held, while words grow, and once it is over; `python -m tests.unit.tui.stored` writes them anew."""
    assert page(MOMENTS[moment], width, height).text() + "\n" == golden(moment, width, height).read_text("utf-8")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_notice_stays_whatever_is_said(width: int, height: int) -> None:
    """At each size, with calls and without."""
    told = "echo: as before a change that cannot be used"
    for view in (
        replace(screen_at(MOMENTS["growing"]).view(24.7, shown="C-orders"), notice=told),
        ScreenView(log=("x",) * 99, notice=told),
    ):
        text = draw(view, Steering(), title="", width=width, height=height, theme=theme(coloured=False)).text()
        assert told in text


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_list_that_is_rung_looks_as_it_did(width: int, height: int) -> None:
    """How far it is, what became of whom, what is still to come, and the calls."""
    shown = page(MOMENTS["growing"], width, height, listing=LISTING).text()
    assert shown + "\n" == golden("list", width, height).read_text("utf-8")


@pytest.mark.parametrize("coloured", [True, False])
@pytest.mark.parametrize("width", [30, 44, 60, 79, 80, 109, 110, 119, 159, 160, 200, 400])
@pytest.mark.parametrize("height", [8, 13, 20, 24, 60])
def test_every_row_fills_its_line_and_no_more(width: int, height: int, coloured: bool) -> None:
    """At any size: one cell too many would wrap, one too few would leave what was there before."""
    for at_ms, listing in itertools.product((0, *MOMENTS.values()), (None, LISTING)):
        frame = page(at_ms, width, height, coloured=coloured, listing=listing)
        assert [sum(cell_len(each.text) for each in row) for row in frame.rows] == [width] * height


@pytest.mark.parametrize(("width", "height"), [(1, 1), (5, 3), (29, 24), (80, 7)])
def test_a_terminal_that_is_too_small_says_so(width: int, height: int) -> None:
    """And breaks nothing."""
    frame = page(MOMENTS["growing"], width, height)
    assert len(frame.rows) == height
    assert frame.text().startswith(("2 li", "…"))
    assert page(MOMENTS["growing"], 10, 24).text().strip() == "2 live"


def test_colours_are_seen_by_those_who_want_them_alone() -> None:
    """Without them no colour is sent, and unheard words stand between tildes; with them they are struck out."""
    at_ms = MOMENTS["growing"]
    sent = {}
    for coloured in (True, False):
        console = Console(width=120, force_terminal=True, color_system="standard", legacy_windows=False)
        with console.capture() as capture:
            console.print(page(at_ms, 120, 30, coloured=coloured))
        sent[coloured] = capture.get()
    assert "\x1b[9;31m" in sent[True]
    assert "~~" not in sent[True]
    assert "~~" in sent[False]
    colours = {str(each) for each in range(30, 50)}
    codes = {code for part in sent[False].split("\x1b[")[1:] for code in part.partition("m")[0].split(";")}
    assert not codes & colours


def test_a_terminal_without_unicode_gets_ascii() -> None:
    """Signs and bars; an ellipsis is what its own encoding makes of it."""
    view = screen_at(MOMENTS["growing"]).view(24.7, shown="C-orders", lag_ms=2)
    frame = draw(view, Steering(), title="patter", width=120, height=30, theme=theme(coloured=False, unicode=False))
    assert frame.text().replace("…", "...").isascii()


def test_nobody_on_the_phone_shows_what_the_command_says() -> None:
    """The address to call is what one wants to see then."""
    view = ScreenView(log=("receptionist answers at ws://127.0.0.1:8000",))
    text = draw(view, Steering(), title="patter serve", width=80, height=24, theme=theme(coloured=False)).text()
    assert "nobody is on the phone" in text
    assert "receptionist answers at ws://127.0.0.1:8000" in text


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"left": 5, "seconds_left": 42.0}, "about 42 s left"),
        ({"left": 5, "seconds_left": 60 * 45}, "about 45 min left"),
        ({"left": 5, "seconds_left": 3600 * 7 + 120}, "about 7 h 2 min left"),
        ({"ringing": 2}, "the last calls"),
        ({}, "everybody was rung"),
        ({"left": 5, "stopping": True}, "nobody else is rung"),
        ({"left": 5}, "to come about $?"),
        ({"left": 5, "usd_left": 1.5}, "to come about $1.50"),
    ],
)
def test_what_is_to_come_of_a_list(facts: dict[str, Any], words: str) -> None:
    """In the largest unit that says something; a cost that nobody knows is not made up."""
    listing = ListProgress(name="people.csv", people=9, **facts)
    view = ScreenView(listing=listing)
    for width in (60, 80):
        text = draw(view, Steering(), title="patter", width=width, height=24, theme=theme(coloured=False)).text()
        assert words in text


def test_a_list_of_nobody_is_a_list() -> None:
    """And so is one with more outcomes than a row has room for."""
    outcomes = tuple((f"outcome_{number}", number) for number in range(9, 0, -1))
    for listing in (ListProgress(name="", people=0), ListProgress(name="x" * 99, people=45, outcomes=outcomes)):
        frame = draw(ScreenView(listing=listing), Steering(), title="", width=44, height=30, theme=theme(coloured=True))
        assert {sum(cell_len(each.text) for each in row) for row in frame.rows} == {44}
    assert "1 outcome 1" in frame.text()


def test_help_names_every_key() -> None:
    """At each size, and the footer asks before it hangs up."""
    for width, height in SIZES:
        text = page(MOMENTS["growing"], width, height, steering=Steering(help=True)).text()
        assert all(word in text for word in ("choose a call", "hang the call up", "mute the caller", "Ctrl-C"))
        asked = page(MOMENTS["growing"], width, height, steering=Steering(asks="C-orders")).text()
        assert "hang up loopback? y: yes" in asked.splitlines()[-1]


def test_the_page_about_the_screen_shows_what_it_shows() -> None:
    """Each row of its pictures is a row of the stored calls' screen."""
    page_of_docs = (DATA.parents[2] / "docs" / "screen.md").read_text(encoding="utf-8")
    pictures = [each.strip("\n").splitlines() for each in page_of_docs.split("```")[1::2]]
    shown = [page(MOMENTS["growing"], 80, 24, listing=each).text().splitlines() for each in (None, LISTING)]
    assert [len(each) > 8 for each in pictures] == [True, True]
    for picture, screen in zip(pictures, shown, strict=True):
        assert [each for each in picture if each not in screen] == []
