"""How much silence ends a turn."""

from __future__ import annotations

import pytest

from patter_cli.core.endpointing import endpoint_delay
from patter_cli.core.plan import Pace

PACE = Pace()


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        ("", PACE.endpoint_ms),
        ("...", PACE.endpoint_ms),
        ("I would like a table", PACE.endpoint_ms),
        ("A table for two, please.", PACE.endpoint_ms),
        ("What time do you open?", PACE.endpoint_complete_ms),
        ("You open?", PACE.endpoint_ms),
        ("Yes.", PACE.endpoint_complete_ms),
        ("no thanks", PACE.endpoint_complete_ms),
        ("I want a table and", PACE.endpoint_unfinished_ms),
        ("um", PACE.endpoint_unfinished_ms),
        ("On Sunday,", PACE.endpoint_ms),
        ("So what time do you open?", PACE.endpoint_complete_ms),
        ("So I thought...", PACE.endpoint_unfinished_ms),
        ("my number is 555 01", PACE.endpoint_unfinished_ms),
        ("it is 5550 one nine", PACE.endpoint_unfinished_ms),
        ("my number is 5550199123", PACE.endpoint_ms),
        ("room 12", PACE.endpoint_ms),
    ],
)
def test_words_decide_how_long_we_wait(text: str, delay: int) -> None:
    """Finished questions and short answers end sooner, open sentences and half numbers later."""
    assert endpoint_delay(text, PACE) == delay
