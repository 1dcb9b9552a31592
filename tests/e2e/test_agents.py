"""The agents of agents/ as a person tries them: typed to, called with a voice, transferred, interrupted by a key."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from patter_cli.cli.discovery import load_agent
from patter_cli.core import commands as order
from patter_cli.engine.hooks import Hooks
from tests.e2e.conftest import EARS, VOICE, Caller, answering
from tests.e2e.test_cli import ROOT, patter, start

FOLDER = ROOT / "agents"
SCENARIOS = sorted(path.stem for path in FOLDER.glob("[!_]*.toml") if path.stem != "receptionist")
"""The receptionist has its own test, in test_scenarios.py."""

TYPED = {
    "reminder": ("Who is calling?\n[DTMF: 1]\n", ["We look forward to seeing you on Thursday"]),
    "survey": ("Four.\n[DTMF: 5]\nThe coffee.\n", ["Four, thank you.", "Thank you very much for your time."]),
    "menu": ("[DTMF: 2]\n[DTMF: 1]\n", ["For groups, press 2.", "A ticket is twelve dollars."]),
    "orders": (
        "Where is order 4711?\nYes, please.\nA new address for order 1234.\n24 Green Street, Oxford.\nYes.\nBye bye.\n",
        ["a green teapot", "One moment, please.", "It is in the van", "Done, it goes to the new address."],
    ),
    "concierge": (
        "Will it rain tomorrow?\nHow much is a room?\nA table for two at seven, please.\nThat is all.\n",
        ["Showers from noon on", "I may not quote prices", "Your table for 2 at seven o'clock is booked."],
    ),
}
"""What is typed to each, and what must be among the answers."""


@pytest.mark.parametrize("name", TYPED)
def test_it_can_be_typed_to(name: str) -> None:
    """No sound and no key, and all else as on a call: rules, tools, the filler for a slow one, guardrails."""
    typed, wanted = TYPED[name]
    done = patter("simulate", name, "--text", stdin=typed, OPENAI_API_KEY="")
    assert done.returncode == 0, done.stderr
    for words in wanted:
        assert words in done.stdout
    assert "dollars a night" not in done.stdout


def test_the_order_desk_gets_a_person_or_takes_the_caller_back() -> None:
    """With a real voice: the colleague answers, and the call is theirs; or is busy, and the desk has another offer."""
    ask = "I want to talk to a real person."
    answered = start("simulate", "orders", "--say", ask, "--json", OPENAI_API_KEY="")
    refused = start("simulate", "--scenario", "agents/orders-busy.toml", "--json", OPENAI_API_KEY="")
    outs = [each.communicate(timeout=150) for each in (answered, refused)]
    assert (answered.returncode, refused.returncode) == (0, 0), outs
    facts = [json.loads(out) for out, _ in outs]
    assert [each["reason"] for each in facts] == ["transferred", "agent"]
    assert all(each["passed"] for each in facts[1]["expectations"])
    assert len(facts[1]["expectations"]) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_it_holds_its_own_scenario(scenario: str, tmp_path: Path) -> None:
    """Real speech both ways over the telephone wire, and every expectation holds."""
    done = patter("simulate", "--scenario", f"agents/{scenario}.toml", "--json", OPENAI_API_KEY="")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["expectations"]
    assert facts["caller_waited_ms"]


async def test_a_key_interrupts_the_menu() -> None:
    """Who knows the way presses a key while the menu is read out: it stops there and goes on with what was chosen."""
    loaded = load_agent("menu", ROOT)
    quick = replace(loaded.agent, stt=EARS, tts=VOICE)
    async with (
        answering({"menu": (quick, Hooks(**loaded.hooks))}) as phone,
        Caller(phone, "menu") as caller,
    ):
        await caller.until_heard("this is an automated menu.")
        caller.line.press("2")
        caller.line.press("1")
        await caller.until_heard("a ticket is twelve dollars.")
    assert "for an operator" not in caller.ear.text
    [greeting] = [
        command
        for entry in caller.entries
        for command in entry.commands
        if isinstance(command, order.ReportTranscript) and command.text.startswith("Welcome")
    ]
    assert greeting.interrupted
    assert ("user", "[DTMF: 21]") in caller.transcript()
