"""What the two recipes send, and what they refuse before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from patter_cli.contracts.llm import ChatMessage, LanguageModel, Text, ToolCall, ToolSpec
from patter_cli.errors import BadSetting, MissingCredential
from patter_cli.providers.compatible import OpenAICompatibleLLM
from patter_cli.providers.openai import OpenAILLM, least_effort, takes_temperature
from patter_cli.testing.vendors.llm.chat import ChatWriter
from patter_cli.testing.vendors.server import serve, streamed

HELLO = (ChatMessage(role="system", text="Be kind."), ChatMessage(role="user", text="Hello \ud83d"))
BOOK = ToolSpec(name="book", description="Book", parameters={"type": "object", "properties": {}})
YES = streamed(*ChatWriter().text("<think>hm</think>Yes."), *ChatWriter().end(None))


async def sent(make: Any, *arguments: Any, **options: Any) -> tuple[dict[str, Any], dict[str, str], str]:
    """The body and the headers of one request to a model made from the peer's address, and the reply."""
    async with serve([YES]) as vendor:
        model: LanguageModel = make(vendor.url)
        reply = "".join([each.text async for each in model.stream(*arguments, **options) if isinstance(each, Text)])
        return vendor.requests[0].json, vendor.requests[0].headers, reply


async def test_what_openai_is_sent() -> None:
    """Its newest fields, the least thinking, and a temperature only if it would be taken."""
    body, headers, reply = await sent(
        lambda url: OpenAILLM("sk-1", base_url=url + "/", temperature=0.5, prompt_cache_key="a"), HELLO
    )
    assert body == {
        "model": "gpt-6-luna",
        "messages": [{"role": "developer", "content": "Be kind."}, {"role": "user", "content": "Hello ?"}],
        "max_completion_tokens": 1024,
        "stream": True,
        "stream_options": {"include_usage": True, "include_obfuscation": False},
        "reasoning_effort": "none",
        "prompt_cache_key": "a",
    }
    assert headers["authorization"] == "Bearer sk-1"
    assert headers["accept-encoding"] == "identity"
    assert "cookie" not in headers
    assert reply == "<think>hm</think>Yes.", "nothing is thought aloud here, so nothing is taken out"


async def test_what_others_are_sent() -> None:
    """Only what nearly all servers know, and what the user added; thinking aloud is taken out."""
    body, headers, reply = await sent(
        lambda url: OpenAICompatibleLLM(
            url, "tiny", temperature=0, extra_body={"top_k": 1, "stream_options": None, "reasoning_effort": "none"}
        ),
        HELLO,
    )
    assert body == {
        "model": "tiny",
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello ?"}],
        "max_tokens": 1024,
        "stream": True,
        "temperature": 0,
        "top_k": 1,
        "reasoning_effort": "none",
    }
    assert "authorization" not in headers
    assert reply == "Yes."


@pytest.mark.parametrize(
    "make", [lambda url: OpenAILLM("sk-1", base_url=url), lambda url: OpenAICompatibleLLM(url, "tiny")]
)
async def test_tools_and_their_results_are_sent(make: Any) -> None:
    """A call with its answer as the wire wants them, and tool_choice only to forbid."""
    history = (
        ChatMessage(role="assistant", tool_calls=(ToolCall(id="c1", name="book", arguments='{"a": 1}'),)),
        ChatMessage(role="tool", text="booked", tool_call_id="c1"),
    )
    body, _, _ = await sent(make, history, [BOOK])
    function = {"name": "book", "arguments": '{"a": 1}'}
    assert body["messages"] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "booked"},
    ]
    assert body["tools"] == [
        {
            "type": "function",
            "function": {"name": "book", "description": "Book", "parameters": {"type": "object", "properties": {}}},
        }
    ]
    assert "tool_choice" not in body
    body, _, _ = await sent(make, history, [BOOK], may_call=False)
    assert body["tool_choice"] == "none"
    body, _, _ = await sent(make, history, may_call=False)
    assert "tools" not in body
    assert "tool_choice" not in body


@pytest.mark.parametrize(
    ("model", "effort", "temperature"),
    [
        ("gpt-6-luna", "none", False),
        ("gpt-6.1-terra", "none", False),
        ("gpt-5.4-mini", "none", False),
        ("gpt-5.6-luna-2026-05-01", "none", False),
        ("gpt-5-mini", "minimal", False),
        ("gpt-5", "minimal", False),
        ("gpt-5-chat-latest", None, False),
        ("gpt-5.2-pro", None, False),
        ("gpt-4.1-mini", None, True),
        ("gpt-4o", None, True),
        ("ft:gpt-4.1-mini:acme::x", None, True),
        ("ft:gpt-6-luna:acme::x", "none", False),
        ("o4-mini", None, False),
        ("house-model", None, True),
    ],
)
def test_what_a_family_takes(model: str, effort: str | None, temperature: bool) -> None:
    """The wrong field is a refusal, so it is known who takes what."""
    assert least_effort(model) == effort
    assert takes_temperature(model) is temperature


async def test_what_the_user_sets_is_sent() -> None:
    """An effort of one's own, and a temperature where it is taken."""
    body, _, _ = await sent(lambda url: OpenAILLM("sk-1", base_url=url, reasoning_effort="low"), HELLO)
    assert body["reasoning_effort"] == "low"
    body, _, _ = await sent(lambda url: OpenAILLM("sk-1", "gpt-4.1-mini", url, temperature=0.3), HELLO)
    assert body["temperature"] == 0.3
    assert "reasoning_effort" not in body


async def test_the_key_is_looked_up_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent file may be loaded before the environment is; the newline it was copied with does not matter."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    model = OpenAILLM()
    with pytest.raises(MissingCredential) as missing:
        model.check()
    assert missing.value.hint == "export OPENAI_API_KEY=sk-..."
    with pytest.raises(MissingCredential):
        await anext(model.stream(HELLO))
    await model.warm()

    monkeypatch.setenv("OPENAI_API_KEY", "sk-2\n")
    model.check()
    _, headers, _ = await sent(lambda url: OpenAILLM(base_url=url), HELLO)
    assert headers["authorization"] == "Bearer sk-2"


@pytest.mark.parametrize("key", ["sk-secret\nX-Evil: 1", "sk secret", "sk-secret…", "sk-secret\a"])
def test_a_key_that_is_none_is_refused_without_repeating_it(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it reaches a header, where libraries quote what they cannot send."""
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(BadSetting) as raised:
        OpenAILLM().check()
    assert "secret" not in f"{raised.value!r}{raised.value.hint}{OpenAILLM(key)!r}"
    with pytest.raises(BadSetting):
        OpenAICompatibleLLM("http://localhost/v1", "tiny", key)


@pytest.mark.parametrize(
    "make",
    [
        lambda: OpenAILLM(model=""),
        lambda: OpenAILLM(base_url="api.openai.com"),
        lambda: OpenAILLM(temperature=3),
        lambda: OpenAILLM(max_output_tokens=0),
        lambda: OpenAICompatibleLLM("localhost:11434", "tiny"),
        lambda: OpenAICompatibleLLM("http://localhost:11434/v1", ""),
    ],
)
def test_a_bad_setting_is_found_when_the_recipe_is_made(make: Any) -> None:
    """Before the first ring."""
    with pytest.raises(BadSetting):
        make()


def test_a_recipe_can_be_shared_and_compared() -> None:
    """Two alike are one, and both can be keys of a dictionary."""
    assert OpenAILLM("sk-1") == OpenAILLM("sk-1", model="gpt-6-luna")
    tiny = OpenAICompatibleLLM("http://localhost:11434/v1", "tiny", extra_body={"top_k": 1})
    assert len({OpenAILLM("sk-1"), OpenAILLM("sk-1"), tiny}) == 2
    tiny.check()
    models: list[LanguageModel] = [OpenAILLM(), tiny]
    assert [(each.provider, each.model) for each in models] == [("openai", "gpt-6-luna"), ("openai-compatible", "tiny")]
