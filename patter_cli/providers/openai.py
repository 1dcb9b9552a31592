"""Language models over Chat Completions: OpenAI's own, and whatever server speaks the same dialect.

Two recipes, one exchange. They differ in what they dare to send: OpenAI wants its newest fields, others refuse fields
they do not know.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from patter_cli import keys
from patter_cli.contracts.llm import ChatMessage, Delta, ToolSpec
from patter_cli.errors import BadSetting, MissingCredential, PatterError
from patter_cli.providers.chat import ReplyReader, render_messages, render_tools
from patter_cli.providers.exchange import describe, exchange, warm
from patter_cli.providers.http import Server, checked_url

OPENAI_URL = "https://api.openai.com/v1"
KEY_VARIABLE = "OPENAI_API_KEY"
KEY_HINT = f"export {KEY_VARIABLE}=sk-..."


@dataclass(frozen=True, slots=True)
class OpenAILLM:
    """OpenAI's models. Its key comes from OPENAI_API_KEY when it is used. Raises BadSetting for values out of range.

    Source: OpenAI API reference, Chat Completions, 2026-11.
    """

    api_key: str | None = field(default=None, repr=False)
    model: str = "gpt-6-luna"
    base_url: str | None = None
    """https://api.openai.com/v1 unless given."""
    _: KW_ONLY
    reasoning_effort: str | None = None
    """None: the least that the model has, for the caller waits. With tools, newer models take nothing but "none"."""
    temperature: float | None = None
    """0 to 2. Not sent to the models that refuse it."""
    max_output_tokens: int = 1024
    prompt_cache_key: str | None = None
    """Requests with the same key share OpenAI's cache of their beginnings more often."""

    def __post_init__(self) -> None:
        checked_url(self.base_url or OPENAI_URL, "base_url")
        _check(self.model, self.temperature, self.max_output_tokens)

    @property
    def provider(self) -> str:
        """Always "openai"."""
        return "openai"

    @property
    def key_variable(self) -> str:
        return KEY_VARIABLE

    def check(self) -> None:
        """Whether a request could be made. Raises MissingCredential, BadSetting."""
        self._server()

    async def try_key(self) -> None:
        """Ask for the model's description, which costs nothing. Raises ConfigError, ProviderError."""
        await describe(self._server(), self.model)

    async def warm(self) -> None:
        """Open a connection ahead of the first request; a failure is not raised."""
        try:
            server = self._server()
        except PatterError:
            return
        await warm(server)

    def stream(
        self, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec] = (), *, may_call: bool = True
    ) -> AsyncGenerator[Delta, None]:
        """Ask for one reply, as the contract says. Raises MissingCredential, BadSetting, ProviderError."""
        server = self._server()
        body: dict[str, Any] = {
            "model": self.model,
            "messages": render_messages(messages, system_role="developer"),
            **_tool_fields(tools, may_call=may_call),
            "max_completion_tokens": self.max_output_tokens,
            "stream": True,
            "stream_options": {"include_usage": True, "include_obfuscation": False},
            "reasoning_effort": self.reasoning_effort or least_effort(self.model),
            "temperature": self.temperature if takes_temperature(self.model) else None,
            "prompt_cache_key": self.prompt_cache_key,
        }
        reader = ReplyReader(provider=self.provider, model=self.model, may_call=may_call, strip_thinking=False)
        return exchange(server, body, reader)

    def _server(self) -> Server:
        given = self.api_key if self.api_key is not None else keys.look_up(KEY_VARIABLE)
        key = _checked_key(given, KEY_VARIABLE, KEY_HINT)
        if not key:
            raise MissingCredential(f"OpenAILLM needs a key, and {KEY_VARIABLE} is not set", hint=KEY_HINT)
        base_url = checked_url(self.base_url or OPENAI_URL, "base_url")
        return Server(provider=self.provider, base_url=base_url, key=key, key_name=KEY_VARIABLE, key_hint=KEY_HINT)


@dataclass(frozen=True, slots=True)
class OpenAICompatibleLLM:
    """Any server of Chat Completions: Ollama, vLLM, llama.cpp, LM Studio, a gateway. Raises BadSetting.

    Only what nearly all of them know is sent, and what is said between <think> and </think> is not spoken.
    """

    base_url: str
    """With its /v1: "http://localhost:11434/v1"."""
    model: str
    api_key: str = field(default="", repr=False)
    """Empty: none is sent."""
    _: KW_ONLY
    temperature: float | None = None
    """0 to 2."""
    max_output_tokens: int = 1024
    extra_body: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Fields of the server's own, e.g. {"reasoning_effort": "none"}; a field of ours given as None is not sent."""

    def __post_init__(self) -> None:
        _check(self.model, self.temperature, self.max_output_tokens)
        self._server()

    @property
    def provider(self) -> str:
        """Always "openai-compatible"."""
        return "openai-compatible"

    @property
    def key_variable(self) -> str:
        """None: its key is given or it has none."""
        return ""

    def check(self) -> None:
        """Nothing can be missing: it was all looked at when this was made."""

    async def warm(self) -> None:
        """Open a connection ahead of the first request; a failure is not raised."""
        await warm(self._server())

    def stream(
        self, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec] = (), *, may_call: bool = True
    ) -> AsyncGenerator[Delta, None]:
        """Ask for one reply, as the contract says. Raises ProviderError."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": render_messages(messages, system_role="system"),
            **_tool_fields(tools, may_call=may_call),
            "max_tokens": self.max_output_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": self.temperature,
            **self.extra_body,
        }
        reader = ReplyReader(provider=self.provider, model=self.model, may_call=may_call, strip_thinking=True)
        return exchange(self._server(), body, reader)

    def _server(self) -> Server:
        hint = "OpenAICompatibleLLM(..., api_key=...)"
        return Server(
            provider=self.provider,
            base_url=checked_url(self.base_url, "base_url"),
            key=_checked_key(self.api_key, "api_key", hint),
            key_name="api_key",
            key_hint=hint,
        )


def least_effort(model: str) -> str | None:
    """The reasoning_effort that lets a model begin to speak soonest; None: it does not take the field.

    From gpt-5.1 on "none", before that "minimal"; chat models do not reason, and pro models always do.
    """
    version = _gpt_version(model)
    if version < (5, 0) or re.search(r"-(chat|pro|codex)\b", model):
        return None
    return "none" if version > (5, 0) else "minimal"


def takes_temperature(model: str) -> bool:
    """Whether a model accepts another temperature than 1: reasoning families do not."""
    return _gpt_version(model) < (5, 0) and not re.match(r"o\d", model)


def _gpt_version(model: str) -> tuple[int, int]:
    named = re.match(r"(?:ft:)?gpt-(\d+)(?:\.(\d+))?", model)
    return (int(named[1]), int(named[2] or 0)) if named else (0, 0)


def _tool_fields(tools: Sequence[ToolSpec], *, may_call: bool) -> dict[str, Any]:
    if not tools:
        return {}
    return {"tools": render_tools(tools), "tool_choice": None if may_call else "none"}


def _check(model: str, temperature: float | None, max_output_tokens: int) -> None:
    if not model or max_output_tokens < 1 or not (temperature is None or 0 <= temperature <= 2):
        raise BadSetting("model must be a name, max_output_tokens 1 or more, temperature 0 to 2")


def _checked_key(key: str, name: str, hint: str) -> str:
    """The key without the newline it was copied with. Raises BadSetting, which does not repeat it."""
    key = key.strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise BadSetting(f"{name} holds characters that no key has", hint=hint)
    return key
