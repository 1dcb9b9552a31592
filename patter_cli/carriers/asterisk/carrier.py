"""Asterisk: the line without an account. Its dialplan sends a call to us over AudioSocket, and that is all of it.

Who calls whom is in the UUID that the dialplan makes, since nothing else travels with a call:

    cccccccc-cccc-cccc-dddd-dddddddddddd    decimal digits, each number filled up with zeros in front
    caller, 16 digits  called, 16 digits

A number has 15 digits at most (ITU-T E.164), so each half begins with 0; the second half of a random UUID begins with
8, 9, a or b (RFC 9562, section 4.1). One that was made at random says nothing of who calls, and is as good.
With a secret its 16 hexadecimal digits stand in the place of the caller.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, NoReturn

from patter_cli.carriers.asterisk.control import AsteriskControl
from patter_cli.carriers.asterisk.stream import AUDIO_KINDS, AudioSocketStream
from patter_cli.carriers.without_webhooks import WithoutWebhooks
from patter_cli.contracts.carrier.carrier import (
    AnswerPlan,
    CallHandle,
    KeepToken,
    OutboundCall,
    kept_by_nobody,
)
from patter_cli.contracts.carrier.stream import StreamStarted
from patter_cli.core.outcome import Direction
from patter_cli.errors import BadSetting, BadSignature, CallRejected

PORT: Final = 9092

RATES_HZ: Final = (8_000, 16_000)
"""What a call here can be held at, of what Asterisk sends."""
assert all(rate_hz in AUDIO_KINDS for rate_hz in RATES_HZ)

EXTENSION_DIGITS: Final = 6
"""A number of more digits is one of the world's, in international form; up to so many are the house's own."""

_SECRET: Final = re.compile(r"[0-9a-fA-F]{16}")
_NUMBER: Final = re.compile(r"0[0-9]{15}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asterisk(WithoutWebhooks):
    """Asterisk, over AudioSocket. Raises BadSetting.

    The wire is neither authenticated nor encrypted: it is for this machine, or for a network that is the house's own,
    and there a secret is asked for.
    """

    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = PORT
    """0: any that is free."""
    secret: str = field(default="", repr=False)
    """16 hexadecimal digits that each call's UUID begins with; "": any UUID is taken."""
    rate_hz: int = 8_000
    """Of the audio; 16000 for Dial(AudioSocket/…/c(slin16)) in the dialplan."""

    def __post_init__(self) -> None:
        if type(self.port) is not int or not 0 <= self.port <= 65535:
            raise BadSetting(f"port {self.port!r} does not exist", hint="choose one from 1 to 65535")
        if self.rate_hz not in RATES_HZ:
            raise BadSetting(f"rate_hz is {self.rate_hz!r}", hint=f"one of {', '.join(map(str, RATES_HZ))}")
        if self.secret and not _SECRET.fullmatch(self.secret):
            raise BadSetting("the secret is not 16 hexadecimal digits", hint="openssl rand -hex 8 makes one")
        if not self.secret and not _is_loopback(self.host):
            raise BadSetting(
                f"without a secret anybody who reaches {self.host} could call",
                hint="Asterisk(secret=…), or leave the host out: only this machine can call then",
            )

    @property
    def name(self) -> str:
        """Always "asterisk"."""
        return "asterisk"

    def stream(self) -> AudioSocketStream:
        """Our end of a new call's stream."""
        return AudioSocketStream(self.rate_hz)

    def incoming(self, started: StreamStarted) -> AnswerPlan:
        """Who calls whom, by the UUID. Raises BadSignature where a secret is set and the UUID has another."""
        digits = started.call_id.replace("-", "")
        first, second = digits[:16], digits[16:]
        if self.secret and not hmac.compare_digest(first, self.secret.lower()):
            raise BadSignature("its UUID does not begin with the secret")
        known = _NUMBER.fullmatch(second) is not None and (bool(self.secret) or _NUMBER.fullmatch(first) is not None)
        return AnswerPlan(
            carrier_call_id=started.call_id if not self.secret else second,
            caller=_number(first) if known and not self.secret else "",
            callee=_number(second) if known else "",
            direction=Direction.INBOUND,
        )

    def control(self, call: CallHandle) -> AsteriskControl:
        """What can be asked of a call."""
        return AsteriskControl()

    async def place(self, call: OutboundCall) -> str:
        """Raises CallRejected."""
        _refuse("ring anybody", "have Asterisk ring them: channel originate … application AudioSocket …")

    async def attach(self, number: str, url: str, keep: KeepToken = kept_by_nobody) -> str:
        """Raises CallRejected."""
        _refuse("be told about a number", "the dialplan says which numbers come here")


def _number(digits: str) -> str:
    """As people write it: +15550100002, or 100 for an extension; "" for zeros alone."""
    number = digits.lstrip("0")
    return f"+{number}" if len(number) > EXTENSION_DIGITS else number


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refuse(what: str, hint: str) -> NoReturn:
    raise CallRejected(f"Asterisk cannot {what} over AudioSocket", hint=hint)
