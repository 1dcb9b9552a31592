"""Whatever server speaks Chat Completions as OpenAI does, or nearly: one's own, or a gateway to others."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from patter_cli.contracts.llm import ChatMessage, Delta, ToolSpec
from patter_cli.providers.account import check_settings, checked_key
from patter_cli.providers.chat import ChatReader, render_messages, tool_fields
from patter_cli.providers.exchange import exchange, warm
from patter_cli.providers.http import Server, checked_url


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
        check_settings(self.model, self.temperature, self.max_output_tokens)
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
            **tool_fields(tools, may_call=may_call),
            "max_tokens": self.max_output_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": self.temperature,
            **self.extra_body,
        }
        reader = ChatReader(provider=self.provider, model=self.model, may_call=may_call, thinks_aloud=True, ends=False)
        return exchange(self._server(), "/chat/completions", body, reader)

    def _server(self) -> Server:
        hint = "OpenAICompatibleLLM(..., api_key=...)"
        return Server(
            provider=self.provider,
            base_url=checked_url(self.base_url, "base_url"),
            key=checked_key(self.api_key, "api_key", hint),
            key_name="api_key",
            key_hint=hint,
        )
