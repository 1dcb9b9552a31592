"""Fifty people who are rung: each hears at once that it is no human, and whoever says so is never rung again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from patter_cli import RulesLLM, Turn, call_tool, opt_out, wiring
from patter_cli.contracts.llm import ToolCall
from patter_cli.destinations import DialRules, DoNotCall
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import DestinationRefused
from patter_cli.server.control_messages import PlaceCall
from patter_cli.settings import Settings
from patter_cli.stores.nothing import NoStore
from patter_cli.testing.lab.people import HangUp, Listen, Pause, Person
from tests.e2e.conftest import agent, letters_in
from tests.e2e.lab_shop import COMPANIES, GOODBYE, OURS, Company, Shop, shop, voice
from tests.patient_loop import run_patiently

EACH = 25
WHO = "Hello, this is the automated assistant of Dr. Ada."
WANTS_NO_MORE = Person(
    name="wants no more", picks_up_ms=100, steps=(Listen(quiet_ms=450), voice(GOODBYE), Listen(quiet_ms=450), HangUp())
)
SAYS_NOTHING = Person(name="says nothing", picks_up_ms=100, steps=(Pause(4000), HangUp()))


def obliging(turn: Turn) -> Iterator[str | ToolCall]:
    """Whoever says goodbye wants no more calls, as far as this model goes."""
    if not turn.called("opt_out"):
        yield call_tool("opt_out")
    else:
        yield "You will not be called again."


async def rung(company: Company, folder: Path) -> list[str]:
    """Ring them all over one carrier; what each heard in the first five seconds."""
    unwanted = DoNotCall(folder / "do-not-call.txt")
    told = agent(WHO, llm=RulesLLM(obliging), tools=[opt_out])
    ready = wiring.ready_agent("shop", told, Hooks(), Settings(do_not_call=unwanted.path))
    rules = DialRules(hours=None, do_not_call=unwanted)
    numbers = [f"+1212555{1000 + place}" for place in range(EACH)]
    people = [SAYS_NOTHING if place % 5 == 0 else WANTS_NO_MORE for place in range(EACH)]
    room = asyncio.Semaphore(10)

    async def one(here: Shop, number: str, person: Person) -> str:
        async with room:
            result, call = await here.calls(number, person, detects_machines=False)
        assert result.outcome == "answered"
        assert call.line is not None
        return letters_in(call.line.heard_audio()[: 5 * 8000])

    async with shop(company, NoStore(), ready=ready, rules=rules) as here:
        heard = await asyncio.gather(*(one(here, *each) for each in zip(numbers, people, strict=True)))
        for number, person in zip(numbers, people, strict=True):
            again = PlaceCall(to=number, from_number=OURS, agent="shop")
            if person is WANTS_NO_MORE:
                with pytest.raises(DestinationRefused, match="wants no calls"):
                    here.service.dial(again)
            else:
                here.service.prepare_dial(again)
        return heard


@pytest.mark.parametrize("company", COMPANIES)
@pytest.mark.usefixtures("quiet_log")
def test_who_is_calling_and_who_wants_no_more(company: Company, tmp_path: Path) -> None:
    """Twenty-five over each carrier, some of whom say nothing at all: those may be rung again, and nobody else."""
    heard = run_patiently(rung(company, tmp_path))
    assert len(heard) == EACH
    assert all("this is the automated assistant of" in each for each in heard), heard
