"""Amounts of money: signs and codes on either side, ranges, cents, millions, so much a month."""

from __future__ import annotations

import re
import unicodedata

from patter_cli.text.readings.figures import QUANTITY, cardinal, number, split_number
from patter_cli.text.readings.measures import per
from patter_cli.text.readings.rule import Match, Rule, one_of, rule
from patter_cli.text.readings.signs import COIN_SIGNS

_COINS = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "sen", "sen"),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "₩": ("won", "won", "jeon", "jeon"),
    "¢": ("cent", "cents", "", ""),
    "CHF": ("Swiss franc", "Swiss francs", "centime", "centimes"),
    "SEK": ("Swedish krona", "Swedish kronor", "öre", "öre"),
    "NOK": ("Norwegian krone", "Norwegian kroner", "øre", "øre"),
    "DKK": ("Danish krone", "Danish kroner", "øre", "øre"),
    "PLN": ("zloty", "zlotys", "grosz", "groszy"),
    "CZK": ("koruna", "koruny", "haler", "halers"),
    "HUF": ("forint", "forints", "", ""),
    "ZAR": ("rand", "rand", "cent", "cents"),
    "CNY": ("yuan", "yuan", "fen", "fen"),
    "BRL": ("Brazilian real", "Brazilian reais", "centavo", "centavos"),
    "MXN": ("Mexican peso", "Mexican pesos", "centavo", "centavos"),
    "AED": ("dirham", "dirhams", "fils", "fils"),
    "SAR": ("riyal", "riyals", "halala", "halalas"),
    "THB": ("baht", "baht", "satang", "satang"),
    "BTC": ("bitcoin", "bitcoins", "", ""),
}
_DOLLARS = {"US": "U S", "CA": "Canadian", "C": "Canadian", "AU": "Australian", "A": "Australian"}
_DOLLARS |= {"NZ": "New Zealand", "HK": "Hong Kong", "SG": "Singapore", "S": "Singapore", "NT": "Taiwan"}
_COINS |= {f"{land}$": (f"{name} dollar", f"{name} dollars", "cent", "cents") for land, name in _DOLLARS.items()}
_COINS |= {"R$": _COINS["BRL"], "MX$": _COINS["MXN"], "RMB": _COINS["CNY"]}
_COINS |= {"USD": _COINS["$"], "GBP": _COINS["£"], "EUR": _COINS["€"], "INR": _COINS["₹"], "JPY": _COINS["¥"]}
_COINS |= {"Rs": _COINS["₹"], "Rs.": _COINS["₹"]}
_COINS |= {"KRW": _COINS["₩"], "CAD": _COINS["CA$"], "AUD": _COINS["A$"], "NZD": _COINS["NZ$"]}
_COINS |= {"HKD": _COINS["HK$"], "SGD": _COINS["SG$"]}

_SIGN = rf"(?:(?:US|CA|AU|NZ|HK|SG|NT|MX|[ACRS])?\$|[{COIN_SIGNS[1:]}])"
_CODE = one_of(code for code in _COINS if code.rstrip(".").isalpha()) + "|(?i:usd|eur|gbp|cad|chf)"
_SCALES = {"k": "thousand", "m": "million", "mn": "million", "mio": "million", "b": "billion", "bn": "billion"} | {
    "t": "trillion",
    "tn": "trillion",
}
_AFTER_ARTICLE = re.compile(r"(?i)(?<!\w)an? $")
_GOES_ON = re.compile(r"(?: |-)(?!(?:and|or|to|but|if|when|is|are|was|in|at|on|from|with|each|plus|more|less)\b)[a-z]")


def _spoken(match: Match) -> str:
    """An amount or a range of two, whichever side the sign is on."""
    coin = _coin(match["sign"])
    low_scale, high_scale = match.group("low_scale", "high_scale")
    low, high = (each and _in_full(each, match["sign"]) for each in match.group("low", "high"))
    rated = f" {per(match['rate'])}" if match["rate"] else ""
    before = match.string[max(0, match.start() - 4) : match.start()]
    adjective = _AFTER_ARTICLE.search(before) and _GOES_ON.match(match.string, match.end())  # a $20 bill
    unit = coin[0] if adjective else coin[1]
    if high is None:
        if adjective and not _cents(coin, low, low_scale):
            return f"{_with_scale(low, low_scale)} {unit}{rated}"
        return _amount(coin, low, low_scale) + rated
    if _cents(coin, low, low_scale or high_scale) or _cents(coin, high, high_scale):
        return f"{_amount(coin, low, low_scale)} to {_amount(coin, high, high_scale)}{rated}"
    return f"{_with_scale(low, low_scale)} to {_with_scale(high, high_scale)} {unit}{rated}"


def _coin(sign: str) -> tuple[str, str, str, str]:
    if coin := _COINS.get(sign) or _COINS.get(sign.upper()):
        return coin
    name = unicodedata.name(sign[-1], "").lower().removesuffix(" sign").rpartition(" ")[2]
    return name, name, "", ""


def _with_scale(written: str, scale: str | None) -> str:
    said = number(written)
    return f"{said} {_SCALES.get(scale.lower(), scale.lower())}" if scale else said


def _in_full(written: str, sign: str) -> str:
    """1.000 are a thousand, except where a point is what cents stand behind; 5.00 are five."""
    if re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", written) and sign[-1] not in "$£":
        written = written.replace(".", "")
    whole, fraction = split_number(written)
    return f"{whole or 0}.{fraction}" if fraction.strip("0") else whole


def _cents(coin: tuple[str, str, str, str], written: str, scale: str | None) -> int:
    """The small coins of an amount; 0 where it has none or they are said behind a point."""
    fraction = split_number(written)[1]
    return int(f"{fraction}0"[:2]) if fraction and len(fraction) <= 2 and not scale and coin[3] else 0


def _amount(coin: tuple[str, str, str, str], written: str, scale: str | None) -> str:
    one, many, cent, cents = coin
    change = _cents(coin, written, scale)
    if scale or not change:
        said = _with_scale(written, scale)
        return f"{said} {one if said == 'one' else many}"
    whole = int(split_number(written)[0] or 0)
    parts = [f"{cardinal(whole)} {one if whole == 1 else many}"] if whole else []
    return " and ".join([*parts, f"{cardinal(change)} {cent if change == 1 else cents}"])


def _scale(name: str) -> str:
    return rf"(?:\s?(?P<{name}>(?i:k|mn|mio|m|bn|b|tn|thousand|million|billion|trillion|lakhs?|crores?))\b)?"


_LOW, _HIGH = rf"(?P<low>{QUANTITY}){_scale('low_scale')}", rf"(?P<high>{QUANTITY}){_scale('high_scale')}"
_RATE = r"(?:\s?/\s?(?P<rate>[A-Za-z]+)\b)?"


_AGAIN = r"(?:\s(?i:usd|gbp|eur|dollars|pounds|euros)\b)?"
"""$20 USD: said once."""


def _before(sign: str) -> str:
    high = rf"(?:\s?-\s?(?:{sign})?\s?{_HIGH})?(?![A-Za-z\d]|[.,]\d)"
    return rf"(?<![A-Za-z])(?P<sign>{sign})\s?{_LOW}{high}{_AGAIN}{_RATE}"


def _behind(sign: str) -> str:
    return rf"(?<![\w.,]){_LOW}(?:\s?(?:{sign})?\s?-\s?{_HIGH})?\s?(?P<sign>{sign})(?!\w|\s?\d){_RATE}"


_SIGNS = tuple(COIN_SIGNS)
RULES: tuple[Rule, ...] = (
    rule(_before(_SIGN), _spoken, *_SIGNS),
    rule(_behind(rf"[{COIN_SIGNS}]"), _spoken, *_SIGNS),
    rule(_before(rf"\b(?:{_CODE})"), _spoken),
    rule(_behind(rf"(?:{_CODE})"), _spoken),
)

ALONE: tuple[Rule, ...] = (
    rule(r"\$", " dollar ", "$"),
    rule(rf"[{COIN_SIGNS[1:]}]", lambda m: f" {_coin(m[0])[1]} ", *_SIGNS[1:]),
)
"""A sign without an amount."""
