"""OpenAI's language models, over Chat Completions, or over Responses where a model that thinks may use tools."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar

from patter_cli.contracts.llm import ChatMessage, Delta, ToolSpec
from patter_cli.errors import BadSetting
from patter_cli.providers.account import Account, VendorModel, family
from patter_cli.providers.chat import ChatReader, render_messages, tool_fields
from patter_cli.providers.exchange import exchange
from patter_cli.providers.responses import ResponsesReader, render_input, render_tools

OPENAI = Account(
    name="openai",
    url="https://api.openai.com/v1",
    version="v1",
    keys=("OPENAI_API_KEY",),
    looks_like="sk-",
)
APIS = ("auto", "chat", "responses")


@dataclass(frozen=True, slots=True)
class OpenAILLM(VendorModel):
    """OpenAI's models. Its key comes from OPENAI_API_KEY when it is used. Raises BadSetting for values out of range.

    Source: OpenAI API reference, Chat Completions and Responses, 2026-11.
    """

    api_key: str | None = field(default=None, repr=False)
    model: str = "gpt-6-luna"
    base_url: str | None = None
    """https://api.openai.com/v1 unless given."""
    _: KW_ONLY
    reasoning_effort: str | None = None
    """None: the least that the model has, for the caller waits."""
    temperature: float | None = None
    """0 to 2. Not sent to the models that refuse it."""
    max_output_tokens: int = 1024
    """What it thinks counts, too."""
    prompt_cache_key: str | None = None
    """Requests with the same key share OpenAI's cache of their beginnings more often; None: those with the same
    prompt."""
    api: str = "auto"
    """"chat" or "responses"; "auto": chat, which is quickest, wherever the model may use its tools there."""

    account: ClassVar[Account] = OPENAI

    def __post_init__(self) -> None:
        self._check_settings(self.temperature, self.max_output_tokens)
        if self.api not in APIS:
            raise BadSetting(f"api must be one of {', '.join(APIS)}", hint='api="auto"')

    def stream(
        self, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec] = (), *, may_call: bool = True
    ) -> AsyncGenerator[Delta, None]:
        """Ask for one reply, as the contract says. Raises MissingCredential, BadSetting, ProviderError."""
        server = self.server()
        effort = self.reasoning_effort or least_effort(self.model)
        temperature = self.temperature if takes_temperature(self.model) else None
        if self.api == "responses" or (self.api == "auto" and tools and not calls_in_chat(self.model, effort)):
            body: dict[str, Any] = {
                "model": self.model,
                **render_input(messages),
                **render_tools(tools, may_call=may_call),
                "max_output_tokens": self.max_output_tokens,
                "reasoning": None if effort is None else {"effort": effort},
                "include": None if effort in (None, "none") else ["reasoning.encrypted_content"],
                "temperature": temperature,
                "prompt_cache_key": self._cache_key(messages),
                "store": False,
                "stream": True,
                "stream_options": {"include_obfuscation": False},
            }
            return exchange(
                server, "/responses", body, ResponsesReader(provider="openai", model=self.model, may_call=may_call)
            )
        body = {
            "model": self.model,
            "messages": render_messages(messages, system_role="developer"),
            **tool_fields(tools, may_call=may_call),
            "max_completion_tokens": self.max_output_tokens,
            "stream": True,
            "stream_options": {"include_usage": True, "include_obfuscation": False},
            "reasoning_effort": effort,
            "temperature": temperature,
            "prompt_cache_key": self._cache_key(messages),
        }
        reader = ChatReader(
            provider="openai", model=self.model, may_call=may_call, thinks_aloud=False, ends=self.base_url is None
        )
        return exchange(server, "/chat/completions", body, reader)

    def _cache_key(self, messages: Sequence[ChatMessage]) -> str | None:
        if self.prompt_cache_key is not None:
            return self.prompt_cache_key or None
        prompt = next((each.text for each in messages if each.role == "system"), "")
        return f"patter-{hashlib.sha256(prompt.encode('utf-8', 'replace')).hexdigest()[:16]}" if prompt else None


def least_effort(model: str) -> str | None:
    """The reasoning_effort that lets a model begin to speak soonest; None: it does not take the field.

    From gpt-5.1 on "none", before that "minimal"; chat models do not reason, and pro models always do.
    """
    version = family(model, "gpt-") or (0, 0)
    if version < (5, 0) or re.search(r"-(chat|pro|codex)\b", model):
        return None
    return "none" if version > (5, 0) else "minimal"


def takes_temperature(model: str) -> bool:
    """Whether a model accepts another temperature than 1: reasoning families do not."""
    return (family(model, "gpt-") or (0, 0)) < (5, 0) and not re.match(r"o\d", model)


def calls_in_chat(model: str, effort: str | None) -> bool:
    """Whether a model may use tools over Chat Completions: from gpt-5.6 on only if it does not think."""
    return (family(model, "gpt-") or (0, 0)) < (5, 6) or effort == "none"
