"""Guardrails on a real call: what must not be said is not heard, whatever shape the rule has or however it breaks."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from patter_cli import RulesLLM, guardrail
from patter_cli.agent import Guardrail
from patter_cli.engine.hooks import Hooks
from tests.e2e.conftest import SENTENCES, Caller, agent, answering

QUESTION = SENTENCES[0]
SAYS = "Buy the red car now. We open at nine."
INSTEAD = "Let us talk of something else."


async def forbids_red(clause: str) -> bool:
    await asyncio.sleep(0.01)
    return "red" in clause


def forbids_red_slowly(clause: str) -> bool:
    time.sleep(0.2)
    return "red" in clause


def breaks(clause: str) -> bool:
    raise RuntimeError("a bug in the rule")


async def hangs(clause: str) -> bool:
    await asyncio.Event().wait()
    return False


def nothing(clause: str) -> Any:
    return None


RULES: dict[str, tuple[Guardrail, str]] = {
    "terms": (guardrail("r", ["red car"], replacement=INSTEAD), f"{INSTEAD}We open at nine."),
    "terms-in-capitals": (guardrail("r", ["RED  CAR"], replacement=INSTEAD), f"{INSTEAD}We open at nine."),
    "no-part-of-a-word": (guardrail("r", ["bu", "ed", "car n"], replacement=INSTEAD), SAYS),
    "across-a-joint": (guardrail("r", ["now we open"], replacement=INSTEAD), f"Buy the red car now.{INSTEAD}"),
    "async": (guardrail("r", check=forbids_red, replacement=INSTEAD), f"{INSTEAD}We open at nine."),
    "slow": (guardrail("r", check=forbids_red_slowly, replacement=INSTEAD), f"{INSTEAD}We open at nine."),
    "breaks": (guardrail("r", check=breaks, replacement=INSTEAD), f"{INSTEAD}{INSTEAD}"),
    "breaks-and-passes": (guardrail("r", check=breaks, replacement=INSTEAD, on_error="pass"), SAYS),
    "hangs": (guardrail("r", check=hangs, replacement=INSTEAD), INSTEAD),
    "hangs-and-passes": (guardrail("r", check=hangs, on_error="pass"), "Buy the red car now."),
    "says-nothing": (guardrail("r", check=nothing), SAYS),
}


async def test_what_must_not_be_said_is_not_heard_and_not_remembered(quiet_log: None) -> None:
    """Each shape in a call of its own, of an agent's code and of a model; the history has what was spoken."""
    failures: list[str] = []

    def squeezed(text: str) -> str:
        return text.lower().replace(" ", "")

    async def one(phone: Any, name: str, wanted: str) -> None:
        async with Caller(phone, name) as caller:
            await caller.say(QUESTION)
            try:
                await caller.until(lambda: squeezed(wanted) in squeezed(caller.ear.text), 12)
                await caller.until(lambda: any(role == "assistant" for role, _ in caller.transcript()), 12)
            except AssertionError as error:
                failures.append(str(error))
            said = " ".join(text for role, text in caller.transcript() if role == "assistant")
            for heard in (caller.ear.text, said):
                if "red" in heard.lower() and "red" not in wanted:
                    failures.append(f"{name}: {heard!r}")
            if caller.longest_wait_ms() > 4500:
                failures.append(f"{name}: {caller.longest_wait_ms():.0f} ms of silence")

    agents = {}
    for name, (rule, _) in RULES.items():
        agents[name] = (agent(guardrails=[rule]), Hooks(on_message=lambda event: SAYS))
        agents[f"{name}-model"] = (agent(guardrails=[rule], llm=RulesLLM(lambda turn: SAYS)), Hooks())
    async with answering(agents) as phone:
        await asyncio.gather(
            *(one(phone, name + kind, wanted) for name, (_, wanted) in RULES.items() for kind in ("", "-model"))
        )
    assert not failures, "\n".join(failures)
