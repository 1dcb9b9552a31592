"""What a carrier can be asked before there is a call: is the account good, is a number ours, is a signature checked.

A carrier may leave all of it out; `patter doctor` then says only whether its keys are set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from patter_cli.contracts.carrier.carrier import CarrierRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSeen:
    """An account that the carrier has let us look at."""

    about: str
    """A few words: its name, its state."""
    usable: bool = True
    """False: it is there, and makes no calls."""
    carrier_time_s: float | None = None
    """The carrier's clock as it answered, Unix time in whole seconds; None: it did not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberSeen:
    """A number of the account's."""

    webhook_url: str
    """Where its calls are sent; "": nowhere."""
    instead: str = ""
    """What takes its calls before that webhook is asked, such as a trunk; "": nothing."""


@runtime_checkable
class Examined(Protocol):
    """A carrier that lets its account be looked at. One cheap GET each, or two."""

    async def see_account(self) -> AccountSeen:
        """Whether the keys are good. Raises ConfigError, CarrierError."""

    async def see_number(self, number: str) -> NumberSeen | None:
        """Where a number's calls go; None: the account has no such number. Raises ConfigError, CarrierError."""


@runtime_checkable
class SignsAlike(Protocol):
    """A carrier whose webhooks are signed with a secret that both sides have: what it sends, we could send."""

    def sign(self, request: CarrierRequest) -> Mapping[str, str]:
        """The headers, by their names in lower case, with which the carrier would send this. Raises ConfigError."""
