"""A tool that takes the call off the record: nothing the caller says meanwhile is heard, kept, or in the recording."""

from __future__ import annotations

import asyncio
import io
import json
import wave
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from patter_cli import RulesLLM, Turn, call_tool, tool, wiring
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import OffRecordRequested
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import CarrierError
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.testing.lab.people import HangUp, Listen, Pause, Person, Press
from patter_cli.testing.lab.telnyx.lab import TelnyxLab
from patter_cli.testing.lab.twilio.lab import TwilioLab
from patter_cli.tools import ToolContext
from tests.e2e.conftest import agent
from tests.e2e.lab_shop import COMPANIES, GOODBYE, HOURS, Company, heard, shop, voice

pytestmark = pytest.mark.usefixtures("quiet_log")

CARD = "Stop! Where is your office?"
"""What nobody is to keep. Our ears would understand it."""
CALLER = "+12025550142"


def brain(turn: Turn) -> Iterator[Any]:
    if turn.called("take_card"):
        yield "Thank you."
    elif turn.text == HOURS:
        yield call_tool("take_card")
    elif turn.text == GOODBYE:
        yield call_tool("end_call")
        yield "Bye bye."
    else:
        yield f"You said {turn.text}"


@tool
async def take_card_slowly(ctx: ToolContext) -> str:
    """Have the caller say their card number to a machine of ours."""
    await ctx.pause_recording()
    await asyncio.sleep(3.0)
    await ctx.resume_recording()
    return "taken"


def recorded(lab: TwilioLab | TelnyxLab, call_id: str) -> tuple[np.ndarray, int]:
    """int16 samples of shape (n, 2), the caller first, and their rate."""
    if isinstance(lab, TelnyxLab):
        (content,) = lab.files.values()
    else:
        session = lab.sessions[call_id]
        (recording,) = session.recordings
        assert session.call.line is not None
        content = recording.wav(session.call.line, 2)
    with wave.open(io.BytesIO(content)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
        return samples, file.getframerate()


@pytest.mark.parametrize("company", COMPANIES)
async def test_what_is_said_off_the_record_is_nowhere(company: Company, tmp_path: Path) -> None:
    """Neither words nor keys, in no transcript, journal, history or recording; afterwards all of it is as before."""
    slow = replace(take_card_slowly, name="take_card")
    shown = agent("Hello caller.", llm=RulesLLM(brain), tools=[slow])
    ready = wiring.ready_agent("shop", shown, Hooks())
    store = SqliteStore(tmp_path)
    person = Person(
        name="payer",
        steps=(
            Listen(quiet_ms=1500),
            voice(HOURS),
            Pause(1700),
            voice(CARD),
            Press("4711"),
            Listen(quiet_ms=2500),
            voice(GOODBYE),
            Pause(4000),
            HangUp(),
        ),
    )
    async with shop(company, store, ready=ready, recording=True) as here:
        call = await here.is_rung(person, CALLER)
        record = await here.record(CALLER)
        (entries,) = here.log.calls.values()
        off, on = (
            next(each.at for each in entries if each.event == OffRecordRequested(off=wanted))
            for wanted in (True, False)
        )
        assert 2500 < on - off < 4500
        said = [each.event.text for each in entries if isinstance(each.event, fact.TranscriptFinal)]
        assert said == [HOURS, GOODBYE]
        assert not any(isinstance(each.event, fact.DtmfReceived) for each in entries)
        kept = json.dumps(record.facts) + "".join(map(str, tmp_path.rglob("*.jsonl")))
        assert CARD not in kept
        assert heard(call).endswith("thank you.bye bye.")
        assert isinstance(here.lab, TwilioLab | TelnyxLab)
        samples, rate_hz = recorded(here.lab, call.call_id)
        assert np.abs(samples[:, 0]).max() > 3000
        assert longest_silence_s(samples[:, 0], rate_hz) > 2.5


def longest_silence_s(samples: np.ndarray, rate_hz: int) -> float:
    """Between two sounds."""
    loud = np.flatnonzero(np.abs(samples.astype(int)) > 500)
    return float(np.diff(loud).max()) / rate_hz


class Heard:
    """What a tool that was refused has learnt."""

    why = ""


@tool
def take_card(ctx: ToolContext) -> str:
    """Have the caller say their card number to a machine of ours, in a plain function."""
    try:
        ctx.pause_recording()
    except CarrierError as error:
        Heard.why = str(error)
        return "not now"
    return "taken"


async def test_without_a_recording_it_is_off_the_record_all_the_same(tmp_path: Path) -> None:
    """A plain function waits until it is so; when it is over the call is heard again without being asked."""
    Heard.why = ""
    ready = wiring.ready_agent("shop", agent("Hello caller.", llm=RulesLLM(brain), tools=[take_card]), Hooks())
    person = Person(
        name="payer",
        steps=(Listen(quiet_ms=1500), voice(HOURS), Listen(quiet_ms=2000), voice(GOODBYE), Pause(4000), HangUp()),
    )
    async with shop("twilio", SqliteStore(tmp_path), ready=ready) as here:
        call = await here.is_rung(person, CALLER)
        (entries,) = here.log.calls.values()
        asked = [each.event.off for each in entries if isinstance(each.event, OffRecordRequested)]
        assert asked == [True, False]
        assert Heard.why == ""
        assert heard(call).endswith("thank you.bye bye.")
