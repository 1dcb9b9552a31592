"""Whole calls through the lab's vendors, from a shell: an agent that names none of them is answered by those whose keys
are set, on the telephone's own wire, with the built-in speech behind the vendors' wires."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

MIXES = (
    ("deepgram", "elevenlabs"),
    ("assemblyai", "cartesia-voice"),
    ("soniox", "rime"),
    ("openai-ears", "lmnt"),
)


@pytest.mark.parametrize(("ears", "voice"), MIXES)
async def test_the_receptionist_through_vendors(ears: str, voice: str) -> None:
    """The same words are understood and said through each of them, and the record says whose they were."""
    call = await simulated((ears, voice), "receptionist", "When are you open on Saturday?", "Goodbye.")
    assert call["outcome"] == "answered"
    assert any("saturday" in (turn["caller"] or "").lower() for turn in call["turns"])
    assert any("on Saturday from nine until one" in (turn["agent"] or "") for turn in call["turns"])
    legs = {leg["leg"]: leg["provider"] for leg in call["cost"]["legs"]}
    assert (legs["stt"], legs["tts"]) == (ears.partition("-")[0], voice.partition("-")[0])


DESK = """
from patter_cli import Agent, {made}

agent = Agent("You are the front desk.", "Hello, how can I help?", {kind}={made}())
"""
ENGINES = {
    "openai-realtime": "OpenAIRealtime",
    "elevenlabs-agents": "ElevenLabsConvAI",
    "gemini-live": "GeminiLive",
    "ultravox": "Ultravox",
}
MODELS = {
    "anthropic": "AnthropicLLM",
    "cerebras": "CerebrasLLM",
    "google": "GoogleLLM",
    "groq": "GroqLLM",
    "openai": "OpenAILLM",
}


@pytest.mark.parametrize("vendor", ENGINES)
async def test_a_spoken_call_with_an_engine(vendor: str, tmp_path: Path) -> None:
    """What the caller said was understood by the engine, and what it answered was said."""
    (tmp_path / "desk.py").write_text(DESK.format(kind="engine", made=ENGINES[vendor]))
    call = await simulated((vendor,), "desk.py", "When are you open on Saturday?", folder=tmp_path)
    turn = next(turn for turn in call["turns"] if "saturday" in (turn["caller"] or "").lower())
    assert "you said when are you open on saturday" in bare(turn["agent"])
    assert call["outcome"] == "answered"
    assert "engine" in {leg["leg"] for leg in call["cost"]["legs"]}


@pytest.mark.parametrize("vendor", MODELS)
async def test_a_spoken_call_with_a_model(vendor: str, tmp_path: Path) -> None:
    """The same between vendors' ears and voice."""
    (tmp_path / "desk.py").write_text(DESK.format(kind="llm", made=MODELS[vendor]))
    call = await simulated(("deepgram", "lmnt", vendor), "desk.py", "When are you open on Saturday?", folder=tmp_path)
    turn = next(turn for turn in call["turns"] if "saturday" in (turn["caller"] or "").lower())
    assert "you said when are you open on saturday" in bare(turn["agent"])
    legs = {leg["leg"]: leg["provider"] for leg in call["cost"]["legs"]}
    assert legs == {**legs, "stt": "deepgram", "llm": vendor, "tts": "lmnt"}


async def test_ears_and_voice_of_one_vendor() -> None:
    """One address leads to both."""
    call = await simulated(("cartesia-ears", "cartesia-voice"), "receptionist", "When are you open on Saturday?")
    assert any("on Saturday from nine until one" in (turn["agent"] or "") for turn in call["turns"])
    legs = {leg["leg"]: leg["provider"] for leg in call["cost"]["legs"]}
    assert (legs["stt"], legs["tts"]) == ("cartesia", "cartesia")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("deepgram", "--", "no-such-program", "serve"), 127, "there is no program 'no-such-program' on PATH"),
        (("deepgram", "--", "./script"), 127, "'./script' cannot be started"),
        (("nobody", "--", "true"), 2, "which of anthropic"),
    ],
)
async def test_a_command_that_cannot_be_started(
    arguments: tuple[str, ...], code: int, words: str, tmp_path: Path
) -> None:
    """One line, and the exit code of a shell."""
    (tmp_path / "script").write_text("no program at all")
    (tmp_path / "script").chmod(0o755)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "patter_cli.testing.vendors", *arguments), stderr=asyncio.subprocess.PIPE, cwd=tmp_path
    )
    _, told = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == code
    assert words in told.decode()
    assert len(told.splitlines()) == 1


def bare(text: str) -> str:
    return " ".join(re.findall("[a-z0-9]+", text.lower()))


async def simulated(vendors: tuple[str, ...], agent: str, *says: str, folder: Path | None = None) -> Any:
    """What became of a call."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "patter_cli.testing.vendors", *vendors, "--"),
        *(sys.executable, "-m", "patter_cli", "simulate", agent, "--json"),
        *(part for each in says for part in ("--say", each)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=os.environ.copy(),
        cwd=folder,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 120)
    return json.loads(out)
