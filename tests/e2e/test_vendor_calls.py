"""Whole calls through the lab's vendors, from a shell: an agent that names none of them is answered by those whose keys
are set, on the telephone's own wire, with the built-in speech behind the vendors' wires."""

from __future__ import annotations

import asyncio
import json
import os
import sys

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
    command = (sys.executable, "-m", "patter_cli", "simulate", "receptionist", "--json", "--say")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "patter_cli.testing.vendors", ears, voice, "--"),
        *(*command, "When are you open on Saturday?", "--say", "Goodbye."),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=os.environ.copy(),
    )
    out, _ = await asyncio.wait_for(process.communicate(), 120)
    call = json.loads(out)
    assert call["outcome"] == "answered"
    assert any("saturday" in (turn["caller"] or "").lower() for turn in call["turns"])
    assert any("on Saturday from nine until one" in (turn["agent"] or "") for turn in call["turns"])
    legs = {leg["leg"]: leg["provider"] for leg in call["cost"]["legs"]}
    assert (legs["stt"], legs["tts"]) == (ears.partition("-")[0], voice.partition("-")[0])
