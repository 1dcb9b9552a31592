"""A scenario: a conversation written down as a TOML file beside its agent, with what must come of it.

agent = "receptionist"

[line]                            # what is between the caller and us
quality = "mobile"                # a name of QUALITIES; seed = 1

[[human]]                         # who can be reached when the agent transfers
number = "+12025550142"
says = ["Front desk."]            # one line after the other; or: refuses = "busy"

[[step]]                          # one of say, interrupt (after_ms), press, wav, hang_up
say = "What are your opening hours?"
expect = "nine until five thirty" # words the agent must have been heard to say in answer, or a list of them
within_ms = 2000                  # the longest wait for its voice

[expect]                          # of the whole call; says and never: words, or a list
reason = "transferred"            # outcome, max_ttfa_ms
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from patter_cli.agent import E164, HangUp, Interrupt, Press, Say
from patter_cli.core.outcome import Outcome
from patter_cli.errors import InputError, reason
from patter_cli.simulate.line import QUALITIES
from patter_cli.simulate.script import ScriptStep, Voice, play_wav
from patter_cli.simulate.switchboard import Human
from patter_cli.text.compare import normalised_words
from patter_cli.toml_text import Place, TomlMistakeError, TomlText, nearest_line, read_toml

REFUSALS: Final = ("busy", "no answer")
"""Why a human of a scenario may not be reached."""

_ACTIONS: Final = ("say", "interrupt", "press", "wav", "hang_up")
_KEYS: Final = frozenset("0123456789*#")
_HOMES: Final = (
    ("above the first table", ("agent",)),
    ("in [line]", ("quality", "seed")),
    ("in a [[human]]", ("number", "says", "refuses")),
    ("in a [[step]]", _ACTIONS),
    ("in a [[step]] that gets an answer", ("expect", "within_ms")),
    ("in a [[step]] with interrupt", ("after_ms",)),
    ("in [expect]", ("says", "never", "reason", "outcome", "max_ttfa_ms")),
)
"""Where each key belongs, for those that stand somewhere else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioStep:
    """What the caller does, and what must be heard in answer."""

    does: ScriptStep
    expect: tuple[str, ...] = ()
    within_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenHuman:
    """Somebody the agent may transfer to: either they say something, or they refuse with one of REFUSALS."""

    number: str
    says: tuple[str, ...] = ()
    refuses: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Of the whole call; "" and None: anything."""

    reason: str = ""
    outcome: Outcome | None = None
    says: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    max_ttfa_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A conversation and what must come of it. name: its file; "" when it was typed on the command line."""

    name: str = ""
    agent: str = ""
    steps: tuple[ScenarioStep, ...] = ()
    humans: tuple[WrittenHuman, ...] = ()
    expected: Expected = Expected()
    quality: str = "clean"
    seed: int = 1


def load_scenario(path: Path) -> Scenario:
    """Read a scenario and the recordings it names, which lie beside it.

    Raises InputError with the file, the line, the table and the key for whatever is not as it should be.
    """
    try:
        written = read_toml(path.read_bytes())
    except OSError as error:
        hint = "name a scenario file, as agents/receptionist.toml"
        raise InputError(f"cannot read {path}: {reason(error)}", hint=hint) from error
    except TomlMistakeError as error:
        raise InputError(
            f"{path}:{error.line}: {error}", hint="a text stands in quotes, a table in brackets"
        ) from error
    whole = _Table(str(path), written, (), written.table)
    agent = whole.text("agent")
    steps = [_step(each, path.parent) for each in whole.tables("step")]
    humans = [_human(each) for each in whole.tables("human")]
    line, expect = whole.table("line"), whole.table("expect")
    quality = line.text("quality") or "clean"
    if quality not in QUALITIES:
        raise line.wrong("quality", f"is {quality!r}", _meant(quality, QUALITIES))
    scenario = Scenario(
        name=str(path),
        agent=agent,
        steps=tuple(steps),
        humans=tuple(humans),
        expected=_expected(expect),
        quality=quality,
        seed=line.number("seed") or 0,
    )
    for table in (line, expect, whole):
        table.finish()
    if not steps:
        raise InputError(f"{path}: there is no step in it", hint='write: [[step]] and below it: say = "Hello."')
    return scenario


def written_human(text: str) -> WrittenHuman:
    """Somebody from the command line: "+12025550142=Front desk.", or "=busy". Raises InputError."""
    number, equals, words = (each.strip() for each in text.partition("="))
    if not equals or not E164.fullmatch(number):
        raise InputError(f"--human {text!r} names no number", hint="--human '+12025550142=Front desk, hello.'")
    if words in REFUSALS:
        return WrittenHuman(number=number, refuses=words)
    if not normalised_words(words):
        raise InputError(f"--human {text!r} says nothing", hint=f"--human '{number}=Front desk.' or '{number}=busy'")
    return WrittenHuman(number=number, says=(words,))


async def voiced(humans: Sequence[WrittenHuman], voice: Voice) -> list[Human]:
    """The people of a scenario, their lines spoken to memory. Raises what the voice raises."""
    return [
        Human(number=each.number, lines=tuple([await voice(text) for text in each.says]), refuses=each.refuses)
        for each in humans
    ]


class _Table:
    """One table of a file: keys are taken from it, and at the end nothing may be left."""

    def __init__(self, file: str, written: TomlText, place: Place, content: Mapping[str, object]) -> None:
        self._file = file
        self._written = written
        self._place = place
        self._content = content
        self._taken: list[str] = []

    def text(self, key: str) -> str:
        """A text that is not blank; "" where there is none."""
        value = self._take(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(key, f"is {_kind(value)}, not a text", f'{key} = "…"')
        if not value.strip():
            raise self.wrong(key, "is empty", f'{key} = "…", or leave it out')
        return value

    def words(self, key: str) -> tuple[str, ...]:
        """One text or a list of them, each with words in it."""
        value = self._take(key)
        texts = [] if value is None else value if isinstance(value, list) else [value]
        for each in texts:
            if not isinstance(each, str):
                raise self.wrong(key, f"has {_kind(each)} where a text belongs", f'{key} = "…" or {key} = ["…", "…"]')
            if not normalised_words(each):
                raise self.wrong(key, f"has no words: {each!r}", f'{key} = "what is said"')
        return tuple(texts)

    def number(self, key: str) -> int | None:
        """A whole number from 0 on; None where there is none."""
        value = self._take(key)
        if value is None:
            return None
        if type(value) is not int or value < 0:
            raise self.wrong(key, f"is {value!r}, not a whole number from 0 on", f"{key} = 1500")
        return value

    def true(self, key: str) -> bool:
        """Whether a key stands there; it can only be true."""
        value = self._take(key)
        if value not in (None, True):
            raise self.wrong(key, f"is {value!r}, and can only be true", f"{key} = true, or leave it out")
        return value is True

    def table(self, key: str) -> _Table:
        """A table in the table; an empty one where there is none."""
        value = self._take(key)
        if not isinstance(value, dict | None):
            raise self.wrong(key, f"is {_kind(value)}, not a table", f"[{key}]")
        return _Table(self._file, self._written, (*self._place, key), value or {})

    def tables(self, key: str) -> list[_Table]:
        """A list of tables."""
        value = self._take(key)
        rows = [] if value is None else value
        if not isinstance(rows, list) or not all(isinstance(each, dict) for each in rows):
            raise self.wrong(key, "is not a list of tables", f"[[{key}]], in two brackets, above each")
        return [_Table(self._file, self._written, (*self._place, key, at), each) for at, each in enumerate(rows)]

    def has(self, *keys: str) -> list[str]:
        """Those of the keys that are there."""
        return [key for key in keys if key in self._content]

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
                hint = f"it belongs {' or '.join(homes)}" if homes and not near else _meant(key, keys)
                raise InputError(f"{self.where(key)} {key!r} is not a key here", hint=hint)

    def where(self, *key: str) -> str:
        """The file, the line and the table, for the beginning of a message: "talk.toml:7: [[step]] 2:"."""
        line = nearest_line(self._written.lines, (*self._place, *key))
        file = self._file if line is None else f"{self._file}:{line}"
        match self._place:
            case ():
                return f"{file}:"
            case (name,):
                return f"{file}: [{name}]:"
            case (name, at):
                return f"{file}: [[{name}]] {int(at) + 1}:"
            case other:
                raise AssertionError(other)  # no table of ours is deeper

    def _take(self, key: str) -> object:
        self._taken.append(key)
        return self._content.get(key)


def _step(table: _Table, folder: Path) -> ScenarioStep:
    chosen = table.has(*_ACTIONS)
    if len(chosen) > 1:
        raise table.lacks(f"does {' and '.join(chosen)} at once", "a [[step]] for each")
    if not chosen:
        table.finish(*_ACTIONS, "after_ms", "expect", "within_ms")
        raise table.lacks("does nothing", 'say = "…", interrupt = "…", press = "1", wav = "…" or hang_up = true')
    does: ScriptStep
    match chosen[0]:
        case "say":
            does = Say(_spoken(table, "say"))
        case "interrupt":
            text, after_ms = _spoken(table, "interrupt"), table.number("after_ms")
            does = Interrupt(text) if after_ms is None else Interrupt(text, after_ms=after_ms)
        case "press":
            does = Press(table.text("press"))
            if not _KEYS.issuperset(does.digits):
                raise table.wrong("press", f"is {does.digits!r}", 'keys are 0-9, * and #: press = "1"')
        case "wav":
            try:
                does = play_wav(folder / table.text("wav"))
            except InputError as error:
                raise InputError(f"{table.where('wav')} {error}", hint=error.hint) from error
        case _:
            table.true("hang_up")
            does = HangUp()
    answered = not isinstance(does, HangUp)
    step = ScenarioStep(
        does=does,
        expect=table.words("expect") if answered else (),
        within_ms=table.number("within_ms") if answered else None,
    )
    table.finish()
    return step


def _spoken(table: _Table, key: str) -> str:
    text = table.text(key)
    if not normalised_words(text):
        raise table.wrong(key, f"has no words: {text!r}", f'{key} = "what is said"')
    return text


def _human(table: _Table) -> WrittenHuman:
    human = WrittenHuman(number=table.text("number"), says=table.words("says"), refuses=table.text("refuses"))
    table.finish()
    if not E164.fullmatch(human.number):
        raise table.wrong("number", f"is {human.number!r}", 'number = "+12025550142"')
    if bool(human.says) == bool(human.refuses):
        raise table.lacks("needs says or refuses, one of them", 'says = "Front desk." or refuses = "busy"')
    if human.refuses and human.refuses not in REFUSALS:
        raise table.wrong("refuses", f"is {human.refuses!r}", _meant(human.refuses, REFUSALS))
    return human


def _expected(table: _Table) -> Expected:
    return Expected(
        reason=table.text("reason"),
        outcome=_outcome(table),
        says=table.words("says"),
        never=table.words("never"),
        max_ttfa_ms=table.number("max_ttfa_ms"),
    )


def _outcome(table: _Table) -> Outcome | None:
    word = table.text("outcome")
    known = [each.value for each in Outcome]
    if word and word not in known:
        raise table.wrong("outcome", f"is {word!r}", _meant(word, known))
    return Outcome(word) if word else None


def _meant(word: str, known: Sequence[str] | Mapping[str, object]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"


def _kind(value: object) -> str:
    names = {bool: "a truth value", int: "a number", float: "a number", list: "a list", dict: "a table"}
    return names.get(type(value), "a date" if type(value) is not str else "a text")
