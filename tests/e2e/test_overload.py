"""A machine that is full refuses, and those it has taken do not notice."""

from __future__ import annotations

import pytest

from patter_cli.engine.hooks import Hooks
from patter_cli.errors import CallRejected
from patter_cli.providers.inference import POOL
from patter_cli.server.admission import TOGETHER_S
from tests.e2e.conftest import Caller, LetterVoice, agent, answering

CARRIED = 2


class CostlyVoice(LetterVoice):
    """This machine could make two answers of it in time."""

    async def awaited_work_s(self) -> float:
        return POOL.threads * TOGETHER_S / CARRIED


async def test_callers_over_what_is_carried_get_the_busy_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight call where two are carried: six are refused before their call begins, with words that say why."""
    monkeypatch.setattr(POOL, "slowness", lambda over_s: 1.0)  # what else runs on this machine is another story
    agents = {
        "local": (agent("hello there", tts=CostlyVoice()), Hooks(on_message=lambda event: "yes")),
        "vendor": (agent("hello vendor"), Hooks(on_message=lambda event: "yes")),
    }
    async with answering(agents) as phone:
        assert (phone.server.carries("local"), phone.server.carries("vendor")) == (CARRIED, 100)
        async with Caller(phone, "local", "one") as one, Caller(phone, "local", "other") as other:
            assert await one.line.wait_for(lambda: one.ear.has_heard("hello there"), 5.0)
            for _ in range(6):
                with pytest.raises(CallRejected, match=r"2 calls are what this machine carries \(HTTP 503\)"):
                    async with Caller(phone, "local", "more"):
                        pass
            with pytest.raises(CallRejected, match="503"):
                async with Caller(phone, "vendor"):
                    pass
            assert await other.line.wait_for(lambda: other.ear.has_heard("hello there"), 5.0)
            assert (one.line.ended, other.line.ended, phone.server.live.count) == (None, None, 2)
        async with Caller(phone, "local", "later") as later, Caller(phone, "vendor") as vendor:
            assert await later.line.wait_for(lambda: later.ear.has_heard("hello there"), 5.0)
            assert await vendor.line.wait_for(lambda: vendor.ear.has_heard("hello vendor"), 5.0)
