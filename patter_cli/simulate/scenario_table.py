"""A table of a scenario file as it is read: keys are taken from it one by one, and at the end nothing may be left."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from patter_cli.errors import InputError
from patter_cli.simulate.virtual import in_file
from patter_cli.text.compare import normalised_words
from patter_cli.toml_text import Place, TomlText, nearest_line

ACTIONS: Final = (
    *("say", "interrupt", "press", "wav", "wait_ms", "silent_ms", "wait_for", "hang_up"),
    *in_file.ACTIONS,
)
"""What a step can do, one of them in each."""
ANSWERS: Final = ("expect", "exactly", "matches", "never", "tool", "keys", "judge", "within_ms")
"""What a step can expect in answer."""
WHOLE: Final = (
    *("says", "exactly", "matches", "never", "tool", "keys", "judge", "transfer", "reason", "outcome"),
    *("max_ttfa_ms", "p50_ms", "p95_ms", "max_silence_ms", "interruptions", "max_interruptions"),
    *("max_duration_ms", "max_cost_usd", "always"),
)
"""What can be expected of the whole call."""

_HOMES: Final = (
    ("above the first table", ("agent",)),
    ("in [line]", ("quality", "seed")),
    ("in [virtual]", in_file.KEYS[1:]),
    ("in [caller]", ("persona", "goal", "max_turns")),
    ("in a [[human]]", ("number", "says", "refuses")),
    ("in a [[step]]", ACTIONS),
    ("in a [[step]] that gets an answer", ANSWERS),
    ("in a [[step]] with interrupt", ("after_ms", "after_words")),
    ("in a tool", ("name", "arguments", "result", "times")),
    ("in [expect]", WHOLE),
)
"""Where each key belongs, for those that stand somewhere else."""

_BRACES: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class ScenarioTable:
    """One table of a file. Every method that takes a key raises InputError, with file and line, for what cannot be."""

    def __init__(
        self,
        file: str,
        written: TomlText,
        place: Place,
        content: Mapping[str, object],
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """variables: what {names} in its texts stand for; None: braces are only braces."""
        self._file = file
        self._written = written
        self._place = place
        self._content = content
        self._variables = variables
        self._taken: list[str] = []

    def text(self, key: str) -> str:
        """A text that is not blank; "" where there is none."""
        value = self._take(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(key, f"is {kind(value)}, not a text", f'{key} = "…"')
        if not value.strip():
            raise self.wrong(key, "is empty", f'{key} = "…", or leave it out')
        return self._filled(key, value)

    def raw_text(self, key: str) -> str:
        """A text, whatever is in it."""
        value = self._take(key)
        if not isinstance(value, str):
            raise self.wrong(key, f"is {kind(value)}, not a text", f'{key} = "…"')
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """One text or a list of them, none of them blank."""
        value = self._take(key)
        texts: list[Any] = [] if value is None else value if isinstance(value, list) else [value]
        for each in texts:
            if not isinstance(each, str):
                raise self.wrong(key, f"has {kind(each)} where a text belongs", f'{key} = "…" or {key} = ["…", "…"]')
            if not each.strip():
                raise self.wrong(key, f"has no words: {each!r}", f'{key} = "what is said"')
        return tuple(self._filled(key, each) for each in texts)

    def words(self, key: str) -> tuple[str, ...]:
        """One text or a list of them, each with words in it."""
        texts = self.texts(key)
        for each in texts:
            if not normalised_words(each):
                raise self.wrong(key, f"has no words: {each!r}", f'{key} = "what is said"')
        return texts

    def spoken(self, key: str) -> str:
        """A text with words in it; "" where there is none."""
        text = self.text(key)
        if text and not normalised_words(text):
            raise self.wrong(key, f"has no words: {text!r}", f'{key} = "what is said"')
        return text

    def patterns(self, key: str) -> tuple[str, ...]:
        """One regular expression or a list of them."""
        texts = self.texts(key)
        for each in texts:
            try:
                re.compile(each)
            except re.error as error:
                raise self.wrong(key, f"is no pattern, {error}: {each!r}", f"{key} = 'order (number )?\\d+'") from error
        return texts

    def number(self, key: str) -> int | None:
        """A whole number from 0 on; None where there is none."""
        value = self._take(key)
        if value is None:
            return None
        if type(value) is not int or value < 0:
            raise self.wrong(key, f"is {value!r}, not a whole number from 0 on", f"{key} = 1500")
        return value

    def amount(self, key: str) -> float | None:
        """A number from 0 on; None where there is none."""
        value = self._take(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise self.wrong(key, f"is {value!r}, not a number from 0 on", f"{key} = 0.05")
        return float(value)

    def true(self, key: str) -> bool:
        """Whether a key stands there; it can only be true."""
        value = self._take(key)
        if value not in (None, True):
            raise self.wrong(key, f"is {value!r}, and can only be true", f"{key} = true, or leave it out")
        return value is True

    def table(self, key: str) -> ScenarioTable:
        """A table in the table; an empty one where there is none."""
        value = self._take(key)
        if not isinstance(value, dict | None):
            raise self.wrong(key, f"is {kind(value)}, not a table", f"[{'.'.join((*self._names, key))}]")
        return self._inner((key,), value or {})

    def tables(self, key: str) -> list[ScenarioTable]:
        """A list of tables."""
        value = self._take(key)
        rows = [] if value is None else value
        if not isinstance(rows, list) or not all(isinstance(each, dict) for each in rows):
            name = ".".join((*self._names, key))
            raise self.wrong(key, "is not a list of tables", f"[[{name}]], in two brackets, above each")
        return [self._inner((key, at), each) for at, each in enumerate(rows)]

    def texts_or_tables(self, key: str) -> list[str | ScenarioTable]:
        """A text or a table, or a list of them."""
        value = self._take(key)
        rows = [] if value is None else value if isinstance(value, list) else [value]
        found: list[str | ScenarioTable] = []
        for at, each in enumerate(rows):
            if isinstance(each, dict):
                found.append(self._inner((key, at) if isinstance(value, list) else (key,), each))
            elif isinstance(each, str) and each.strip():
                found.append(self._filled(key, each))
            else:
                what = "an empty text" if isinstance(each, str) else kind(each)
                raise self.wrong(key, f"has {what} where a name belongs", f'{key} = "…" or {key} = {{name = "…"}}')
        return found

    def values(self) -> dict[str, Any]:
        """All of it, {names} in texts filled, for a table whose keys are somebody else's."""
        self._taken += self._content
        return {key: self._deep(key, value) for key, value in self._content.items()}

    def has(self, *keys: str) -> list[str]:
        """Those of the keys that are there."""
        return [key for key in keys if key in self._content]

    def lines(self) -> dict[str, int]:
        """The file's line of each key, where it is known, and of the table itself under ""."""
        found = {key: nearest_line(self._written.lines, (*self._place, key)) for key in ("", *self._content)}
        return {key: line for key, line in found.items() if line is not None}

    def wrong(self, key: str, what: str, write: str) -> InputError:
        """What to raise about a key."""
        return InputError(f"{self.where(key)} {key} {what}", hint=f"write: {write}")

    def lacks(self, what: str, write: str) -> InputError:
        """What to raise about the table."""
        return InputError(f"{self.where()} {what}", hint=f"write: {write}")

    def finish(self, *known: str) -> None:
        """Raise InputError for the first key that nobody took. known: those that might have been."""
        keys = [*self._taken, *known]
        for key in self._content:
            if key not in keys:
                homes = [home for home, theirs in _HOMES if key in theirs]
                near = difflib.get_close_matches(key, keys, n=1, cutoff=0.8)
                hint = f"it belongs {' or '.join(homes)}" if homes and not near else meant(key, keys)
                raise InputError(f"{self.where(key)} {key!r} is not a key here", hint=hint)

    def where(self, *key: str) -> str:
        """The file, the line and the table, for the beginning of a message: "talk.toml:7: [[step]] 2:"."""
        line = nearest_line(self._written.lines, (*self._place, *key))
        file = self._file if line is None else f"{self._file}:{line}"
        match self._place:
            case ():
                return f"{file}:"
            case (*_, int(at)):
                return f"{file}: [[{'.'.join(self._names)}]] {at + 1}:"
            case _:
                return f"{file}: [{'.'.join(self._names)}]:"

    @property
    def _names(self) -> tuple[str, ...]:
        """The table's name without which of a list it is."""
        return tuple(each for each in self._place if isinstance(each, str))

    def _inner(self, place: Place, content: Mapping[str, object]) -> ScenarioTable:
        return ScenarioTable(self._file, self._written, (*self._place, *place), content, self._variables)

    def _deep(self, key: str, value: object) -> Any:
        if isinstance(value, str):
            return self._filled(key, value)
        if isinstance(value, list):
            return [self._deep(key, each) for each in value]
        if isinstance(value, dict):
            return {name: self._deep(key, each) for name, each in value.items()}
        return value

    def _filled(self, key: str, text: str) -> str:
        variables = self._variables
        if variables is None:
            return text
        for name in _BRACES.findall(text):
            if name not in variables:
                raise InputError(
                    f"{self.where(key)} {key} has {{{name}}}, and no variable is called that",
                    hint=meant(name, variables) if variables else f'write: [variables] and below it: {name} = "…"',
                )
        return _BRACES.sub(lambda found: variables[found[1]], text)

    def _take(self, key: str) -> object:
        self._taken.append(key)
        return self._content.get(key)


def meant(word: str, known: Sequence[str] | Mapping[str, object]) -> str:
    """The nearest of what is known, or all of it, as a hint."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"


def kind(value: object) -> str:
    """What a TOML value is, in plain words."""
    names = {bool: "a truth value", int: "a number", float: "a number", list: "a list", dict: "a table"}
    return names.get(type(value), "a date" if type(value) is not str else "a text")
