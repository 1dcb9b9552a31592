"""Ultravox' own ways: how a call is made and refused, and what is made of a transcript that comes when it likes."""

from __future__ import annotations

import json
from typing import Any, cast

import numpy as np
import pytest

from patter_cli.contracts import s2s
from patter_cli.contracts.llm import ChatMessage, ToolSpec
from patter_cli.contracts.s2s import EngineEvent, EngineSetup
from patter_cli.errors import BadReply, BadSetting, PatterError, ProviderError, RateLimited, Unauthorized
from patter_cli.providers.http import Server
from patter_cli.providers.socket import Socket
from patter_cli.providers.ultravox import Ultravox, UltravoxSession
from patter_cli.testing.vendors.faults import Fault, Faulty
from patter_cli.testing.vendors.server import in_json, serve
from patter_cli.testing.vendors.ultravox import UltravoxVendor

SETUP = EngineSetup(system_prompt="Be brief.", first_message="Hello there.")
SERVER = Server(provider="ultravox", base_url="https://ultravox.test", key="k", key_name="K", key_hint="")
BOOK = ToolSpec(
    name="book",
    description="Books a table.",
    parameters={
        "type": "object",
        "properties": {"people": {"type": "integer"}, "note": {"type": "string"}},
        "required": ["people"],
    },
)


class _NoSocket:
    def messages(self) -> Any: ...

    def post(self, *messages: Any) -> None: ...


def told(*messages: Any, greets: bool = False) -> list[EngineEvent]:
    """What a session makes of these."""
    session = UltravoxSession(SERVER, cast(Socket, _NoSocket()), greets=greets)
    wire = [each if isinstance(each, bytes) else json.dumps(each) for each in messages]
    return [event for each in wire for event in session.read(each)]


def line(role: str, ordinal: int, *, final: bool = False, **text: str) -> dict[str, Any]:
    return {"type": "transcript", "role": role, "medium": "voice", "ordinal": ordinal, "final": final, **text}


def kinds(events: list[EngineEvent]) -> list[str]:
    return [type(each).__name__ for each in events]


def test_a_call_is_made_with_what_the_agent_is() -> None:
    """Prompt, greeting and the telephone's rate; each parameter of a tool by itself, run by us."""
    wanted = Ultravox("k", temperature=0.3).call(EngineSetup(system_prompt="P.", first_message="Hi.", tools=(BOOK,)))
    assert (wanted["systemPrompt"], wanted["firstSpeakerSettings"]) == ("P.", {"agent": {"text": "Hi."}})
    assert wanted["medium"]["serverWebSocket"]["inputSampleRate"] == 8000
    (chosen,) = wanted["selectedTools"]
    assert chosen["temporaryTool"]["client"] == {}
    people, note = chosen["temporaryTool"]["dynamicParameters"]
    assert (people["name"], people["required"], people["schema"]) == ("people", True, {"type": "integer"})
    assert (note["name"], note["required"]) == ("note", False)


def test_a_call_that_takes_the_place_of_another_knows_what_was_said() -> None:
    """And greets nobody again."""
    history = (ChatMessage(role="assistant", text="Hello there."), ChatMessage(role="user", text="A table, please."))
    wanted = Ultravox("k").call(EngineSetup(system_prompt="P.", first_message="Hello there.", history=history))
    assert wanted["systemPrompt"].endswith("You: Hello there.\nCaller: A table, please.")
    assert wanted["firstSpeakerSettings"] == {"user": {}}


@pytest.mark.parametrize(
    "bad", [{"model": ""}, {"voice": ""}, {"temperature": 2.0}, {"base_url": "ftp://nowhere"}], ids=str
)
def test_a_recipe_that_cannot_work_is_refused(bad: dict[str, Any]) -> None:
    """When it is made, not when the phone rings."""
    with pytest.raises(BadSetting):
        Ultravox("k", **bad)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(Fault.KEY_REFUSED, Unauthorized), (Fault.RATE_LIMITED, RateLimited), (Fault.BROKEN, ProviderError)],
)
async def test_a_call_that_is_refused_says_why(fault: Fault, kind: type[PatterError]) -> None:
    """By its class, as with every vendor."""
    async with serve(Faulty(UltravoxVendor(), fault), path="") as lab:
        with pytest.raises(kind):
            await Ultravox("sk-lab", base_url=lab.url).open(SETUP)


@pytest.mark.parametrize("url", ["", "http://here", 7, "ws://elsewhere/calls/1"], ids=repr)
async def test_an_address_that_is_none_is_not_joined(url: Any) -> None:
    """Nor one that is not encrypted, where the vendor itself is."""
    async with serve(lambda request: in_json({"callId": "c", "joinUrl": url}, status=201), path="") as lab:
        recipe = Ultravox("sk-lab", base_url=lab.url)
        if url == "ws://elsewhere/calls/1":
            with pytest.raises(ProviderError):
                await recipe.open(SETUP)
        else:
            with pytest.raises(BadReply):
                await recipe.open(SETUP)


async def test_instructions_and_keys_reach_the_call() -> None:
    """Others are told as a text that asks for no answer; keys are answered."""
    peer = UltravoxVendor(["Two people, then."])
    async with serve(peer, path="") as lab:
        session = await Ultravox("sk-lab", base_url=lab.url).open(EngineSetup(system_prompt="P."))
        session.instruct(EngineSetup(system_prompt="Be long."))
        session.type_text("[DTMF: 2]")
        async for event in session.events():
            if isinstance(event, s2s.ReplyWords) and event.over:
                break
        await session.aclose()
    assert "Be long." in peer.calls[0].told[0]
    assert peer.asked == ["[DTMF: 2]"]


def test_the_caller_s_words_may_come_after_the_reply_to_them() -> None:
    """The turn is told with the reply, and the words are its own when they come."""
    sound = np.ones(80, "<i2").tobytes()
    events = told(
        {"type": "state", "state": "thinking"}, sound, line("user", 1, text="When?", final=True), sound,
        {"type": "state", "state": "thinking"}, sound,
    )  # fmt: skip
    assert kinds(events) == [
        "TurnTaken", "ReplyOpened", "ReplyAudio", "CallerWords", "ReplyAudio", "TurnTaken", "ReplyOpened", "ReplyAudio",
    ]  # fmt: skip
    words = next(each for each in events if isinstance(each, s2s.CallerWords))
    assert (words.item, words.text, words.final) == ("turn_1", "When?", True)


def test_a_line_told_in_pieces_and_as_a_whole_is_said_once() -> None:
    """Also when its end comes under the next reply; what was typed is not what the caller said."""
    sound = np.ones(80, "<i2").tobytes()
    events = told(
        sound,
        line("agent", 1, delta="We open "),
        line("agent", 1, text="We open at"),
        {"type": "transcript", "role": "user", "medium": "text", "text": "[DTMF: 1]", "final": True, "ordinal": 2},
        line("user", 3, text="Thanks.", final=True),
        sound,
        line("agent", 1, text="We open at nine.", final=True),
        greets=True,
    )
    words = [(each.reply, each.text) for each in events if isinstance(each, s2s.ReplyWords)]
    assert "".join(text for _, text in words) == "We open at nine."
    assert {reply for reply, _ in words} == {"reply_1"}
    assert [each.text for each in events if isinstance(each, s2s.CallerWords)] == ["Thanks."]


def test_half_a_sample_waits_for_its_other_half() -> None:
    """However the sound is cut, no sample is lost or shifted."""
    sound = np.arange(100, dtype="<i2").tobytes()
    events = told(sound[:33], sound[33:34], sound[34:], greets=True)
    heard = np.concatenate([each.samples for each in events if isinstance(each, s2s.ReplyAudio)])
    assert heard.tolist() == list(range(100))
