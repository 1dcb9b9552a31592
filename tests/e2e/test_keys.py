"""Keys through a whole server, both ways: pressed by a caller, and by an agent that walks another company's menu."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from patter_cli import OpenAICompatibleLLM
from patter_cli.audio.frame import Samples
from patter_cli.server.control_messages import PlaceCall
from patter_cli.simulate.caller import LineCaller
from patter_cli.testing.vendors.server import LabServer, serve
from tests.contract.twilio_api import CALL
from tests.e2e.conftest import Earpiece
from tests.e2e.telnyx_api import Answer, TelnyxApi, refusal
from tests.e2e.test_model_calls import calls, in_turn, says
from tests.e2e.test_telnyx import CALLEE, NUMBER, api, asked_for, on_the_line, served, telnyx
from tests.e2e.test_twilio import HOST, Twilio, heard, twilio

__all__ = ["api"]

pytestmark = pytest.mark.usefixtures("quiet_log")

WRONG = ("x", "12", "", "१", "A" * 40)
"""What no telephone sends. A to D are keys, though few telephones have them."""

ROWS_HZ, COLUMNS_HZ = (697, 770, 852, 941), (1209, 1336, 1477)
KEYS = ("123", "456", "789", "*0#")


class KeyEar(Earpiece):
    """A handset of a machine that knows keys by their two tones."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str] = []
        self._last = ""

    def play(self, samples: Samples) -> None:
        super().play(samples)
        key = key_in(samples)
        if key and key != self._last:
            self.keys.append(key)
        self._last = key


def key_in(samples: Samples) -> str:
    """The key whose tones these 20 ms are; "" if they are none's."""
    wave = samples.astype(np.float64) / 32768
    if len(wave) < 80 or np.abs(wave).max() < 0.1:
        return ""
    at = 2j * np.pi * np.arange(len(wave)) / 8000

    def strongest(hz: tuple[int, ...]) -> tuple[int, float]:
        powers = [abs(np.exp(-at * each) @ wave) / len(wave) for each in hz]
        return int(np.argmax(powers)), max(powers)

    (row, low), (column, high) = strongest(ROWS_HZ), strongest(COLUMNS_HZ)
    return KEYS[row][column] if min(low, high) > 0.05 else ""


def pressed(line: LineCaller) -> None:
    """Two keys in quick succession, with what is none before, between and after them."""
    for digit in (*WRONG, "1", *WRONG, "2", *WRONG):
        line.press(digit)


async def test_quick_keys_are_one_entry_on_twilio() -> None:
    """What is no key is not one, wherever it comes; the call goes on."""
    async with twilio() as here, here.line(await here.told()) as line:
        assert await heard(line, "hello plain caller.")
        pressed(line)
        assert await line.wait_for(lambda: bool(here.asked), 5.0)
        assert await heard(line, "yes.")
        assert [each.text for each in here.asked] == ["[DTMF: 12]"]


async def test_quick_keys_are_one_entry_on_telnyx(api: TelnyxApi) -> None:
    """The same on the other wire."""
    carrier, asked = telnyx(api), list[str]()

    def answer(event: Any) -> str:
        asked.append(event.text)
        return "Yes."

    async with served(carrier, answer) as (service, post, _):
        await post("call.initiated", direction="incoming", **{"from": "+15550100001", "to": NUMBER})
        await asked_for(api, "answer")
        async with on_the_line(service, api, carrier) as line:
            pressed(line)
            assert await line.wait_for(lambda: bool(asked), 5.0)
    assert asked == ["[DTMF: 12]"]


@asynccontextmanager
async def menu_walker(keys: str) -> AsyncIterator[tuple[LabServer, OpenAICompatibleLLM]]:
    """A model that presses keys whatever it hears, and says something afterwards."""
    async with serve(in_turn(calls("press_keys", json.dumps({"keys": keys})), says("That is done."))) as vendor:
        yield vendor, OpenAICompatibleLLM(vendor.url, "m")


def told_of_keys(vendor: LabServer) -> str:
    """What the model was told that its keys have come to."""
    messages = [each for request in vendor.requests if request.body for each in request.json["messages"]]
    return next((str(each["content"]) for each in messages if each["role"] == "tool"), "")


@asynccontextmanager
async def rung(here: Twilio) -> AsyncIterator[tuple[LineCaller, KeyEar]]:
    """A call that was made to a company with a menu, which has just picked up."""
    await here.service.place(PlaceCall(to="+12025550142", from_number="+12025550100", agent="shop"))
    path = here.api.asked[0]["Url"].removeprefix(f"https://{HOST}")
    outbound = {"Direction": "outbound-api", "From": "+12025550100", "To": "+12025550142"}
    line, ear = here.line(await here.told(path, **outbound, CallStatus="in-progress")), KeyEar()
    line._handset = ear
    async with line:
        assert await heard(line, "hello plain caller.")
        yield line, ear


async def test_an_agent_presses_keys_on_twilio() -> None:
    """The menu hears their tones, in order, in the call's own sound; the model knows that they were heard."""
    async with (
        menu_walker("1w29") as (vendor, llm),
        twilio((201, {"sid": CALL, "status": "queued"}), llm=llm) as here,
        rung(here) as (line, ear),
    ):
        line.press("5")  # so that it is the agent's turn
        assert await line.wait_for(lambda: ear.keys == ["1", "2", "9"], 8.0)
        assert await heard(line, "that is done.")
        assert '"ok": true' in told_of_keys(vendor)


@pytest.mark.parametrize("keys", ["hello", "", "1" * 33, "1;2"])
async def test_what_is_no_key_is_not_pressed(keys: str) -> None:
    """The model is told what keys are, and nothing is heard."""
    async with (
        menu_walker(keys) as (vendor, llm),
        twilio((201, {"sid": CALL, "status": "queued"}), llm=llm) as here,
        rung(here) as (line, ear),
    ):
        line.press("5")
        assert await heard(line, "that is done.")
        assert "not pressed" in told_of_keys(vendor)
        assert ear.keys == []


@pytest.mark.parametrize(("answer", "told"), [(Answer(), '"ok": true'), (refusal(422, "90015", "no"), '"ok": false')])
async def test_an_agent_presses_keys_on_telnyx(api: TelnyxApi, answer: Answer, told: str) -> None:
    """As telephone events, which Telnyx may refuse; the model is told which it was."""
    carrier = telnyx(api)
    api.will("POST /calls", Answer(body={"data": {"call_control_id": "v3:TESTcallcontrolid"}}))
    api.will("POST /calls/v3%3ATESTcallcontrolid/actions/send_dtmf", answer)
    async with menu_walker("1w29") as (vendor, llm), served(carrier, str, llm=llm) as (service, post, _):
        await service.place(PlaceCall(to=CALLEE, from_number="+12025550100", agent="shop"))
        dialled = api.bodies[0][1]
        path = dialled["webhook_url"].removeprefix("https://voice.example.com")
        await post("call.answered", path=path, client_state=dialled["client_state"])
        await asked_for(api, "streaming_start")
        async with on_the_line(service, api, carrier) as line:
            line.press("5")
            assert (await asked_for(api, "send_dtmf"))["digits"] == "1w29"
            assert await line.wait_for(lambda: told in told_of_keys(vendor), 8.0)
