"""Signs in front of an amount: minus, more than, about. They come before what the amount itself is read as."""

from __future__ import annotations

from patter_cli.text.readings.rule import Rule, rule

_AMOUNT = r"[$£€¥₹₩]?\.?\d"

COIN_SIGNS = "$£€¥₹₩¢₽₺₪₫฿₴₦₱₡₲₵₸"

RULES: tuple[Rule, ...] = (
    rule(r"\s*(?:<-+>|<=+>)\s*", " to and from ", "<-", "<="),
    rule(r"\s*(?:-+>|=+>|→|⇒)\s*", " to ", "->", "=>", "→", "⇒"),
    rule(r"(?<!\S)<-+(?!\S)|←", " from ", "<-", "←"),
    rule(r"(?<=[\w)])\s?(?:>=|≥)\s?", " greater than or equal to ", ">=", "≥"),
    rule(r"(?<=[\w)])\s?(?:<=|≤)\s?", " less than or equal to ", "<=", "≤"),
    rule(r"(?<=[\w)])\s?>\s?(?=[\w(-])", " greater than ", ">"),
    rule(r"\s?(?:>=|≥)\s?", " at least ", ">=", "≥"),
    rule(r"\s?(?:<=|≤)\s?", " at most ", "<=", "≤"),
    rule(r"\s?(?:!=|≠)\s?", " not equal to ", "!=", "≠"),
    rule(r"\s?>\s?", " more than ", ">"),
    rule(r"\s?<\s?", " less than ", "<"),
    rule(r"\s?(?:±|\+/-)\s?", " plus or minus ", "±", "+/-"),
    rule(rf"\s?≈\s?|(?<![\w~/])~(?:\s?(?={_AMOUNT})|(?=[A-Za-z]))", " about ", "≈", "~"),
    rule(r"(?<=\d)\s?-\s?(?=\d[\d.,]*\s?=)", " minus ", "="),
    rule(r"(?<=[+×÷*=] )(\d+) - (?=\d)", r"\1 minus ", " - "),
    rule(r"(?<=\d)\s?[x×]\s?(?=[$£€¥₹₩])", " times ", "x", "×"),
    rule(r"([$£€¥₹₩])-(?=\d)", r"minus \1", "$-", "£-", "€-", "¥-"),
    rule(rf"(?<![\w.,)%°'\"^-])-(?={_AMOUNT})", "minus ", "-"),
    rule(r"(\d)\s?\*\s?(?=\d)", r"\1 times ", "*"),
    rule(r"(\d)\s?÷\s?(?=\d)", r"\1 divided by ", "÷"),
)
