"""What a terminal is told from one frame to the next, and who may have the screen."""

from __future__ import annotations

import io
import os
import pty
import re
import sys
from collections.abc import Iterator
from typing import TextIO

import pytest

from patter_cli.cli.screen import screen_for
from patter_cli.settings import Settings
from patter_cli.tui.live import LiveScreen, rendered
from patter_cli.tui.tty import can_show
from tests.unit.tui.stored import MOMENTS, entries, page


def test_a_first_frame_is_told_whole_and_the_same_one_not_at_all() -> None:
    """Each row at its place."""
    frame = page(MOMENTS["growing"], 80, 24)
    assert rendered(frame, None).count(";1H") == 24
    assert rendered(frame, page(MOMENTS["growing"], 80, 24)) == ""


def test_only_rows_that_changed_are_told() -> None:
    """A quarter of a second later a clock or a word is new, and little else."""
    before, after = page(24_700, 80, 24), page(25_200, 80, 24)
    told = [int(each) for each in re.findall(r"\x1b\[(\d+);1H", rendered(after, before))]
    changed = [n for n, (one, other) in enumerate(zip(before.rows, after.rows, strict=True), 1) if one != other]
    assert told == changed
    assert 0 < len(told) < 8


def test_another_size_is_told_whole() -> None:
    """What was there is wiped first: its rows are elsewhere now."""
    told = rendered(page(24_700, 120, 30), page(24_700, 80, 24))
    assert told.startswith("\x1b[0m\x1b[2J")
    assert told.count(";1H") == 30


@pytest.fixture
def far() -> Iterator[TextIO]:
    """A terminal that is not this process's own."""
    near, descriptor = pty.openpty()
    with open(descriptor, "w", encoding="utf-8") as made:
        yield made
    os.close(near)


def test_a_terminal_that_is_another_programs_is_left_alone(far: TextIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with `patter serve &`: to ask for its keys would stop us."""
    monkeypatch.setenv("TERM", "xterm")
    assert not can_show(far, far)


def test_pipes_and_files_get_no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does a stream without a descriptor, or one that is closed."""
    monkeypatch.setenv("TERM", "xterm")
    closed = io.StringIO()
    closed.close()
    for stream in (io.StringIO(), closed):
        assert not can_show(stream, stream)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert screen_for("patter serve", Settings()) is None


def test_calls_are_told_to_others_while_there_is_no_screen(far: TextIO) -> None:
    """Before it is drawn, and where it cannot be; all of them count in the summary."""
    told: list[str] = []
    screen = LiveScreen(
        "patter", stdin=far, stdout=far, coloured=True, otherwise=lambda call_id, entry: told.append(call_id)
    )
    assert screen.summary() == ""
    stored = entries("receptionist")
    for each in stored:
        screen("C1", each)
    assert told == ["C1"] * len(stored)
    assert screen.summary() == "1 call, 8 turns; callers waited p50 445, p95 514 ms; $0"
