"""Which numbers are pointed at a server: those that somebody here answers, and no others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from patter_cli import Twilio
from patter_cli.cli.reaching import way_in
from patter_cli.contracts.carrier.carrier import Carrier
from patter_cli.errors import InputError
from patter_cli.settings import DEFAULTS

CARRIERS: dict[str, Carrier] = {"twilio": Twilio("AC" + "0" * 32, "t" * 32)}
OURS, ROUTED, OTHER = "+12025550177", "+12025550100", "+12025550199"
SETTINGS = replace(DEFAULTS, phone_number=OURS)


@pytest.mark.parametrize(
    ("number", "routed", "pointed"),
    [
        ("", (), [OURS]),
        ("", (ROUTED, OTHER), [ROUTED, OTHER]),
        (OTHER, (), [OTHER]),
        (OTHER, (ROUTED, OTHER), [OTHER]),
    ],
)
def test_numbers_that_are_pointed(number: str, routed: tuple[str, ...], pointed: list[str]) -> None:
    """What the flag names, else all that lead to an agent, else the one of the settings."""
    way = way_in(SETTINGS, CARRIERS, tunnel=True, number=number, routed=routed)
    assert [each.number for each in way.numbers] == pointed


def test_a_number_that_nobody_would_answer_is_refused() -> None:
    """Its callers would be told so, one after the other."""
    with pytest.raises(InputError, match=r"no agent answers \+12025550199") as refused:
        way_in(SETTINGS, CARRIERS, tunnel=True, number=OTHER, routed=(ROUTED,))
    assert "[numbers]" in refused.value.hint
