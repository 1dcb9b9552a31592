"""The receptionist's demo, spoken, through both engines and four mixes of ears, mind and voice of the lab's vendors.

Each of the caller's lines is a tone of its own, whatever vendor hears it; each letter that is spoken has a pitch. The
minds are scripted alike, and so the same is to be in every transcript: words, tool calls, their results, and the end.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from patter_cli import ElevenLabsConvAI, OpenAIRealtime
from patter_cli.audio.frame import Samples
from patter_cli.audio.g711 import decode_ulaw, encode_ulaw
from patter_cli.cli.discovery import load_agent
from patter_cli.contracts.llm import ToolCall
from patter_cli.core.plan import SystemPhrases
from patter_cli.engine.hooks import Hooks
from patter_cli.testing.speech_peer import Said as SpokenReply
from patter_cli.testing.vendors.elevenlabs_convai import ConvAIVendor
from patter_cli.testing.vendors.llm.said import Said
from patter_cli.testing.vendors.openai_realtime import RealtimeVendor
from patter_cli.testing.vendors.server import serve
from patter_cli.testing.vendors.tones import FIRST_HZ, STEP_HZ, SpokenWord, ToneEars
from tests.contract.rows import KEY, MODELS
from tests.contract.speech_rows import EARS, VOICES
from tests.e2e.conftest import LETTERS, PATIENT, Caller, answering, tone
from tests.e2e.vendor_kills import LetterPeerVoice, stopped

ROOT = Path(__file__).parents[2]
SAID_MS = 700
BRIDGE = SystemPhrases().filler
"""Said where a busy machine keeps the caller waiting; no vendor's doing."""


@dataclass(frozen=True, slots=True)
class Step:
    """What the agent does about a line of the caller's: calls a tool, if any, and says this then."""

    line: str
    answer: str
    tool: str = ""
    arguments: str = "{}"
    ends: bool = False


DEMO = (
    Step("What are your opening hours?", "From nine to five thirty, and until one on Saturday.", "opening_hours"),
    Step("How much is a check-up?", "That is sixty dollars.", "prices", '{"treatment": "check-up"}'),
    Step("I would like to book one.", "Of course. On which day?"),
    Step("On Wednesday please.", "I can see you at half past nine.", "free_slots", '{"day": "Wednesday"}'),
    Step(
        "Tell Doctor Lee that Anna Brown called.",
        "I have passed it on, Anna.",
        "take_message",
        '{"name": "Anna Brown", "text": "She called.", "number": "+12025550199"}',
    ),
    Step("Thank you. Goodbye.", "Goodbye!", ends=True),
)


def sound_of(line: int) -> Samples:
    return tone(FIRST_HZ + STEP_HZ * line, SAID_MS)


def understood(samples: Samples) -> str:
    """The line in a sound at 8 kHz."""
    ears = LineEars(8000)
    ears.push(samples)
    ears.push(np.zeros(800, np.int16))
    return " ".join(each.text for each in ears.words)


class LineEars(ToneEars):
    """A vendor's: a tone is a whole line."""

    def _end_word(self) -> None:
        tones, self._tones = self._tones, []
        if len(tones) >= 10:
            line = max(set(tones), key=tones.count)
            words = DEMO[line].line.split() if 0 <= line < len(DEMO) else []
            each_s = (self.seconds - self._from_s) / max(1, len(words))
            starts = [self._from_s + each_s * index for index in range(len(words))]
            self.words += [SpokenWord(word, at, at + each_s) for word, at in zip(words, starts, strict=True)]


def mind(body: dict[str, Any]) -> Said:
    """A language model's: the conversation so far says which step it is at, and whether the tool has answered."""
    text = json.dumps(body)
    at = sum(step.line in text for step in DEMO) - 1
    step, answers = DEMO[max(0, at)], len(re.findall(r'\\*"ok\\*": ?true', text))
    if step.tool and answers <= sum(bool(each.tool) for each in DEMO[:at]):
        return Said("", calls=(ToolCall(id=f"c{at}", name=step.tool, arguments=step.arguments),))
    return Said(step.answer, calls=(ToolCall(id="bye", name="end_call"),) if step.ends else ())


class EngineMind:
    """An engine's: it hears a line, or that its tool has answered."""

    def __init__(self) -> None:
        self._step = DEMO[0]

    def __call__(self, heard: str) -> SpokenReply:
        step = next((each for each in DEMO if each.line == heard), None)
        self._step = step or self._step
        if step is not None and step.tool:
            return SpokenReply(calls=((step.tool, step.arguments),))
        ends = (("end_call", "{}"),) if self._step.ends else ()
        return SpokenReply(items=(self._step.answer,), calls=ends)


def vendor_voice(text: str) -> Samples:
    """An engine's: a letter takes 40 ms, for nobody would believe it faster."""
    nothing = np.zeros(20 * 8, np.int16)
    return np.concatenate([part for ch in text.lower() for part in (tone(400 + 75 * LETTERS.find(ch), 20), nothing)])


@dataclass(frozen=True, slots=True)
class Way:
    """Who the demo goes through. peers: scripted vendors. made: the agent's arguments, given their addresses."""

    name: str
    peers: tuple[Callable[[], Any], ...]
    made: Callable[[list[str]], dict[str, Any]]


def mixed(ears: str, model: str, voice: str) -> Way:
    hears = next(each for each in EARS if each.name == ears)
    thinks = next(each for each in MODELS if each.name == model)
    speaks = next(each for each in VOICES if each.name == voice)
    return Way(
        f"{ears}, {model}, {voice}",
        (
            lambda: hears.vendor(ears=LineEars),
            lambda: thinks.vendor(mind, key=KEY),
            lambda: speaks.vendor(voice=LetterPeerVoice()),
        ),
        lambda urls: {"stt": hears.make(urls[0]), "llm": thinks.make(urls[1]), "tts": speaks.make(urls[2])},
    )


def realtime() -> RealtimeVendor:
    return RealtimeVendor(
        EngineMind(),
        hears=lambda sound: understood(decode_ulaw(sound)),
        voice=lambda text: encode_ulaw(vendor_voice(text)),
    )


WAYS = (
    Way("OpenAIRealtime", (realtime,), lambda urls: {"engine": OpenAIRealtime("sk-lab", base_url=urls[0])}),
    Way(
        "ElevenLabsConvAI",
        (lambda: ConvAIVendor(EngineMind(), hears=understood, voice=vendor_voice),),
        lambda urls: {"engine": ElevenLabsConvAI("sk-lab", "agent_lab", base_url=urls[0])},
    ),
    mixed("deepgram nova-3", "anthropic", "cartesia sonic"),
    mixed("assemblyai", "openai-responses", "elevenlabs socket"),
    mixed("soniox", "google", "rime"),
    mixed("cartesia ink", "groq", "elevenlabs http"),
)


def squeezed(text: str) -> str:
    """Without blanks, which nobody speaks between two sentences."""
    return text.lower().replace(" ", "")


async def demo(way: Way) -> tuple[list[tuple[str, str]], str]:
    """The whole call, and how it ended."""
    ends: list[Any] = []
    agent = load_agent("receptionist", ROOT).agent
    async with AsyncExitStack() as stack:
        labs = [await stack.enter_async_context(serve(peer(), path="")) for peer in way.peers]
        made = replace(agent, turns=PATIENT, echo_cancellation=False, **way.made([lab.url for lab in labs]))
        hooks = Hooks(on_call_end=ends.append)
        phone = await stack.enter_async_context(answering({"desk": (made, hooks)}))
        async with Caller(phone, "desk") as caller:
            await caller.until(lambda: caller.ear.has_heard("help you?"), 20)
            await caller.line.wait_for(lambda: stopped(caller, 0.0, 400))
            for number, step in enumerate(DEMO):
                said = caller.line.say(sound_of(number))
                await caller.line.wait_for(lambda said=said: caller.line.now_ms >= said.end_ms)
                await caller.until(lambda step=step: squeezed(step.answer) in squeezed(caller.ear.text), 20)
                await caller.line.wait_for(lambda said=said: stopped(caller, said.last_voiced_ms, 400))
            await caller.until_over(10)
        for _ in range(100):
            if ends:
                break
            await asyncio.sleep(0.02)
    (end,) = ends
    assert end["history"] == end["transcript"], way.name
    said = [(each["role"], each["text"].removeprefix(f"{BRIDGE} ")) for each in end["transcript"]]
    return [each for each in said if each[1] != BRIDGE], end["reason"]


@pytest.mark.slow
async def test_the_same_call_through_every_vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two engines, four mixes: the same words, tool calls, results and end."""
    monkeypatch.setenv("PATTER_CALENDAR", str(tmp_path / "calendar.json"))
    calls: dict[str, tuple[list[tuple[str, str]], str]] = {}
    for ways in (
        WAYS[:1],
        WAYS[1:2],
        WAYS[2:],
    ):  # beside an engine the built-in voice makes our lines, and takes its time
        calls |= dict(zip([way.name for way in ways], await asyncio.gather(*map(demo, ways)), strict=True))
    transcript, reason = calls["OpenAIRealtime"]
    assert [text for role, text in transcript if role == "user"] == [step.line for step in DEMO]
    assert [text for role, text in transcript if role == "assistant"][1:] == [step.answer for step in DEMO]
    tools = [text.partition(" ")[0] for role, text in transcript if role == "tool"]
    assert tools == [*(step.tool for step in DEMO if step.tool), "end_call"]
    assert "sixty dollars" in next(text for role, text in transcript if text.startswith("prices"))
    assert reason == "agent"
    for name, call in calls.items():
        assert call == (transcript, reason), name
