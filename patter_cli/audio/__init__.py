"""Sound, in numpy and nothing else. NlmsEchoCanceller is public and loads on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from patter_cli.audio.echo import NlmsEchoCanceller

__all__ = ["NlmsEchoCanceller"]


def __getattr__(name: str) -> Any:
    if name != "NlmsEchoCanceller":
        raise AttributeError(f"module 'patter_cli.audio' has no attribute {name!r}")
    from patter_cli.audio.echo import NlmsEchoCanceller

    return NlmsEchoCanceller
