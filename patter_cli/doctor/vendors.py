"""The vendors of speech and language: whose key is set, whether the vendor takes it, and what it lacks there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from patter_cli.contracts.provider import Provider, TriesItsKey
from patter_cli.doctor.findings import Check, Finding, off, ok, unsure


def vendor_check(
    name: str, variables: Sequence[str], key_set: str, shown: Callable[[], str], make: Callable[[], object]
) -> Check:
    """name: "openai". variables: that its key is looked for in. key_set: the one that has it, "" if none. shown: the
    key, masked, and where it comes from. make: its recipe; raises ConfigError."""
    row = f"keys.{name}"

    async def look() -> list[Finding]:
        if not key_set:
            return [off(row, f"{variables[0]} is not set", f"export {variables[0]}=…, for an agent that uses {name}")]
        recipe = make()
        if isinstance(recipe, Provider):
            recipe.check()
        if not isinstance(recipe, TriesItsKey):
            return [unsure(row, f"{shown()}; not tried: {name} has no question that costs nothing")]
        if lacking := await recipe.try_key():
            return [unsure(row, f"{shown()}; {name} accepts it, but {lacking}", "see docs/engines.md")]
        return [ok(row, f"{shown()}; {name} accepts it")]

    return Check(name=row, look=look)
