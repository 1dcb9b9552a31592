"""A stored call as a moving picture of its screen."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.dom import minidom

from patter_cli.core.commands import ReportTranscript
from patter_cli.core.journal import Entry
from patter_cli.tui.svg import STEP_S, moving_picture
from tests.unit.tui.stored import entries


def picture(calls: list[Entry]) -> str:
    svg = moving_picture("C1", calls, "patter simulate receptionist")
    minidom.parseString(svg)
    return svg


def test_it_shows_the_call() -> None:
    """Who speaks, what was not heard struck through, and where the time went; it begins anew when it is over."""
    svg = picture(entries("receptionist"))
    for words in ("caller", "What are your opening hours?", 'text-decoration="line-through"', "p50"):
        assert words in svg
    assert 'begin="0s;t.end"' in svg
    begins = {float(each) for each in re.findall(r"t\.begin\+([0-9.]+)s", svg)}
    assert len(begins) > 20
    assert all(each % STEP_S == 0 for each in begins)


def test_what_strangers_say_is_text() -> None:
    """A picture on a page runs nothing."""
    calls = [
        replace(
            each,
            commands=tuple(
                replace(order, text='<script>alert("1")</script>&') if isinstance(order, ReportTranscript) else order
                for order in each.commands
            ),
        )
        for each in entries("receptionist")
    ]
    svg = picture(calls)
    assert "<script" not in svg
    assert "&lt;script&gt;" in svg
