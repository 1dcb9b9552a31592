"""A call that goes on in another language: other ears, another voice, another prompt, and not a frame is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from patter_cli import Agent, DeepgramSTT, ElevenLabsTTS, InputError, LocalSTT, RulesLLM, Turn, call_tool, wiring
from patter_cli.audio.frame import Samples
from patter_cli.contracts.stt import Final, Partial, Recognised
from patter_cli.core.phrases import PHRASES
from patter_cli.engine.hooks import Hooks
from tests.e2e.conftest import PATIENT, RATE_HZ, SENTENCES, Caller, ToneSession, answering, tone

QUESTION, _, GOODBYE, *_ = SENTENCES
LETTERS_MS = 20


@dataclass(frozen=True)
class Ears:
    """Understands tones, and says in which language it was asked to. It gets all of the line, silence too."""

    language: str = ""
    provider: str = "ears"
    key_variable: str = ""
    sessions: list[Session] = field(default_factory=list, compare=False)
    rate_hz = RATE_HZ
    speech_only = False

    def check(self) -> None:
        pass

    async def warm(self) -> None:
        pass

    async def open(self) -> Session:
        await asyncio.sleep(0.15)  # as a vendor's socket takes
        self.sessions.append(Session(self.language))
        return self.sessions[-1]


class Session(ToneSession):
    def __init__(self, language: str) -> None:
        super().__init__()
        self.language = language
        self.everything = np.zeros(0, np.int16)

    def push(self, samples: Samples) -> None:
        self.everything = np.concatenate([self.everything, samples])
        super().push(samples)

    async def results(self) -> AsyncIterator[Recognised]:
        async for each in super().results():
            if isinstance(each, Partial | Final) and each.text:
                kind = type(each)
                yield kind(segment=each.segment, text=f"{self.language}: {each.text}")
            else:
                yield each


@dataclass(frozen=True)
class Voice:
    """Says letters, those of another language lower."""

    language: str = ""
    voice: str = ""
    provider: str = "voice"
    key_variable: str = ""
    said: list[tuple[str, str, str]] = field(default_factory=list, compare=False)
    rate_hz = RATE_HZ

    def check(self) -> None:
        pass

    async def warm(self) -> None:
        pass

    async def open(self) -> Voice:
        return self

    async def synthesize(self, text: str) -> AsyncIterator[Samples]:
        self.said.append((self.language, self.voice, text))
        for letter in text.lower():
            yield tone(400 + 75 * " abcdefghijklmnopqrstuvwxyz'.,?!:-0123456789".find(letter), LETTERS_MS)
            await asyncio.sleep(0)

    async def aclose(self) -> None:
        pass


def rules(turn: Turn) -> Any:
    if turn.results:
        return "claro."
    return ["One moment. ", call_tool("switch_language", language="es")] if turn.text.startswith("en") else "vale."


@pytest.mark.parametrize("speaks_on", [False, True])
async def test_everything_changes_together(speaks_on: bool) -> None:
    """What was said before the switch is in the old voice, the rest in the new one; what the caller says meanwhile is
    understood by the new ears from its first sample on."""
    ears, voice = Ears(), Voice()
    agent = Agent(
        "Be brief.",
        stt=ears,
        tts=voice,
        llm=RulesLLM(rules),
        languages={"en": "jo", "es": "mateo"},
        turns=PATIENT,
        echo_cancellation=False,
    )
    async with answering({"desk": (agent, Hooks())}) as phone, Caller(phone, "desk") as caller:
        await caller.say(QUESTION)
        if speaks_on:
            await caller.until(lambda: "tool" in [role for role, _ in caller.transcript()])
            await caller.say(GOODBYE, 900)
        else:
            await caller.until_heard("claro.")
            await caller.say(GOODBYE)
        await caller.until_heard("vale.")
        assert [role_text for role_text in caller.transcript() if role_text[0] == "user"] == [
            ("user", f"en: {QUESTION}"),
            ("user", f"es: {GOODBYE}"),
        ]
    mine = [
        each for each in voice.said if each[2] not in PHRASES["en"].texts() and each[2] not in PHRASES["es"].texts()
    ]
    assert ("en", "jo", "One moment.") in mine
    assert ("es", "mateo", "vale.") in mine
    english, spanish = ears.sessions
    assert (english.language, spanish.language) == ("en", "es")


def test_vendors_are_made_for_each_language() -> None:
    """Ears and voice get the language, the voice its name; key terms go to both ears."""
    agent = Agent(
        "A.",
        stt=[DeepgramSTT("k"), DeepgramSTT("k", model="nova-2")],
        tts=ElevenLabsTTS("k"),
        llm=RulesLLM(rules),
        languages={"es": "mateo", "en": ""},
        language="es",
        voice="rachel",
        pronounce={"Nguyen": "win"},
        variables={"who": "Dr. Ann Lee", "day": "monday"},
    )
    ready = wiring.ready_agent("a", agent, Hooks())
    spoken = {
        language: (
            [each.language for each in who.ears],
            [(each.voice.voice, each.voice.language) for each in who.voices],
        )
        for language, who in ready.spoken.items()
    }
    assert spoken == {"es": (["es", "es"], [("mateo", "es")]), "en": (["en", "en"], [("rachel", "en")])}
    assert {each.keyterms for who in ready.spoken.values() for each in who.ears} == {("Nguyen", "Dr. Ann Lee")}
    assert (ready.plan.language, ready.plan.languages) == ("es", ("es", "en"))
    assert ready.plan.lines is PHRASES["es"]
    assert Agent("A.", languages=["fr", "es"]).language == "fr"
    assert wiring.ready_agent("a", Agent("A.", llm=RulesLLM(rules), languages=["en"]), Hooks()).spoken == {}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"languages": "en"}, "languages cannot be 'en'"),
        ({"languages": 5}, "languages cannot be 5"),
        ({"languages": ["en", 5]}, "languages cannot have 5"),
        ({"languages": ["en", "español"]}, "cannot have 'español'"),
        ({"languages": ["en", "en"]}, "twice"),
        ({"languages": {"en": 5}}, "cannot have 'en'"),
        ({"languages": ["es", "fr"], "language": "de"}, "begins in 'de'"),
        ({"max_cost": 0}, "max_cost cannot be 0"),
        ({"max_cost": "1"}, "max_cost cannot be '1'"),
        ({"max_cost": float("nan")}, "max_cost cannot be nan"),
    ],
)
def test_what_is_no_language_and_no_price(wrong: dict[str, Any], words: str) -> None:
    """Is told when it is written."""
    with pytest.raises(InputError, match=words):
        Agent("A.", **wrong)


def test_the_built_in_speech_knows_english_only() -> None:
    """An agent that wants more of it is refused before the first ring, with what to do."""
    with pytest.raises(InputError, match="know English only") as raised:
        wiring.ready_agent("a", Agent("A.", stt=LocalSTT(), llm=RulesLLM(rules), languages=["en", "es"]), Hooks())
    assert "stt=" in raised.value.hint
