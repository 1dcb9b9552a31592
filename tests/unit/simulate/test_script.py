"""What a script is made of; how it is played is in tests/e2e/test_line.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from patter_cli.agent import Say
from patter_cli.audio.frame import Samples
from patter_cli.audio.tone import dtmf
from patter_cli.audio.wav import write_wav
from patter_cli.carriers.twilio.stream import TwilioLine
from patter_cli.contracts.tts import TtsSession
from patter_cli.errors import InputError
from patter_cli.simulate.caller import LineCaller
from patter_cli.simulate.script import hold_conversation, line_voice, play_wav, say_texts


class Session:
    """Says a hundred samples for each word, in a piece each; nothing at all for no words."""

    closed = False

    async def synthesize(self, text: str) -> AsyncIterator[Samples]:
        for _ in text.split():
            yield np.full(100, 1000, np.int16)

    async def aclose(self) -> None:
        self.closed = True


class Recipe:
    rate_hz = 16000

    def __init__(self) -> None:
        self.session = Session()

    async def warm(self) -> None:
        pass

    async def open(self) -> TtsSession:
        return self.session


def test_texts_become_lines() -> None:
    """Each text is a step of its own."""
    assert say_texts(["Hello.", "Bye."]) == [Say("Hello."), Say("Bye.")]


def test_a_recording_becomes_a_step(tmp_path: Path) -> None:
    """It is played at the line's rate, whatever it was recorded at."""
    path = tmp_path / "caller.wav"
    write_wav(path, dtmf("5", 16000), 16000)
    step = play_wav(path)
    assert len(step.samples) == 1600
    assert step.name == str(path)


async def test_a_voice_of_the_engine_speaks_for_the_caller() -> None:
    """All pieces, at the line's rate, and its session is closed; no words give no sound."""
    recipe = Recipe()
    voice = line_voice(recipe)
    assert len(await voice("one two three")) == 150
    assert recipe.session.closed
    assert len(await voice("")) == 0


async def test_a_line_without_sound_is_found_before_the_call() -> None:
    """Nobody is rung for a caller who has nothing to say: this address cannot be dialled."""
    caller = LineCaller("no address", TwilioLine())
    with pytest.raises(InputError, match="makes no sound"):
        await hold_conversation(caller, [Say("")], line_voice(Recipe()))


@pytest.mark.parametrize("text", ["", " ", "...", "😀", "-"])
def test_a_caller_without_words_is_refused_at_once(text: str) -> None:
    """What has nothing to say is told in plain words, before any model is loaded."""
    with pytest.raises(InputError, match="nothing to say"):
        say_texts(["Hello.", text])


@pytest.mark.parametrize("text", ["日本語", "Привет", "مرحبا", "¿…?", "你好。", "שלום"])
def test_a_caller_whose_words_no_voice_of_ours_can_say_is_refused_at_once(text: str) -> None:
    """Another script is told before any model is loaded."""
    with pytest.raises(InputError, match=r"nothing (that the caller's voice can|to) say"):
        say_texts([text])


@pytest.mark.parametrize("text", ["Größe", "Olá", "5", "€5", "C#", "café 日本語"])
def test_what_a_voice_can_say_of_a_line_is_enough(text: str) -> None:
    """Accents, figures and signs have words."""
    assert say_texts([text]) == [Say(text)]


@pytest.mark.parametrize(("samples", "why"), [(0, "nothing in it"), (800, "only silence in it")])
def test_a_recording_without_sound_is_refused_at_once(tmp_path: Path, samples: int, why: str) -> None:
    """An empty recording and a silent one are named, before any model is loaded."""
    path = tmp_path / "quiet.wav"
    write_wav(path, np.zeros(samples, np.int16), 8000)
    with pytest.raises(InputError, match=rf"quiet\.wav has {why}"):
        play_wav(path)
