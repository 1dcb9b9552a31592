"""What people write, and how a person reads it aloud: a table whose author did not write the rules.

tests/data/readings.tsv has a kind, a language, what is written, and its readings, any of which is right.
"""

from __future__ import annotations

import re
from pathlib import Path

from patter_cli.text.pronounce import pronounceable

DATA = Path(__file__).parents[2] / "data"


def rows() -> list[tuple[str, str, list[str]]]:
    """(language, written, readings) of each row."""
    lines = (DATA / "readings.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return [(each[1], each[2], each[3].split(" | ")) for each in (line.split("\t") for line in lines)]


def plain(text: str) -> str:
    """Words alone: how a voice groups them is not what is compared here."""
    return " ".join(re.sub(r"[^a-z' ]", " ", text.lower().replace("-", " ")).split())


def test_the_table_is_large() -> None:
    """At least five hundred, each once."""
    table = rows()
    assert len(table) >= 500
    assert len({(language, written) for language, written, _ in table}) == len(table)


def test_every_row_is_read_right() -> None:
    """Whole, in the language of its reader."""
    wrong = {
        (language, written): said
        for language, written, readings in rows()
        if plain(said := pronounceable(written, language=language)) not in map(plain, readings)
    }
    assert wrong == {}
