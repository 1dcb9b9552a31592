"""Groq's language models: Chat Completions, with what Groq leaves out and adds."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar
from urllib.parse import quote

from patter_cli.contracts.llm import ChatMessage, Delta, ToolSpec
from patter_cli.providers.account import Account, VendorModel
from patter_cli.providers.chat import ChatReader, render_messages, tool_fields
from patter_cli.providers.exchange import ask, exchange

GROQ = Account(
    name="groq",
    url="https://api.groq.com/openai/v1",
    version="openai/v1",
    keys=("GROQ_API_KEY",),
    looks_like="gsk_",
)


@dataclass(frozen=True, slots=True)
class GroqLLM(VendorModel):
    """Models that Groq serves. Its key comes from GROQ_API_KEY when it is used. Raises BadSetting.

    Source: Groq API reference, 2026-11.
    """

    api_key: str | None = field(default=None, repr=False)
    model: str = "openai/gpt-oss-20b"
    base_url: str | None = None
    """https://api.groq.com/openai/v1 unless given."""
    _: KW_ONLY
    reasoning_effort: str | None = None
    """None: the least that the model has, for the caller waits."""
    temperature: float | None = None
    """0 to 2."""
    max_output_tokens: int = 1024
    """What it thinks counts, too."""

    account: ClassVar[Account] = GROQ

    def __post_init__(self) -> None:
        self._check_settings(self.temperature, self.max_output_tokens)

    async def try_key(self) -> None:
        """Ask for the model's description; a model's name has a slash of its own here. Raises ProviderError."""
        await ask(self.server(), f"/models/{quote(self.model)}")

    def stream(
        self, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec] = (), *, may_call: bool = True
    ) -> AsyncGenerator[Delta, None]:
        """Ask for one reply, as the contract says. Raises MissingCredential, BadSetting, ProviderError."""
        least = least_effort(self.model)
        body: dict[str, Any] = {
            "model": self.model,
            "messages": render_messages(messages, system_role="system"),
            **tool_fields(tools, may_call=may_call),
            "max_completion_tokens": self.max_output_tokens,
            "stream": True,
            "reasoning_effort": self.reasoning_effort or least,
            "include_reasoning": None if least is None else False,
            "temperature": self.temperature,
        }
        reader = ChatReader(provider="groq", model=self.model, may_call=may_call, thinks_aloud=True, ends=True)
        return exchange(self.server(), "/chat/completions", body, reader)


def least_effort(model: str) -> str | None:
    """The reasoning_effort that lets a model begin to speak soonest; None: it does not take the field."""
    name = model.rpartition("/")[2]
    if name.startswith("gpt-oss"):
        return "low"
    return "none" if name.startswith("qwen3") else None
