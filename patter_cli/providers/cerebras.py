"""Cerebras's language models: Chat Completions, with what Cerebras leaves out and adds."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar

from patter_cli.contracts.llm import ChatMessage, Delta, ToolSpec
from patter_cli.providers.account import Account, VendorModel
from patter_cli.providers.chat import ChatReader, render_messages, tool_fields
from patter_cli.providers.exchange import exchange

CEREBRAS = Account(
    name="cerebras",
    url="https://api.cerebras.ai/v1",
    version="v1",
    keys=("CEREBRAS_API_KEY",),
    looks_like="csk-",
    warm_path="/tcp_warming",
)


@dataclass(frozen=True, slots=True)
class CerebrasLLM(VendorModel):
    """Models that Cerebras serves. Its key comes from CEREBRAS_API_KEY when it is used. Raises BadSetting.

    Source: Cerebras inference API reference, 2026-11.
    """

    api_key: str | None = field(default=None, repr=False)
    model: str = "gpt-oss-120b"
    base_url: str | None = None
    """https://api.cerebras.ai/v1 unless given."""
    _: KW_ONLY
    reasoning_effort: str | None = None
    """None: the least that the model has, for the caller waits."""
    temperature: float | None = None
    """0 to 1.5."""
    max_output_tokens: int = 1024
    """What it thinks counts, too."""

    account: ClassVar[Account] = CEREBRAS

    def __post_init__(self) -> None:
        self._check_settings(self.temperature, self.max_output_tokens)

    def stream(
        self, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec] = (), *, may_call: bool = True
    ) -> AsyncGenerator[Delta, None]:
        """Ask for one reply, as the contract says. Raises MissingCredential, BadSetting, ProviderError."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": render_messages(messages, system_role="system"),
            **tool_fields(tools, may_call=may_call),
            "max_completion_tokens": self.max_output_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
            "reasoning_effort": self.reasoning_effort or least_effort(self.model),
            "temperature": self.temperature,
        }
        reader = ChatReader(provider="cerebras", model=self.model, may_call=may_call, thinks_aloud=True, ends=True)
        return exchange(self.server(), "/chat/completions", body, reader)


def least_effort(model: str) -> str | None:
    """The reasoning_effort that lets a model begin to speak soonest; None: it does not take the field."""
    if model.startswith("gpt-oss"):
        return "low"
    return "none" if model.startswith("qwen-3") else None
