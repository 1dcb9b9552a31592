"""Who said something, found among many: a full-text index beside the words, asked for candidates, never for the answer.

What is looked for is a piece of text, in the middle of a word or not. The index knows whole words. So the first word of
what is looked for may be the end of one that was said, the last the beginning of one, a single one any part: which
words of the index those are is asked of its vocabulary, and the calls that have them are looked through letter by
letter. Where the index cannot help (no word in it, too many that fit, a script whose words it cuts otherwise, a SQLite
without it) all calls are looked through, the youngest first, until there are enough.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence

FEW = 2000
"""So many candidates are fewer than looking through all until enough fit."""
TERMS = 200
"""More words of the vocabulary than that are not asked for one by one."""
STEPS: tuple[str, ...] = (
    "CREATE VIRTUAL TABLE heard USING fts5 "
    "(said, content='words', content_rowid='rowid', detail='none', tokenize='unicode61 remove_diacritics 0')",
    "CREATE VIRTUAL TABLE vocabulary USING fts5vocab (heard, 'row')",
    "CREATE TRIGGER words_come AFTER INSERT ON words BEGIN "
    "INSERT INTO heard (rowid, said) VALUES (new.rowid, new.said); END",
    "CREATE TRIGGER words_go AFTER DELETE ON words BEGIN "
    "INSERT INTO heard (heard, rowid, said) VALUES ('delete', old.rowid, old.said); END",
    "INSERT INTO heard (heard) VALUES ('rebuild')",
)
"""What makes it, where SQLite has it."""
_WORD = re.compile(r"[0-9a-z\u00df-\u00f6\u00f8-\u00ff]+")
"""Of which the index has the same idea as we."""


def has_full_text(db: sqlite3.Connection) -> bool:
    """Whether this SQLite can have such an index."""
    return bool(db.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchone())


def fits(db: sqlite3.Connection, said: str) -> tuple[str, list[float | str]]:
    """What a call must fulfil in which this was said, as SQL, and the values for its question marks. said: in lower
    case. `calls.place` must be in reach."""
    found = _candidates(db, said)
    if found is None:
        some = "EXISTS (SELECT 1 FROM words WHERE words.place = calls.place AND instr(words.said, ?) > 0)"
        return some, [said]
    marks = ", ".join("?" * len(found))
    return f"place IN (SELECT place FROM words WHERE rowid IN ({marks}) AND instr(said, ?) > 0)", [*found, said]


def _candidates(db: sqlite3.Connection, said: str) -> list[float | str] | None:
    """The few rows of `words` that may have it; None: look through all."""
    asked = _asked(db, said)
    if asked is None:
        return None
    if asked == "":
        return []
    rows = db.execute("SELECT rowid FROM heard WHERE heard MATCH ? LIMIT ?", (asked, FEW + 1)).fetchall()
    return None if len(rows) > FEW else [row for (row,) in rows]


def _asked(db: sqlite3.Connection, said: str) -> str | None:
    """The question for the index; "": nobody can have said it; None: it cannot be asked."""
    if (
        re.search(r"[^\x00-\x7f\u00df-\u00f6\u00f8-\u00ff]", said)
        or not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'heard'").fetchone()
    ):
        return None
    words = _WORD.findall(said)
    if not words:
        return None
    begins, ends = _WORD.match(said) is not None, re.search(rf"{_WORD.pattern}\Z", said) is not None
    parts = []
    for at, word in enumerate(words):
        before, after = at == 0 and begins, at == len(words) - 1 and ends
        if before or after:
            terms = _terms(db, word, "%" * before, "%" * after)
            if not terms:
                return ""
            if len(terms) > TERMS:
                continue
            parts.append(f"({' OR '.join(map(_quoted, terms))})")
        else:
            parts.append(_quoted(word))
    return " AND ".join(parts) or None


def _terms(db: sqlite3.Connection, word: str, before: str, after: str) -> Sequence[str]:
    """The words that were ever said which this may be a piece of."""
    found = db.execute(
        "SELECT term FROM vocabulary WHERE term LIKE ? LIMIT ?", (f"{before}{word}{after}", TERMS + 1)
    ).fetchall()
    return [term for (term,) in found]


def _quoted(term: str) -> str:
    return f'"{term}"'
