"""Signs by name: what stands in no form that has a reading of its own is said, not dropped."""

from __future__ import annotations

from patter_cli.text.readings.figures import letters
from patter_cli.text.readings.measures import TIMES_OF, per
from patter_cli.text.readings.rule import Match, Rule, rule


def _initials(match: Match) -> str:
    return f"{letters(match[1])} and {letters(match[2])}"


RULES: tuple[Rule, ...] = (
    rule(r"\b([A-Z]{1,3})\s?&\s?([A-Z]{1,3})\b(?![a-z])", _initials, "&"),
    rule(r"\b([A-Ga-g])[#♯](m\b|(?!\w))", lambda m: f"{m[1].upper()} sharp{' minor' if m[2] else ''}", "#", "♯"),
    rule(r"\b([A-G])♭", r"\1 flat", "♭"),
    rule(r"(?<![\w-])([A-F])-(?![\w-])", r"\1 minus", "-"),
    rule(rf"(?<!\w)/\s?(?!\w\b)({TIMES_OF})\b", lambda m: per(m[1]), "/"),
    rule(r"\band/or\b", "and or", "/"),
    rule(r"(?<=\w)\s?/\s?(?=\w)", " slash ", "/"),
    rule(r"\s?/\s?", " slash ", "/"),
    rule(r"\s?\|\|\s?", " or ", "||"),
    rule(r"(?<!\S)--(?=[A-Za-z])", "dash dash ", "--"),
    rule(r"(?<![\w-])-(?=[A-Za-z])", " dash ", "-"),
    rule(r"(?<=\w)\.{2,}(?=\w)", "... ", ".."),
    rule(r"(?<=[a-z])([.!?])(?=[A-Z])", r"\1 ", ".", "!", "?"),
    rule(r"\bkm/h\b", "kilometers per hour", "km/h"),
    rule(r"\\", " backslash ", "\\"),
    rule(r"\s?&{1,2}\s?", " and ", "&"),
    rule(r"\s?@\s?", " at ", "@"),
    rule(r"\s?\+\s?", " plus ", "+"),
    rule(r"\s?={1,3}\s?", " equals ", "="),
    rule(r"\s?%", " percent", "%"),
    rule(r"°", " degrees ", "°"),
    rule(r"µ", " micro ", "µ"),
    rule(r"×", " times ", "×"),
    rule(r"÷", " divided by ", "÷"),
    rule(r"§", " section ", "§"),
    rule(r"(?<!\w)\*(?!\w)|(?<=\w)\*(?=\w)", " star ", "*"),
    rule(r"\*", " ", "*"),
    rule(r"#", " pound ", "#"),
    rule(r"\^", " caret ", "^"),
    rule(r"~", " tilde ", "~"),
    rule(r"(?<!\S)_(?!\S)", " underscore ", "_"),
    rule(r"\s[-]+\s|\s*[()\[\]{}|]\s*", ", ", "-", "(", ")", "[", "]", "{", "}", "|"),
)
