"""The vendors that the contract suites run over: how to make each, and who speaks its wire in the lab."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from patter_cli.contracts.llm import LanguageModel
from patter_cli.errors import NoCredit, ProviderError, RateLimited
from patter_cli.providers.anthropic import AnthropicLLM
from patter_cli.providers.cerebras import CerebrasLLM
from patter_cli.providers.compatible import OpenAICompatibleLLM
from patter_cli.providers.google import GoogleLLM
from patter_cli.providers.groq import GroqLLM
from patter_cli.providers.openai import OpenAILLM
from patter_cli.testing.vendors.llm.anthropic import AnthropicVendor
from patter_cli.testing.vendors.llm.chat import CerebrasVendor, ChatVendor, GroqVendor, HomeVendor
from patter_cli.testing.vendors.llm.google import GoogleVendor
from patter_cli.testing.vendors.llm.responses import ResponsesVendor
from patter_cli.testing.vendors.llm.said import Writer
from patter_cli.testing.vendors.llm.vendor import LanguageVendor

KEY = "sk-contract-4711"


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One adapter. make: from the lab's address. asks_at: the path of a request for a reply.

    seals: its vendor wants something back with a call. afterwards: something comes after the reason of the end.
    no_credit: what becomes of an account without credit. cache: what it does for the vendor's cache of beginnings.
    sdk: the package of the vendor's that the lab is proven by.
    """

    name: str
    make: Callable[[str], LanguageModel]
    vendor: type[LanguageVendor]
    asks_at: str = "/v1/chat/completions"
    seals: bool = False
    afterwards: bool = True
    no_credit: type[ProviderError] = NoCredit
    cache: str = "automatic"
    sdk: str = ""

    def writer(self) -> Writer:
        """Writes one reply on the vendor's wire."""
        return self.vendor().writer()


def _thinking(url: str) -> OpenAILLM:
    return OpenAILLM(KEY, base_url=url, api="responses", reasoning_effort="low")


MODELS = (
    ModelRow("openai", lambda url: OpenAILLM(KEY, base_url=f"{url}/v1"), ChatVendor, cache="keyed", sdk="openai"),
    ModelRow(
        "openai-responses",
        _thinking,
        ResponsesVendor,
        "/v1/responses",
        seals=True,
        afterwards=False,
        cache="keyed",
        sdk="openai",
    ),
    ModelRow(
        "anthropic",
        lambda url: AnthropicLLM(KEY, base_url=url),
        AnthropicVendor,
        "/v1/messages",
        seals=True,
        cache="marked",
        sdk="anthropic",
    ),
    ModelRow(
        "google",
        lambda url: GoogleLLM(KEY, base_url=url),
        GoogleVendor,
        "/v1beta/models/gemini-3.8-flash:streamGenerateContent",
        seals=True,
        afterwards=False,
        no_credit=RateLimited,
        sdk="google.genai",
    ),
    ModelRow(
        "groq",
        lambda url: GroqLLM(KEY, base_url=url),
        GroqVendor,
        "/openai/v1/chat/completions",
        sdk="groq",
    ),
    ModelRow(
        "cerebras",
        lambda url: CerebrasLLM(KEY, base_url=url),
        CerebrasVendor,
        sdk="cerebras.cloud.sdk",
    ),
    ModelRow(
        "openai-compatible",
        lambda url: OpenAICompatibleLLM(f"{url}/v1", "scripted", api_key=KEY),
        HomeVendor,
        afterwards=False,
        cache="server's",
    ),
)
