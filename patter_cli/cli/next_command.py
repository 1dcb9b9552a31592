"""What to type next after an error: the command of its hint, or the line that was typed, mended as the hint says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from difflib import SequenceMatcher
from enum import Enum
from pathlib import Path
from typing import Any, Final

from patter_cli.errors import InputError, PatterError
from patter_cli.settings import DEFAULTS, ROWS

LONGEST: Final = 160
"""Characters of a line that one would still copy."""
_BEGINS: Final = re.compile(
    r"(?:^|(?<=[\s:(]))"
    r"(?:(?:patter|export|unset|mkdir -p|cd|chmod|df -h|ls|ffmpeg|ollama pull)(?= [^\s:])|pip install(?= ['\w]))"
)
_TO_THE_END: Final = ("ffmpeg", "mkdir -p", "chmod", "df -h", "ls", "unset", "ollama pull")
"""What a hint consists of, wherever it has one of these."""
_WORDS: Final = {"serve", "call", "simulate", "tunnel", "doctor", "explain", "trigger", "agents", "logs", "record"} | {
    *("dashboard", "fuzz", "init", "mcp", "list", "show", "check", "new", "reindex", "backup", "tail", "stats", "last"),
    *("play", "get", "export", "delete", "replay", "to-scenario"),
}
"""What stands behind `patter`, and is no other word of a sentence."""
_ARGUMENT: Final = re.compile(r"-.*|.*[A-Z_=/.\[\d+<'\"].*")
"""What else belongs to a command: flags, paths, names in capitals, NAME=value, what is quoted."""
_PLAIN: Final = re.compile(r"[\w@%+=:,./…\[\]-]+")
"""A word that no shell needs in quotes, or a place for one's own: +1…, NAME[=VALUE]."""
_SECRET: Final = {"--dashboard-token"}
_FILE_FAULT: Final = re.compile(r"^\S+\.(?:toml|py|csv|env|json|jsonl)\b|^\.env\b")
"""A sentence that begins with the file which has to be mended before the same line is of use."""
_NO_FILE: Final = re.compile(r"no such file|does not exist|is not a Python file|there is no \S+$")
"""What no mending of that file would help."""
_NEAR: Final = 0.5
"""As like as two words are of which one was typed for the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A flag of the command that was typed. names: all that it has; usual: a value it can have, "" if none is known."""

    takes_value: bool
    names: Sequence[str] = ()
    usual: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A command line: its words after `patter`, those of them that are the command, and the flags that it has."""

    words: Sequence[str]
    path: Sequence[str] = ()
    flags: Mapping[str, Flag] = field(default_factory=dict)


def typed_line(root: Any, words: Sequence[str]) -> Typed:
    """What a line is made of. root: Typer's command of the whole program."""
    path: list[str] = []
    command = root
    for word in words:
        if word not in getattr(command, "commands", {}):
            break
        command = command.commands[word]
        path.append(word)
    flags = {
        name: Flag(takes_value=not getattr(each, "is_flag", False), names=each.opts, usual=_usual(each))
        for each in command.params
        for name in each.opts
        if name.startswith("-")
    }
    return Typed(words=tuple(words), path=tuple(path), flags=flags)


def next_command(error: PatterError, typed: Typed | None, blamed: str = "") -> str:
    """One line for a shell; "" where nobody knows any. blamed: where the wrong value stands, if nobody typed it."""
    if found := command_in(error.hint):
        return _with_agent(found, typed)
    if re.fullmatch("[A-Z_]+", blamed):
        return f"unset {blamed}"
    message = f"{blamed}: {error}" if blamed else str(error)
    if value := re.match(r"([A-Z]+_[A-Z_]+) cannot be", message):
        example = _example(message, error.hint, Flag(takes_value=True, usual=_set_to(value[1])))
        return f"export {value[1]}={example}" if example else f"unset {value[1]}"
    if typed is None:
        return ""
    for rule in _RULES:
        words = rule(message, error.hint, typed)
        changed = rule is _same_again or words != list(typed.words)
        if words is not None and changed and (line := line_of(words)):
            return line
    if missing := re.search(r"(?:cannot read |^)(\S+?)(?: cannot be read)?: there is no such file", message):
        return f"ls {shlex.quote(str(_nearest_folder(missing[1])))}"
    if isinstance(error, InputError) or typed.path == ("doctor",):
        return " ".join(("patter", *typed.path, "--help"))
    return "patter doctor"


def _with_agent(command: str, typed: Typed | None) -> str:
    """AGENT in a hint is whoever was named on the line."""
    if typed is None or typed.path not in (("simulate",), ("serve",), ("fuzz",), ("agents", "show")):
        return command
    named = next(iter(typed.words[len(typed.path) :]), "-")
    return command if named.startswith("-") else re.sub(r"\bAGENT\b", lambda _: shlex.quote(named), command)


def command_in(hint: str) -> str:
    """The first command that a hint tells one to type; "" if it tells none."""
    for found in _BEGINS.finditer(hint):
        if hint[: found.start()].endswith(": "):  # up to the end of the sentence it is nothing else
            return re.split(r"[,;)] |[,;]$", hint[found.start() :])[0]
        words: list[str] = []
        for word in hint[found.end() :].split():
            bare = word.rstrip(",;:)")
            known = bare in _WORDS if found[0] == "patter" else found[0] in ("pip install", "cd") and not words
            if not (known or _ARGUMENT.fullmatch(bare) or found[0] in _TO_THE_END):
                break
            words.append(bare)
            if bare != word:
                break
        if words:
            return " ".join((found[0], *words))
    return ""


def _same_again(message: str, hint: str, typed: Typed) -> list[str] | None:
    """What was typed is right once the file is mended that the sentence begins with."""
    return list(typed.words) if _FILE_FAULT.match(message) and not _NO_FILE.search(message) else None


def _near_word(message: str, hint: str, typed: Typed) -> list[str] | None:
    """ "did you mean --say?", "agents found: shop, bank": what was meant in place of what was typed."""
    listed = re.search(r"did you mean (.*?)\?|(?:known|agents found|there are):? (.+)", hint)
    wrong = _wrong_word(message, typed)
    if listed is None or wrong is None:
        return None
    near = [each.strip("' ") for each in re.split(r",| or ", listed[1] or listed[2])]
    place, flag = wrong
    word = typed.words[place]
    begin, equals, value = word.partition("=") if flag else ("", "", word)
    asked = begin if flag and near[0].startswith("-") else value
    best = max(near, key=lambda each: SequenceMatcher(None, each, asked).ratio())
    if SequenceMatcher(None, best, asked).ratio() < _NEAR:
        best = near[0]
    mended = best + equals + value if asked is begin and flag else begin + equals + best
    return [*typed.words[:place], mended, *typed.words[place + 1 :]]


def _left_out(message: str, hint: str, typed: Typed) -> list[str] | None:
    """ "leave --mic out": the line without it."""
    if "leave all but one out" in hint:
        unwanted = re.findall(r"--[\w-]+", message)[1:]
    elif found := re.search(r"leave (?:out ((?:--[\w-]+(?: and |, )?)+)|(\S+) out)", hint):
        unwanted = re.findall(r"--[\w-]+", found[1]) if found[1] else [found[2]]
        unwanted = re.findall(r"--[\w-]+", message) if unwanted == ["it"] else unwanted
    else:
        return None
    words = list(typed.words)
    for each in unwanted:
        words = _without(words, each, typed)
    return words


def _own_flag(message: str, hint: str, typed: Typed) -> list[str] | None:
    """ "--allow premium rings it", "name another file: --junit report.xml": the line with that flag."""
    found = re.search(r"(?:^|: |write |again with )(--[\w-]+)(?: ([^\s,;'\"]*(?:'[^']*'|\"[^\"]*\")|[^\s,;]+))?", hint)
    if found is None or found[1] not in typed.flags:
        return None
    flag = found[1]
    if not typed.flags[flag].takes_value:
        return [*_without(typed.words, flag, typed), flag]
    value = "".join(shlex.split(found[2] or "VALUE"))
    if value == "VALUE":
        value = typed.flags[flag].usual or value
    return [*_without(typed.words, flag, typed), flag, value]


def _right_value(message: str, hint: str, typed: Typed) -> list[str] | None:
    """ "--port cannot be abc; it must be a whole number": the line with one that can be."""
    found = re.match(r"(--?[\w-]+) cannot be", message)
    if found is not None and found[1] in typed.flags:
        flag = typed.flags[found[1]]
        value = _example(message, hint, flag)
        return [*_without(typed.words, found[1], typed), found[1], value] if value else None
    wrong = _wrong_word(message, typed)
    value = _example(message, hint, Flag(takes_value=True))
    if wrong is None or not value:
        return None
    begin, equals, _ = typed.words[wrong[0]].partition("=") if wrong[1] else ("", "", "")
    return [*typed.words[: wrong[0]], begin + equals + value, *typed.words[wrong[0] + 1 :]]


_RULES: Final[tuple[Callable[[str, str, Typed], list[str] | None], ...]] = (
    _own_flag,
    _same_again,
    _near_word,
    _left_out,
    _right_value,
)


def _example(message: str, hint: str, flag: Flag) -> str:
    """A value that would do, as the hint has it."""
    if found := re.search(r"(?:\blike|name a (?:file|folder):|as) ([^\s,;]+)", hint):
        return found[1]
    if flag.usual and not message.endswith(f" {flag.usual}"):
        return flag.usual
    if found := re.search(r"(?:there are|known:|one of) ([\w-]+)", hint):
        return found[1]
    if found := re.search(r"(?:from )?\b(\d[\d.]*)(?: or more| to \d|$)", hint):
        return found[1]
    return "1" if "number" in hint else ""


def _wrong_word(message: str, typed: Typed) -> tuple[int, bool] | None:
    """Where the word stands that a sentence complains of, and whether it is a flag, with = or without."""
    if named := re.search(r"there is no flag (\S+)", message):
        blamed = [named[1]]
    else:
        blamed = re.findall(r"'([^']*)'", message)
        blamed += re.findall(r"cannot (?:read|write|write into) (\S+?):", message)
        blamed += re.findall(r"(?:^|(?<=\s))(\S+)(?= (?:is not|is no|does not) )", message)
    for place, word in enumerate(typed.words):
        begin, equals, value = word.partition("=")
        flagged = word.startswith("--")
        for each in blamed:
            if each and (word == each or (flagged and each in (begin, value if equals else begin))):
                return place, flagged
    return None


def _nearest_folder(path: str) -> Path:
    """Where somebody may look for what they meant."""
    return next((each for each in Path(path).parents if each.is_dir()), Path())


def _without(words: Sequence[str], unwanted: str, typed: Typed) -> list[str]:
    """The words without a flag and its values, or without a word, wherever it stands."""
    flag = typed.flags.get(unwanted, Flag(takes_value=False))
    names = {unwanted, *flag.names}
    kept: list[str] = []
    skips = False
    for word in words:
        if skips:
            skips = False
        elif word in names:
            skips = flag.takes_value
        elif word.partition("=")[0] not in names:
            kept.append(word)
    return kept


def line_of(words: Sequence[str]) -> str:
    """A command for a shell; "" for one that is too long to be of use."""
    line = " ".join(("patter", *_shown(words)))
    return line if len(line) <= LONGEST else ""


def _shown(words: Sequence[str]) -> Iterator[str]:
    """In quotes where a shell wants them, and nothing that only its owner may see."""
    secret = False
    for word in words:
        begin, equals, _ = word.partition("=")
        if secret:
            word = "…"
        elif begin in _SECRET and equals:
            word = f"{begin}=…"
        secret = word in _SECRET
        yield word if _PLAIN.fullmatch(word) else shlex.quote(word)


def _set_to(variable: str) -> str:
    """What the setting is where nobody says anything."""
    name = next((name for name, row in ROWS.items() if variable in row.variables), "")
    value = asdict(DEFAULTS).get(name)
    value = value.value if isinstance(value, Enum) else value
    return "" if value in (None, "") or isinstance(value, bool | tuple | list) else str(value)


def _usual(parameter: Any) -> str:
    """The default of a flag, or the least that it takes."""
    default = parameter.default
    if isinstance(default, bool) or default is None or default in ("", (), []):
        least = getattr(parameter, "min", None)
        return "" if least is None else str(least)
    return f"{default:g}" if isinstance(default, float) else str(default)
