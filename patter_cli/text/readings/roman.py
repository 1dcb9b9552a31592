"""Roman numerals where they are: Chapter IV, Henry VIII, World War II. Elsewhere I, V and X are letters."""

from __future__ import annotations

from patter_cli.text.readings.figures import cardinal, ordinal
from patter_cli.text.readings.rule import Match, Rule, rule

_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50}
_NUMERAL = r"(?=[IVXL])(?>(?:XL|L?X{0,3})(?:IX|IV|V?I{0,3}))\b"
_PARTS = (
    r"[Cc]hapter|[Pp]art|[Tt]ype|[Pp]hase|[Vv]olume|[Cc]lass|[Aa]ct|[Ss]ection|[Bb]ook|[Ll]evel|[Gg]rade|[Ss]tage|[Tt]itle"
    r"|[Aa]rticle|[Aa]ppendix|[Ff]igure|[Tt]able|War|Bowl|[Ee]pisode|[Ss]cene|[Tt]ier|[Ss]chedule|[Aa]nnex|Mark"
)
_REIGNING = (
    "Henry|Elizabeth|Louis|Charles|George|Edward|William|James|Richard|Philip|Paul|John|Benedict|Pius|Leo|Gregory|Clement"
    "|Innocent|Urban|Alexander|Nicholas|Peter|Catherine|Mary|Frederick|Ferdinand|Otto|Ramses|Napoleon|Felipe|Carlos|Juan"
    "|Margrethe|Gustav|Harald|Haakon|Olav|Christian|Wilhelm|Friedrich|Ivan|Sixtus|Julius|Boniface"
)
_SPEAKS = (
    r"(?!\s(?:am|was|have|had|think|agree|can|will|would|could|do|did|want|need|like|know|mean|believe|see|must)\b|')"
)
_SIZES = ("XL", "XXL", "XXXL", "L", "X", "V", "I")
"""Sizes, and letters that stand alone behind a name: Malcolm X."""


def _value(numeral: str) -> int:
    figures = [_VALUES[each] for each in numeral]
    return sum(-now if now < after else now for now, after in zip(figures, (*figures[1:], 0), strict=True))


def _numbered(match: Match) -> str:
    return f"{match[1]} {cardinal(_value(match[2]))}"


def _named(match: Match) -> str:
    if match[2] in _SIZES:
        return match[0]
    return _numbered(match)


def _reigning(match: Match) -> str:
    return f"{match[1]} the {ordinal(_value(match[2]))}"


_NEEDS = ("I", "V", "X")

RULES: tuple[Rule, ...] = (
    rule(rf"\b({_PARTS}) ({_NUMERAL}){_SPEAKS}", _numbered, *_NEEDS),
    rule(rf"\b((?:King|Queen|Pope|Tsar|Emperor) [A-Z][a-z]+) ({_NUMERAL}){_SPEAKS}", _reigning, *_NEEDS),
    rule(rf"\b({_REIGNING}) (?![IXL]\b)({_NUMERAL})", _reigning, *_NEEDS),
    rule(rf"\b(?!(?:The|An|Your|My|Our|This|With|On|For|Size|Start|Get)\b)([A-Z][a-z]+) ({_NUMERAL})", _named, *_NEEDS),
)
