"""What each vendor is sent, where its rules differ from the others'; and what its own refusals stand for."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from patter_cli import AnthropicLLM, AssemblyAISTT, CerebrasLLM, GoogleLLM, GroqLLM, OpenAILLM, registry
from patter_cli.contracts.llm import ChatMessage, LanguageModel, ToolCall, ToolSpec
from patter_cli.errors import (
    BadSetting,
    MissingCredential,
    NoCredit,
    ProviderError,
    RateLimited,
    Unauthorized,
    Unavailable,
)
from patter_cli.providers.account import family
from patter_cli.providers.alternating import CONNECTED, SILENT, alternating
from patter_cli.providers.google import UNSIGNED
from patter_cli.providers.google_account import thinking_config
from patter_cli.providers.http import Server, refusal
from patter_cli.providers.schemas import plain_schema
from patter_cli.providers.tool_calls import SEAL_CHARS, ToolCalls, sealed, unsealed
from patter_cli.testing.vendors.server import Request, in_json, serve
from patter_cli.testing.vendors.sockets import LabSocket

SYSTEM = ChatMessage(role="system", text="Be kind.")
GREETING = ChatMessage(role="assistant", text="Hello.")
CALL = ToolCall(id="tool_1:a", name="book", arguments='{"at": 6}')
STEP = (
    ChatMessage(role="assistant", text="One moment.", tool_calls=(CALL,)),
    ChatMessage(role="tool", text="", tool_call_id=CALL.id),
)
BOOK = ToolSpec(name="book", description="Book", parameters={"type": "object", "properties": {}})
ACME = Server(provider="acme", base_url="https://acme.example/v1", key="sk-1", key_name="ACME_KEY", key_hint="export")


async def sent(make: Any, messages: tuple[ChatMessage, ...], **options: Any) -> Any:
    """The body of one request."""
    async with serve([in_json({}, 500)], path="") as lab:
        model: LanguageModel = make(lab.url)
        with pytest.raises(Unavailable):
            await anext(model.stream(messages, **options))
        return lab.requests[0].json


def test_a_conversation_in_turns() -> None:
    """The caller has the first and the last, and a call's result the one behind it."""
    system, turns = alternating((SYSTEM, GREETING, *STEP, GREETING))
    assert system == "Be kind."
    assert [each.caller for each in turns] == [True, False, True, False, True]
    assert (turns[0].texts, turns[-1].texts) == ([CONNECTED], [SILENT])
    assert turns[1].texts == ["Hello.", "One moment."]
    assert turns[2].results == [(CALL, "")]


@pytest.mark.parametrize("messages", [(), (SYSTEM,), STEP[:1], STEP[1:], (ChatMessage(role="user", text="  "),)])
def test_half_a_step_and_no_words_are_left_out(messages: tuple[ChatMessage, ...]) -> None:
    """A call without its result is refused by vendors, and so are a result without its call and a blank."""
    _, turns = alternating(messages)
    assert not [each for each in turns if each.calls or each.results]
    assert turns[0].caller
    assert turns[-1].caller
    assert all(each.texts and all(text.strip() for text in each.texts) for each in turns)


async def test_what_anthropic_is_sent() -> None:
    """Marks for its cache, ids in its letters, tools known even where none may be used, and no thinking it refuses."""
    body = await sent(lambda url: AnthropicLLM("k", base_url=url, temperature=0.5), (SYSTEM, GREETING, *STEP))
    kept = {"type": "ephemeral"}
    assert body["system"] == [{"type": "text", "text": "Be kind.", "cache_control": kept}]
    assert body["messages"][-1]["content"] == [
        {"type": "tool_result", "tool_use_id": "tool_1_a", "content": "(nothing)", "cache_control": kept}
    ]
    assert body["messages"][1]["content"][-1] == {
        "type": "tool_use",
        "id": "tool_1_a",
        "name": "book",
        "input": {"at": 6},
    }
    assert (body["tools"][0]["name"], body["tool_choice"]) == ("book", {"type": "none"})
    assert (body["thinking"]["type"], body["output_config"]) == ("adaptive", {"effort": "low"})
    assert "temperature" not in body
    old = await sent(lambda url: AnthropicLLM("k", "claude-haiku-4-5", url, temperature=0.5), (SYSTEM, GREETING))
    assert old["temperature"] == 0.5
    assert not {"thinking", "output_config", "tools"} & set(old)


async def test_what_google_is_sent() -> None:
    """A signature for a call of another vendor's, results as objects, and no id that it has not given itself."""
    body = await sent(lambda url: GoogleLLM("k", base_url=url), (SYSTEM, GREETING, *STEP), tools=[BOOK])
    called = body["contents"][1]["parts"][-1]
    assert called == {"functionCall": {"name": "book", "args": {"at": 6}}, "thoughtSignature": UNSIGNED}
    assert body["contents"][2]["parts"] == [{"functionResponse": {"name": "book", "response": {"output": ""}}}]
    own = ToolCall(id="t", name="book", seal=sealed("google", {"id": "fc1", "signature": "S"}))
    step = (
        ChatMessage(role="assistant", tool_calls=(own,)),
        ChatMessage(role="tool", text='{"ok": true}', tool_call_id="t"),
    )
    body = await sent(lambda url: GoogleLLM("k", base_url=url), (SYSTEM, *step), tools=[BOOK], may_call=False)
    assert body["contents"][1]["parts"][0] == {
        "functionCall": {"id": "fc1", "name": "book", "args": {}},
        "thoughtSignature": "S",
    }
    response = {"id": "fc1", "name": "book", "response": {"output": {"ok": True}}}
    assert body["contents"][2]["parts"][0] == {"functionResponse": response}
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "NONE"}}


@pytest.mark.parametrize(
    ("model", "config"),
    [
        ("gemini-3.8-flash", {"thinkingLevel": "low"}),
        ("gemini-3.5-flash-lite", {"thinkingLevel": "minimal"}),
        ("gemini-2.5-flash", {"thinkingBudget": 0}),
        ("gemini-2.5-pro", {"thinkingBudget": 128}),
        ("gemini-2.0-flash", None),
        ("gemma-4", None),
    ],
)
def test_how_little_gemini_may_think(model: str, config: dict[str, Any] | None) -> None:
    """Each generation says it in its own way."""
    assert thinking_config(model, None) == config


@pytest.mark.parametrize(
    ("make", "effort", "hidden"),
    [
        (lambda url: GroqLLM("k", base_url=url), "low", True),
        (lambda url: GroqLLM("k", "qwen/qwen3.8-27b", url), "none", True),
        (lambda url: GroqLLM("k", "moonshot/kimi", url), None, False),
        (lambda url: GroqLLM("k", base_url=url, reasoning_effort="high"), "high", True),
        (lambda url: CerebrasLLM("k", base_url=url), "low", False),
        (lambda url: CerebrasLLM("k", "qwen-3.8-27b", url), "none", False),
    ],
)
async def test_how_little_the_quick_ones_may_think(make: Any, effort: str | None, hidden: bool) -> None:
    """And whether what they think stays with them."""
    body = await sent(make, (SYSTEM, GREETING))
    assert body.get("reasoning_effort") == effort
    assert body.get("include_reasoning") is (False if hidden else None)
    assert body["messages"][0]["role"] == "system"


async def test_openai_is_asked_where_it_lets_its_models_call() -> None:
    """Over Responses as soon as a newer one thinks and has tools; the prompt is the key of its cache."""
    paths: list[str] = []

    def note(request: Request) -> Any:
        paths.append(request.path)
        return in_json({}, 500)

    async with serve(note) as lab:
        for model, tools in (
            (OpenAILLM("k", base_url=lab.url), [BOOK]),
            (OpenAILLM("k", base_url=lab.url, reasoning_effort="low"), []),
            (OpenAILLM("k", base_url=lab.url, reasoning_effort="low"), [BOOK]),
            (OpenAILLM("k", "gpt-5.4-mini", lab.url, reasoning_effort="low"), [BOOK]),
            (OpenAILLM("k", base_url=lab.url, api="responses"), []),
        ):
            with pytest.raises(Unavailable):
                await anext(model.stream((SYSTEM, GREETING), tools))
        keys = {request.json["prompt_cache_key"] for request in lab.requests}
    assert [each.rpartition("/v1")[2] for each in paths] == [
        "/chat/completions",
        "/chat/completions",
        "/responses",
        "/chat/completions",
        "/responses",
    ]
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("status", "error", "kind", "come_back_s"),
    [
        (400, {"status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}, Unauthorized, None),
        (429, {"code": 429, "details": [{"retryDelay": "12.5s"}]}, RateLimited, 12.5),
        (429, {"code": 429, "details": [{"retryDelay": "soon"}, 7]}, RateLimited, None),
        (429, {"code": 429, "details": "none"}, RateLimited, None),
        (498, {"message": "capacity exceeded"}, Unavailable, None),
        (400, {"code": "tool_use_failed", "failed_generation": "<x>"}, Unavailable, None),
        (529, {"type": "overloaded_error"}, Unavailable, None),
        (402, {"type": "billing_error"}, NoCredit, None),
    ],
)
def test_a_vendors_own_refusal_has_its_class(
    status: int, error: dict[str, Any], kind: type[ProviderError], come_back_s: float | None
) -> None:
    """Google's in the body, Groq's by numbers of its own; as an object or, without a stream, in a list."""
    for body in ({"error": error}, [{"error": error}]):
        found = refusal(ACME, status, {}, json.dumps(body).encode())
        assert (type(found), found.retry_after_s) == (kind, come_back_s)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Too many concurrent sessions", RateLimited),
        ("Insufficient account balance", NoCredit),
        ("Unauthorized connection", Unauthorized),
        ("", Unauthorized),
    ],
)
async def test_assemblyai_closes_alike_for_three_reasons(words: str, kind: type[ProviderError]) -> None:
    """1008 with other words: one session too many is no bad key."""

    async def closes(socket: LabSocket) -> None:
        await socket.close(1008, words)

    async with serve(lambda request: closes, path="") as lab:
        session = await AssemblyAISTT("k", base_url=lab.url).open()
        with pytest.raises(kind) as raised:
            async for _ in session.results():
                pass
        await session.aclose()
    assert type(raised.value) is kind


def test_a_seal_is_its_vendors_alone() -> None:
    """Nobody else opens it, and one that is too large is left out rather than kept."""
    seal = sealed("google", {"id": "1"})
    assert (unsealed("google", seal), unsealed("anthropic", seal)) == ({"id": "1"}, None)
    assert [unsealed("google", each) for each in ("", "{", "[]", "[1,2,3]", "[" * 5000, '"x"')] == [None] * 6
    assert sealed("google", {}) == ""
    calls = ToolCalls("google")
    calls.begin(0, "c", "book").seal = "x" * (SEAL_CHARS + 1)
    assert calls.take()[0].seal == ""


def test_a_schema_is_an_object_with_properties() -> None:
    """At its top strict vendors take nothing else; deeper it is the author's."""
    deep = {"properties": {"a": {"anyOf": [{"type": "string"}]}}, "oneOf": [], "required": ["a"]}
    assert plain_schema(deep) == {
        "type": "object",
        "properties": {"a": {"anyOf": [{"type": "string"}]}},
        "required": ["a"],
    }
    assert plain_schema({}) == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("model", "name", "version"),
    [
        ("claude-haiku-5-5", "claude-(?:[a-z]+-)?", (5, 5)),
        ("claude-sonnet-4-20250514", "claude-(?:[a-z]+-)?", (4, 0)),
        ("claude-3-5-haiku-latest", "claude-(?:[a-z]+-)?", (3, 5)),
        ("gpt-6.1-terra", "gpt-", (6, 1)),
        ("gpt-4o", "gpt-", (4, 0)),
        ("models/gemini-3.8-flash", "gemini-", (3, 8)),
        ("house-model", "gpt-", None),
    ],
)
def test_the_version_in_a_models_name(model: str, name: str, version: tuple[int, int] | None) -> None:
    """It decides what is sent."""
    assert family(model, name) == version


@pytest.mark.parametrize("kind", [AnthropicLLM, GoogleLLM, GroqLLM, CerebrasLLM, OpenAILLM])
def test_a_recipe_is_checked_before_the_first_ring(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing key, a key that is none, a value out of range, an address that is none."""
    row = next(each for each in registry.ROWS if each.target.endswith(f":{kind.__name__}"))
    for variable in row.keys:
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(MissingCredential, match=row.keys[0]):
        kind().check()
    monkeypatch.setenv(row.keys[-1], " k-1\n")
    kind().check()
    assert kind().key_variable == row.keys[-1]
    monkeypatch.setenv(row.keys[-1], "k 1")
    with pytest.raises(BadSetting):
        kind().check()
    for wrong in ({"temperature": 3}, {"max_output_tokens": 0}, {"model": ""}, {"base_url": "ftp://x"}):
        with pytest.raises(BadSetting):
            kind(**wrong)


@pytest.mark.parametrize(
    ("given", "used"),
    [
        (None, "https://api.groq.com/openai/v1"),
        ("https://gw.example", "https://gw.example/openai/v1"),
        ("https://gw.example/groq/v1/", "https://gw.example/groq/v1"),
    ],
)
def test_an_address_may_leave_its_version_out(given: str | None, used: str) -> None:
    """As the vendor's own library takes it."""
    assert GroqLLM("k", base_url=given).address() == used


def test_naming_a_vendor_loads_no_other() -> None:
    """Nor httpx, before there is a call to make."""
    code = (
        "import sys; from patter_cli import AnthropicLLM; AnthropicLLM('k').check(); "
        "print([each for each in sys.modules if each in ('httpx', 'websockets', 'patter_cli.providers.google')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
