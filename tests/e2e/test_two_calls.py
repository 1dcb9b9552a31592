"""Calls side by side, on both carriers: nothing of one is in the other, and what ends one leaves the other alone."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from patter_cli import Patter, wiring
from patter_cli.carriers.telnyx import carrier as telnyx_carrier
from patter_cli.engine.hooks import Hooks
from patter_cli.providers.rules import RulesLLM
from patter_cli.server.reception import NOBODY
from patter_cli.server.service import ServiceSettings
from tests.e2e.both_sides import HOST, NAMES, OURS, SIDES, Sides, heard_by, hears, within
from tests.e2e.conftest import LOUDNESS, agent, spoken

ADA, BOB = "+12125550142", "+12125550143"
# Whoever is rung here speaks in tones, which our own ear takes for a machine's beep where it listens for one.
QUESTION, PRICE = "What are your opening hours?", "How much is a cleaning?"
EVENTS = ("on_call_start", "on_transcript", "on_message", "on_metrics", "on_call_end")

TIER = {"tier": "all"}

on_both = pytest.mark.parametrize("on", SIDES, ids=NAMES)

pytestmark = pytest.mark.usefixtures("quiet_log")


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "r").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "r"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("PATTER_CALLING_HOURS", "any")
    monkeypatch.setenv("PHONE_NUMBER", OURS)
    monkeypatch.setattr(telnyx_carrier, "WORDS_A_SECOND", 1000.0)
    monkeypatch.setattr(wiring, "voice_model", lambda: LOUDNESS)  # what these callers say are tones


def says(words: str) -> RulesLLM:
    return RulesLLM(lambda turn: words)


async def program(stack: AsyncExitStack, side: Any, **more: Any) -> Patter:
    """A program that serves one agent, which none of the calls here is for."""
    phone = await stack.enter_async_context(Patter(side.carrier, webhook_url=f"https://{HOST}", persist=False))
    done = asyncio.create_task(phone.serve(agent("The served one.", llm=says("No.")), 0, **more))
    stack.push_async_callback(lambda: done)
    stack.push_async_callback(phone.disconnect)
    await phone.ready
    assert phone._service is not None
    phone._service._server._drain_timeout_s = 0.2
    side.serves(phone._service)
    return phone


@on_both
async def test_two_people_are_rung_by_two_agents(on: Sides) -> None:
    """Each hears the greeting, the variables and the answers of its own call; one hangs up, and the other goes on."""
    async with on(2) as side, AsyncExitStack() as stack:
        phone = await program(stack, side)
        tables, teeth = agent("Tables for {who}.", llm=says("At eight.")), agent("Teeth.", llm=says("Ninety."))
        to_ada, to_bob = await asyncio.gather(
            phone.call(ADA, tables, machine_detection=False, variables={"who": "ada"}),
            phone.call(BOB, teeth, "For {who}, teeth.", machine_detection=False, variables={"who": "bob"}),
        )
        async with await side.picks_up(BOB) as bob:
            async with await side.picks_up(ADA) as ada:
                await asyncio.gather(hears(ada, "tables for ada."), hears(bob, "for bob, teeth."))
                ada.say(spoken(QUESTION))
                bob.say(spoken(PRICE))
                await asyncio.gather(hears(ada, "at eight."), hears(bob, "ninety."))
            assert (await to_ada.result()).outcome == "answered"  # type: ignore[union-attr]
            bob.say(spoken(PRICE))
            await hears(bob, "ninety.ninety.")
            assert bob.ended is None
        of_bob = await to_bob.result()  # type: ignore[union-attr]
        assert heard_by(ada) == "tables for ada.at eight."
        assert heard_by(bob) == "for bob, teeth.ninety.ninety."
        assert [each["text"] for each in of_bob.history][:2] == ["For bob, teeth.", PRICE]
        assert QUESTION not in str(of_bob.history)


@on_both
async def test_two_machines_get_two_messages(on: Sides) -> None:
    """Each its own call's, never the other's nor the server's, and each call its own callback."""
    told: dict[str, list[Any]] = {ADA: [], BOB: []}
    async with on(2) as side, AsyncExitStack() as stack:
        phone = await program(stack, side, voicemail_message="The server's.", on_machine_detection=told.update)
        same = agent("Hello {who}.", llm=says("No."), variables={"who": "you"})
        placed = await asyncio.gather(
            *(
                phone.call(
                    number,
                    same,
                    machine_detection=False,
                    voicemail_message=f"This is for {name}, {{who}}.",
                    variables={"who": name},
                    on_machine_detection=told[number].append,
                )
                for number, name in ((ADA, "ada"), (BOB, "bob"))
            )
        )
        async with await side.picks_up(ADA) as ada, await side.picks_up(BOB) as bob:
            await asyncio.gather(side.is_a_machine(BOB), side.is_a_machine(ADA))
            await asyncio.gather(hears(ada, "this is for ada, ada."), hears(bob, "this is for bob, bob."))
        results = [await each.result() for each in placed]  # type: ignore[union-attr]
        assert [each.outcome for each in results] == ["voicemail", "voicemail"]
        assert "bob" not in heard_by(ada)
        assert "ada" not in heard_by(bob)
        await within(lambda: told[ADA] and told[BOB])
    assert [len(each) for each in told.values()] == [1, 1]
    for each, number in zip(results, (ADA, BOB), strict=True):
        assert (each.call_id, each.callee) == (told[number][0].call_id, number)


@on_both
async def test_two_numbers_have_two_agents(on: Sides) -> None:
    """Who calls one number reaches its agent, at the same time as others the other's; a third number leads nowhere."""
    agents = {
        name: wiring.ready_agent(name, agent(f"{name} for {{tier}}.", variables=TIER, llm=says(name)), Hooks())
        for name in ("tables", "teeth")
    }
    numbers = {"+12025550100": "tables", "+12025550101": "teeth"}
    async with on() as side:
        settings = ServiceSettings(port=0, public_host=HOST, drain_timeout_s=0.0, numbers=numbers)
        service = wiring.service(agents, settings, voice=LOUDNESS, carried_by={side.carrier.name: side.carrier})
        await service.start()
        side.serves(service)
        try:
            async with (
                await side.calls("+12025550100", ADA, tier="gold") as ada,
                await side.calls("+12025550101", BOB) as bob,
            ):
                await asyncio.gather(hears(ada, "tables for gold."), hears(bob, "teeth for all."))
                assert {each.ticket.caller: each.ticket.agent for each in service.live.calls} == {
                    ADA: "tables",
                    BOB: "teeth",
                }
                assert await side.declined("+12025550102", ADA) == NOBODY
        finally:
            await service.cut()
            service.close()


@on_both
@pytest.mark.parametrize("outbound", [False, True], ids=["inbound", "outbound"])
async def test_what_callbacks_are_told(on: Sides, outbound: bool) -> None:
    """Every key that is documented, on a carrier's call as on any other: who, whom, which way, by whom, with what."""
    told: dict[str, list[Any]] = {name: [] for name in EVENTS}

    def answer(event: Any) -> str:
        told["on_message"].append(event)
        return "At nine."

    keep = {name: told[name].append for name in EVENTS if name != "on_message"}
    async with on(1) as side, AsyncExitStack() as stack:
        phone = await stack.enter_async_context(Patter(side.carrier, webhook_url=HOST, persist=False))
        served = agent("Hello {tier}.", variables=TIER)
        done = asyncio.create_task(phone.serve(served, 0, on_message=answer, **keep, name="desk"))
        stack.push_async_callback(lambda: done)
        stack.push_async_callback(phone.disconnect)
        await phone.ready
        assert phone._service is not None
        phone._service._server._drain_timeout_s = 0.2
        side.serves(phone._service)
        if outbound:
            await phone.call(ADA, machine_detection=False, variables={"tier": "gold"})
        line = await side.picks_up(ADA) if outbound else await side.calls(OURS, ADA, tier="gold")
        async with line:
            await hears(line, "hello gold.")
            line.say(spoken(QUESTION))
            await hears(line, "at nine.")
            await within(lambda: len(told["on_transcript"]) == 3)
        await within(lambda: told["on_call_end"])
    caller, callee = (OURS, ADA) if outbound else (ADA, OURS)
    every = {"call_id", "caller", "callee", "history"}
    whose = {"direction", "carrier", "custom_params", "agent"}
    keys = {
        "on_call_start": every | whose,
        "on_transcript": every | {"role", "text", "interrupted"},
        "on_message": every | {"text"},
        "on_metrics": every
        | {"turn", "total_ms", "endpointing_ms", "stt_ms", "llm_ms", "clause_ms", "tts_ms"}
        | {"handover_ms", "cost"},
        "on_call_end": every
        | whose
        | {"duration", "outcome", "reason", "transcript", "metrics", "cost"}
        | {"recording_path"},
    }
    for name, events in told.items():
        assert events, name
        for each in events:
            assert set(each) == keys[name], name
            assert (each.caller, each["callee"]) == (caller, callee)
    for each in (told["on_call_start"][0], told["on_call_end"][0]):
        assert each.direction == ("outbound" if outbound else "inbound")
        assert (each.carrier, each.agent, each.custom_params) == (side.carrier.name, "desk", {"tier": "gold"})
    assert [(each.role, each.text) for each in told["on_transcript"]] == [
        ("assistant", "Hello gold."),
        ("user", QUESTION),
        ("assistant", "At nine."),
    ]
    (end,) = told["on_call_end"]
    assert (end.outcome, end.duration > 0, end.transcript == end.history) == ("answered", True, True)
    assert [leg["leg"] for leg in end.cost["legs"]].count("telephony") == 1


RING = {"twilio": ("Timeout", "25", "7"), "telnyx": ("timeout_secs", 25, 7)}
"""What the carrier calls the ring time, by default and for seven seconds."""
DETECTS = {"twilio": "MachineDetection", "telnyx": "answering_machine_detection"}


@on_both
async def test_what_a_call_asks_of_its_carrier(on: Sides) -> None:
    """The ring time, or none at all; detection, which a message for machines implies; another caller's number."""
    async with on(5) as side, AsyncExitStack() as stack:
        phone = await program(stack, side)
        name = side.carrier.name
        field, usual, seven = RING[name]
        numbers = [f"+1212555015{digit}" for digit in range(5)]
        await phone.call(numbers[0])
        await phone.call(numbers[1], ring_timeout=7, machine_detection=False)
        await phone.call(numbers[2], ring_timeout=None, from_number="+12025550199")
        await phone.call(numbers[3], machine_detection=False, voicemail_message="Call back.")
        dials = [side.dial(each) for each in numbers[:4]]
        assert [each.get(field) for each in dials] == [usual, seven, None, usual]
        assert [DETECTS[name] in each for each in dials] == [True, False, True, True]
        froms = [each.get("From") or each.get("from") for each in dials]
        assert froms == [OURS, OURS, "+12025550199", OURS]
