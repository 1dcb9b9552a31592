"""What people write, and how a person reads it aloud: a table whose author did not write the rules.

tests/data/readings.tsv has a kind, a language, what is written, and its readings, any of which is right.
"""

from __future__ import annotations

import re
from pathlib import Path

from patter_cli.text.clauses import SentenceChunker
from patter_cli.text.pronounce import pronounceable
from patter_cli.text.speakable import speakable

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


def test_every_row_is_read_right_in_the_middle_of_a_sentence() -> None:
    """What stands around it takes nothing away."""
    wrong = {
        (language, written): said
        for language, written, readings in rows()
        if plain(said := pronounceable(f"It says {written} there", language=language))
        not in [f"it says {plain(each)} there" for each in readings]
    }
    assert wrong == {}


def test_every_row_survives_the_way_from_a_model_to_the_voice() -> None:
    """Cut into clauses and freed of markup, it still says the same; of an address the www goes."""

    def spoken(language: str, written: str) -> str:
        chunker = SentenceChunker(language)
        clauses = [*chunker.push(written), *chunker.flush()]
        return plain(" ".join(pronounceable(speakable(each), language=language) for each in clauses))

    wrong = {
        (language, written): said
        for language, written, readings in rows()
        if (said := spoken(language, written)) not in [plain(each).removeprefix("w w w dot ") for each in readings]
    }
    assert wrong == {}
