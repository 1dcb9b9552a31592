"""What must not be dialled or spent, over both carriers: whom callers are put through to, and what a day may cost."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from patter_cli.errors import CallRejected
from patter_cli.server.control_messages import PlaceCall
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.testing.lab.call import By
from patter_cli.testing.lab.people import HangUp, Listen, Pause, Person, Refusal
from tests.e2e.lab_shop import COMPANIES, OURS, WANTS_DESK, Company, Shop, heard, shop, voice
from tests.lab import until

LISTEN = Listen(quiet_ms=450)
TO = "+12125550142"
LEAVES = Person(name="leaves", picks_up_ms=50, steps=(Pause(800), HangUp()))
BUSY = Person(name="busy", picks_up_ms=50, refuses=Refusal.BUSY)
EVERY_COMPANY = pytest.mark.parametrize("company", COMPANIES)


@EVERY_COMPANY
@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("+19005550123", "premium"),
        ("+881612345678", "satellite"),
        ("+18765550123", "Caribbean"),
        ("+442079460018", "--allow GB"),
        (OURS, "it would be rung from"),
    ],
)
async def test_nobody_is_put_through_to_a_number_that_we_would_not_ring(
    company: Company, number: str, why: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Though the operator has written it down, and whoever asks for it is the agent's own code; the caller stays."""
    caplog.set_level(logging.WARNING)

    def obeys(event: Any) -> str:
        event.transfer_call(number)
        return "One moment."

    asks = Person(name="asks", steps=(LISTEN, voice(WANTS_DESK), Listen(quiet_ms=900), Pause(400), HangUp()))
    async with shop(company, SqliteStore(tmp_path), answer=obeys, transfers=[number]) as here:
        call = await here.is_rung(asks, "+13125550177")
        assert "one moment." in heard(call)
        assert call.ended_by is By.PERSON
        assert list(here.lab.calls.values()) == [call]
        assert f"nobody is put through to {number}" in caplog.text
        assert why in caplog.text


def costs(here: Shop) -> None:
    """Nothing to be had for it."""
    with pytest.raises(CallRejected, match=r"have cost \$0\.0\d, and \$0\.00 is the most"):
        here.service.dial(PlaceCall(to=TO, from_number=OURS, agent="shop"))


@EVERY_COMPANY
async def test_a_day_that_has_cost_enough_has_no_more_calls(company: Company, tmp_path: Path) -> None:
    """None that we make, which is told why, and none that comes, who hears that; also after a restart."""
    async with shop(company, SqliteStore(tmp_path), max_spend_per_day=0.001) as here:
        await here.calls(TO, BUSY)  # costs nothing
        result, _ = await here.calls(TO, LEAVES, detects_machines=False)
        assert result.outcome == "answered"
        costs(here)
        await until(lambda: not here.service.live.count)
    async with shop(company, SqliteStore(tmp_path), max_spend_per_day=0.001) as here:
        costs(here)
        await here.is_rung(LEAVES, "+13125550177")
        assert here.log.calls == {}
