"""Calls for other programs: what a spreadsheet must not run, and what must come out as it went in."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.contracts.store import CallRecord, CallRow
from patter_cli.observe.export import COLUMNS, csv_lines

ROW = CallRow(
    call_id="LB1", started_at=1.5, agent="shop", caller="+15550100", callee="+1***0199", direction="inbound",
    carrier="loopback", outcome="answered", reason="x", duration_s=3.25, turns=1, usd=0.5, known_usd=0.5,
)  # fmt: skip


def read(**facts: object) -> dict[str, str]:
    """A call's line as a spreadsheet reads it."""
    record = CallRecord(row=ROW, facts=facts)
    (line,) = csv.DictReader(io.StringIO("".join(csv_lines([record])), newline=""))
    return line


def test_a_call_is_a_line() -> None:
    """Numbers stay numbers, a phone number too; what is not known is empty."""
    line = read(history=[{"role": "user", "text": 'He said "no", twice.\nThen left.'}])
    assert tuple(line) == COLUMNS
    assert (line["caller"], line["callee"], line["duration_s"], line["waited_ms"]) == (
        "+15550100",
        "+1***0199",
        "3.25",
        "",
    )
    assert line["started"] == "1970-01-01T00:00:01+00:00"
    assert line["transcript"] == 'caller: He said "no", twice.\nThen left.'


@pytest.mark.parametrize("text", ["=1+1", "@SUM(1)", "+cmd|' /C calc'!A0", "-2+3", "\t=1", "\r=1", "|x", " =1"])
def test_no_formula_comes_out(text: str) -> None:
    """A name that begins like one is shown with an apostrophe, and is otherwise whole."""
    record = CallRecord(
        row=CallRow(**{**{n: getattr(ROW, n) for n in ROW.__dataclass_fields__}, "reason": text}), facts={}
    )
    (line,) = csv.DictReader(io.StringIO("".join(csv_lines([record])), newline=""))
    assert line["reason"] == f"'{text}"


@given(st.text(max_size=40))
def test_any_text_is_one_cell(text: str) -> None:
    """Whatever a stranger said."""
    line = read(history=[{"role": text, "text": text}], metrics=text)
    assert list(line) == list(COLUMNS)
    assert not line["transcript"].lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
