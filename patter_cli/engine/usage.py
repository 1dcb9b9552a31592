"""What one call uses of vendors, counted where it is sent: whose it is, and how much since it was last told."""

from __future__ import annotations

from patter_cli.contracts.llm import ChatMessage, Usage
from patter_cli.contracts.provider import name_of
from patter_cli.core.events import EngineUsed

CHARACTERS_A_TOKEN = 4
"""Of English, in every vendor's tokens; what a request took is counted so where the vendor does not get to say it."""


def model_of(recipe: object) -> str:
    """Which of its vendor's models a recipe is; "" if it does not say."""
    model = getattr(recipe, "model", "")
    return model if isinstance(model, str) else ""


class UseCount:
    """How much of something each vendor was sent since it was last taken; a call may change vendors."""

    def __init__(self) -> None:
        self._amounts: dict[tuple[str, str], int] = {}

    def add(self, recipe: object, amount: int) -> None:
        """Sent to this one."""
        if amount:
            vendor = name_of(recipe), model_of(recipe)
            self._amounts[vendor] = self._amounts.get(vendor, 0) + amount

    def take(self) -> list[tuple[str, str, int]]:
        """(provider, model, amount) of each."""
        taken, self._amounts = self._amounts, {}
        return [(provider, model, amount) for (provider, model), amount in taken.items()]


def estimated(provider: str, model: str, messages: list[ChatMessage], written: int) -> Usage:
    """What a request is thought to have taken. written: characters that came back."""
    asked = sum(len(each.text) + sum(len(call.arguments) for call in each.tool_calls) for each in messages)
    return Usage(
        provider=provider,
        model=model,
        input_tokens=max(1, asked // CHARACTERS_A_TOKEN),
        output_tokens=max(1, written // CHARACTERS_A_TOKEN),
        estimated=True,
    )


def session_used(engine: object, session_ms: int) -> EngineUsed:
    """How long an engine's session lasted; what else it took is its own to say."""
    return EngineUsed(provider=name_of(engine), model=model_of(engine), session_ms=session_ms)
