"""Whom we may ring: which numbers, and at which time of theirs. Nothing is dialled that has not passed `check`.

Theory of operation. The numbering plans come from `phonenumbers`, which knows every country and is loaded when first
asked. Its types are not enough: it takes a satellite telephone for VoIP and a premium exchange for a landline. So our
own rules stand over it, by prefix, and what neither of them knows is refused. Everything is refused but ordinary
numbers of the own country, which is that of the number we call from. `allow` widens it, by country ("GB") or by kind
("premium"); emergency and short numbers stay refused whatever it says.

    number -> written as E.164? -> in a plan? -> kind -> country -> do-not-call list -> hour of the day -> how often
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from patter_cli.dial_quota import DialQuota
from patter_cli.errors import BadSetting, DestinationRefused, InputError

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_SHORT: Final = re.compile(r"\+?[0-9]{2,6}")


class Kind(StrEnum):
    """What a number is, as far as it matters to whoever pays for the call. Only ORDINARY is rung unasked."""

    ORDINARY = "ordinary"
    """Landlines, mobiles, VoIP, company numbers and freephone."""
    PREMIUM = "premium"
    SHARED_COST = "shared_cost"
    PERSONAL = "personal"
    """It follows a person, at a price that its range does not tell."""
    SATELLITE = "satellite"
    INTERNATIONAL = "international"
    """Of a network that belongs to no country."""
    CARIBBEAN = "caribbean"
    """It looks like a call within North America, and costs as one abroad."""
    SPECIAL = "special"
    """A pager, or a network's own service."""
    UNASSIGNED = "unassigned"
    """In no range that is given out."""
    SHORT = "short"
    """Emergency and short numbers."""


_WHY: Final[Mapping[Kind, str]] = {
    Kind.PREMIUM: "is a premium-rate number",
    Kind.SHARED_COST: "is a shared-cost number",
    Kind.PERSONAL: "is a personal number, whose price nobody tells before",
    Kind.SATELLITE: "is a satellite telephone",
    Kind.INTERNATIONAL: "belongs to an international network, not to a country",
    Kind.CARIBBEAN: "is in the Caribbean, though it begins with +1",
    Kind.SPECIAL: "is a pager or a network's own service",
    Kind.UNASSIGNED: "is in no range that is given out",
    Kind.SHORT: "is an emergency or short number",
}

_BY_PREFIX: Final = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        # Codes of no country. Source: ITU-T E.164, list of assigned country codes.
        (r"870|881|88216", Kind.SATELLITE),
        (r"8(?:00|08|7[0-9]|8[0-9])(?<!880)(?<!886)|979", Kind.INTERNATIONAL),
        # North America. Source: NANPA, 5XX, 900 and 976 codes; CNA, 6XX codes; 555-1212 is paid enquiries.
        (r"1(?:900|[2-9][0-9]{2}976|[2-9][0-9]{2}5551212)", Kind.PREMIUM),
        (r"1(?:600|622|633|644|655|677|688)", Kind.SATELLITE),
        (r"1(?:5(?:00|2[1-9]|3[23]|44|66|77|88)|700)", Kind.PERSONAL),
        # What the library has under another type. Source: each country's numbering plan.
        (r"61(?:14[57]|198)", Kind.SATELLITE),
        (r"7954", Kind.SATELLITE),
        (r"81570", Kind.SHARED_COST),
        (r"2786[01]", Kind.SHARED_COST),
        (r"318[47]", Kind.PERSONAL),
        (r"4470", Kind.PERSONAL),
        (r"4476(?!24)", Kind.SPECIAL),
        (r"44(?:9|87)", Kind.PREMIUM),
        (r"4484", Kind.SHARED_COST),
        (r"491(?:37|80)", Kind.SHARED_COST),
        (r"49(?:900|118|12|19)", Kind.PREMIUM),
        (r"338[12]", Kind.SHARED_COST),
        (r"3389", Kind.PREMIUM),
        (r"39(?:1[46]|89)", Kind.PREMIUM),
    )
)
_NANP_ISLANDS: Final = frozenset("AG AI BB BM BS DM DO GD JM KN KY LC MS SX TC TT VC VG VI PR".split())
"""Caribbean countries and territories on +1. Source: NANPA, area codes by country."""
_WIDENS: Final = frozenset(Kind) - {Kind.ORDINARY, Kind.SHORT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A number that is in a plan, and what it is."""

    number: str
    """E.164."""
    country: str
    """ISO 3166 code of two letters; "001" for a network of no country, "" where nobody knows."""
    kind: Kind
    zones: tuple[str, ...]
    """The time zones that it may lie in; none where nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallingHours:
    """When somebody may be rung, by the clock where they are: from start up to end.

    The default is what United States law leaves to telephone solicitation. Source: 47 CFR 64.1200(c)(1).
    """

    start: time = time(8)
    end: time = time(21)

    @classmethod
    def parse(cls, text: str) -> CallingHours | None:
        """Read "08:00-21:00"; None for "any". Raises ValueError with what is wanted."""
        if text == "any":
            return None
        try:
            start, end = (time.fromisoformat(each.strip()) for each in text.split("-"))
        except ValueError:
            start = end = time(0)
        if start >= end:
            raise ValueError('hours like 08:00-21:00, or "any"')
        return cls(start=start, end=end)

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"

    def closed_in(self, zones: Iterable[str], now_s: float) -> str:
        """Where it is the wrong time, for a person: "22:10 in Europe/Rome"; "" if all zones allow a call.

        A number may lie in any of its zones, so all of them must. now_s: Unix time. Raises BadSetting where this
        system does not know a zone.
        """
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        for zone in zones:
            try:
                there = datetime.fromtimestamp(now_s, ZoneInfo(zone))
            except ZoneInfoNotFoundError as error:
                raise BadSetting(
                    f"this system does not know the time zone {zone}", hint="pip install tzdata"
                ) from error
            if not self.start <= there.time() < self.end:
                return f"{there:%H:%M} in {zone}"
        return ""


@dataclass(frozen=True, slots=True)
class DoNotCall:
    """The numbers that never ring again: a text file with one in a line, and why after a #. No file: nobody yet."""

    path: Path

    def __contains__(self, number: object) -> bool:
        """Raises BadSetting where the file cannot be read or a line is no number: nobody rings whom it may hold."""
        return number in self.numbers()

    def numbers(self) -> frozenset[str]:
        """All of them, E.164. Raises BadSetting."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return frozenset()
        except (OSError, UnicodeDecodeError) as error:
            raise BadSetting(f"the do-not-call list {self.path} cannot be read: {error}") from error
        found = set()
        for row, line in enumerate(lines, 1):
            number = re.sub(r"[ ().-]", "", line.partition("#")[0].strip())
            if number and not E164.fullmatch(number):
                raise BadSetting(f"{self.path}:{row} is no number", hint="write it like +14155550123")
            found.add(number)
        return frozenset(found - {""})

    def add(self, number: str, why: str, now_s: float) -> None:
        """Write a number down, once; it is on disk when this returns. now_s: Unix time.

        Raises InputError for what is no number, OSError where the file cannot be written.
        """
        if not E164.fullmatch(number):
            raise InputError(f"{number[:32]!r} is no number that could be rung", hint="write it like +14155550123")
        if self.path.exists() and number in self:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        said = " ".join("".join(each if each.isprintable() else " " for each in why).split())[:200]
        line = f"{number}  # {datetime.fromtimestamp(now_s).astimezone():%Y-%m-%d %H:%M} {said}".rstrip() + "\n"
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, line.encode())  # one write to the end: two processes do not mix their lines
            os.fsync(handle)
        finally:
            os.close(handle)


@dataclass(frozen=True, slots=True, kw_only=True)
class DialRules:
    """What holds for the calls we make."""

    allow: frozenset[str] = frozenset()
    """Countries (two capital letters) and kinds that may be rung beside the own country's ordinary numbers."""
    hours: CallingHours | None = CallingHours()
    """None: at any time."""
    do_not_call: DoNotCall | None = None
    quota: DialQuota | None = None
    """How often; None: as often as anybody likes."""


def read_allow(words: Iterable[str]) -> frozenset[str]:
    """What `allow` may hold. Raises ValueError with what is wanted."""
    from phonenumbers import SUPPORTED_REGIONS

    given = frozenset(each.strip() for each in words) - {""}
    if not all(each in _WIDENS or each in SUPPORTED_REGIONS for each in given):
        raise ValueError(f"countries like GB, or kinds: {', '.join(sorted(_WIDENS))}")
    return given


def find(number: str) -> Destination:
    """What is known of a number. Raises InputError for what is not written like +14155550123.

    Nothing is mended: digits of another script, spaces and line ends are refused, since what was looked at would not be
    what is dialled.
    """
    if not isinstance(number, str) or not E164.fullmatch(number):
        shown = number[:32] if isinstance(number, str) else number
        if isinstance(number, str) and _SHORT.fullmatch(number) and number.isascii():
            raise DestinationRefused(f"{shown} {_WHY[Kind.SHORT]}", hint="those are never dialled")
        raise InputError(f"{shown!r} is no number that could be rung", hint="write it like +14155550123")
    from phonenumbers import NumberParseException, parse, region_code_for_number
    from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_number

    try:
        parsed = parse(number, None)
    except NumberParseException:
        kind = next((kind for prefix, kind in _BY_PREFIX if prefix.match(number[1:])), Kind.UNASSIGNED)
        return Destination(number=number, country="", kind=kind, zones=())
    return Destination(
        number=number,
        country=region_code_for_number(parsed) or "",
        kind=_kind(number, parsed),
        zones=tuple(each for each in time_zones_for_number(parsed) if each != UNKNOWN_TIMEZONE),
    )


def check(number: str, *, caller: str, rules: DialRules, now_s: float) -> Destination:
    """Let a number pass, or say why not. caller: the number of ours that it is rung from, whose country is the own one.
    now_s: Unix time.

    Raises InputError for what is no number, DestinationRefused for one that must not be rung, BadSetting where that
    cannot be known.
    """
    there, own = find(number), find(caller)
    _check_other(there, caller)
    _check_kind(there, own.country, rules)
    _check_wanted(there, rules)
    if rules.hours is not None:
        _check_hour(there, rules.hours, now_s)
    if rules.quota is not None and (why := rules.quota.refusal(number, now_s)):
        raise DestinationRefused(f"{number} is not rung: {why}", hint="wait, or raise it under [call]")
    return there


def _check_kind(there: Destination, own: str, rules: DialRules) -> None:
    """own: the own country."""
    number = there.number
    abroad = there.country not in ("", own)
    named = there.country in rules.allow and there.country not in ("", "001")
    kind = there.kind
    if kind is Kind.ORDINARY and abroad and there.country in _NANP_ISLANDS and number.startswith("+1") and not named:
        kind = Kind.CARIBBEAN
    if kind is Kind.SHORT:
        raise DestinationRefused(f"{number} {_WHY[kind]}", hint="those are never dialled")
    if kind is not Kind.ORDINARY and kind not in rules.allow:
        raise DestinationRefused(f"{number} {_WHY[kind]}", hint=f"--allow {kind} rings it")
    if abroad and not named and kind not in (Kind.CARIBBEAN, Kind.INTERNATIONAL, Kind.SATELLITE):
        raise DestinationRefused(
            f"{number} is in {there.country}, and the number to call from is in {own or 'no country'}",
            hint=f"--allow {there.country} rings it",
        )


def _check_other(there: Destination, ours: str) -> None:
    if there.number == ours:
        raise DestinationRefused(f"{ours} is the number that it would be rung from", hint="ring another one")


def _check_wanted(there: Destination, rules: DialRules) -> None:
    if rules.do_not_call is not None and there.number in rules.do_not_call:
        raise DestinationRefused(f"{there.number} wants no calls", hint=f"it is in {rules.do_not_call.path}")


def transfer_refusal(number: str, *, ours: str, rules: DialRules) -> str:
    """Why a caller may not be put through to a number; "" if they may.

    What the operator has written down is looked at like what is dialled: a wrong digit, or a prompt that somebody else
    wrote, costs as much. Their own people may be rung at any hour, and as often as callers ask for them. number: E.164,
    with or without an extension. ours: the number on whose account it is rung; what is none has no own country.
    """
    try:
        there = find(number.partition(";")[0])
        own = find(ours).country if E164.fullmatch(ours) else ""
        _check_other(there, ours)
        _check_kind(there, own or there.country, rules)
        _check_wanted(there, rules)
    except (InputError, BadSetting) as error:
        return f"{error}; {error.hint}"
    return ""


def _check_hour(there: Destination, hours: CallingHours, now_s: float) -> None:
    if not there.zones:
        raise DestinationRefused(f"nobody knows what time it is at {there.number}", hint="--hours any rings it")
    if closed := hours.closed_in(there.zones, now_s):
        raise DestinationRefused(
            f"it may be {closed}, where {there.number} may be", hint=f"ring it within {hours}, or with --hours any"
        )


def _kind(number: str, parsed: PhoneNumber) -> Kind:
    from phonenumbers import (
        PhoneNumberType,
        is_valid_number,
        national_significant_number,
        number_type,
        region_code_for_country_code,
    )
    from phonenumbers.shortnumberinfo import is_emergency_number, is_valid_short_number_for_region

    national = national_significant_number(parsed)
    region = region_code_for_country_code(parsed.country_code or 0)
    if is_emergency_number(national, region) or is_valid_short_number_for_region(parsed, region):
        return Kind.SHORT
    for prefix, kind in _BY_PREFIX:
        if prefix.match(number[1:]):
            return kind
    if not is_valid_number(parsed):
        return Kind.UNASSIGNED
    kinds = {
        PhoneNumberType.PREMIUM_RATE: Kind.PREMIUM,
        PhoneNumberType.SHARED_COST: Kind.SHARED_COST,
        PhoneNumberType.PERSONAL_NUMBER: Kind.PERSONAL,
        PhoneNumberType.PAGER: Kind.SPECIAL,
        PhoneNumberType.VOICEMAIL: Kind.SPECIAL,
    }
    return kinds.get(number_type(parsed), Kind.ORDINARY)
