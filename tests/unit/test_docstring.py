"""What a docstring tells a model."""

from __future__ import annotations

import pytest

from patter_cli.docstring import read_docstring


@pytest.mark.parametrize(
    ("doc", "description", "said"),
    [
        (None, "", {}),
        ("Say when we are open.", "Say when we are open.", {}),
        ("List free times. day: a date, or a weekday.", "List free times.", {"day": "a date, or a weekday."}),
        ("Book.\n\n    The answer says so.\n    ", "Book. The answer says so.", {}),
        (
            "Book a visit.\n\n    day: a date such as\n        2031-05-07\n    name: who comes\n\n    Slow.\n",
            "Book a visit.",
            {"day": "a date such as 2031-05-07", "name": "who comes"},
        ),
        ("Move it. day: from. name: whose.", "Move it.", {"day": "from.", "name": "whose."}),
        (
            "Book.\n\n    Twice is fine.\n\n    Args:\n        day (str): the day,\n            or today\n"
            "        name: who\n\n    Returns:\n        What was booked.\n",
            "Book. Twice is fine.",
            {"day": "the day, or today", "name": "who"},
        ),
        ("Call at 10:30. Note: be kind. days: no parameter.", "Call at 10:30. Note: be kind. days: no parameter.", {}),
        ("Say it.\n\n    Returns:\n        day: not described here\n", "Say it.", {}),
    ],
)
def test_a_docstring_is_taken_apart(doc: str | None, description: str, said: dict[str, str]) -> None:
    """The description ends where the parameters begin, in each of the usual ways to write them."""
    assert read_docstring(doc, ["day", "name"]) == (description, said)
