"""What is wrong with a file that somebody wrote, in words: its own lines, why it stopped there, what to do about it.

Python's words are kept where they are about the author's own code. Where they are about something of ours, a file or an
encoding, they become a sentence, and whoever misspelt a name gets the nearest that there is.
"""

from __future__ import annotations

import builtins
import difflib
import inspect
import re
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path

import patter_cli
from patter_cli.cli.loading import beside
from patter_cli.errors import InputError, PatterError, reason

_WHO = r"(?P<what>\w+)(?:\.__init__)?\(\)"
_UNKNOWN_KEYWORD = re.compile(rf"{_WHO} got an unexpected keyword argument '(?P<keyword>\w+)'")
_MISSING = re.compile(rf"{_WHO} missing \d+ required (?:positional|keyword-only) arguments?: (?P<names>.*)")
_TOO_MANY = re.compile(rf"{_WHO} takes .*positional arguments? but \d+ (?:was|were) given")
_NO_SUCH_NAME = re.compile(
    r"cannot import name '(?P<name>\w+)' from (?:partially initialized module )?'(?P<home>[\w.]+)'"
)

SHOWN_LINES = 5
"""Of the author's own, from where the file begins to where it stopped; what lies between is left out."""


def failure(error: BaseException, path: Path, root: Path, shown_as: str) -> InputError:
    """Say what went wrong in the person's own frames; the library's are for --debug.

    error: what running the agent file `path` raised. root: its project. shown_as: the path as the person knows it.
    """
    trace = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in trace if Path(frame.filename).is_relative_to(path.parent)]
    files = [shown(Path(frame.filename), root) for frame in frames]
    places = [f"{file}:{frame.lineno}: {frame.line}" for file, frame in zip(files, frames, strict=True)] or [shown_as]
    if len(places) > SHOWN_LINES:
        places[1 : 1 - SHOWN_LINES] = ["…"]
    line = (frames[-1].line or "") if frames else ""
    why, hint = _why(error, line, path, root)
    check = correct(files[-1] if files else shown_as, frames[-1].lineno if frames else None)
    return InputError("\n".join([*places, why]), hint=hint or check)


def mistake(error: SyntaxError | ValueError | RecursionError | MemoryError) -> str:
    """What is wrong with a file that is no Python; the decoder's own words are for those who know its bytes."""
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    if isinstance(error, RecursionError | MemoryError):  # the first is of the tree, the other of the parser
        return "it has too many brackets in brackets"
    if "codec can't decode" in said or "encoding problem" in said or isinstance(error, UnicodeError):
        return "this is not UTF-8"
    if "null byte" in said:
        return "this is no text: there is a NUL in it"
    return said


def correct(shown_as: str, line: int | None) -> str:
    """The hint where nothing better is known."""
    where = f"line {line} of {shown_as}" if line else shown_as
    return f"correct {where}, then run the command again; --debug shows the whole traceback"


def shown(path: Path, root: Path) -> str:
    """A path as one would type it: from the project if it is inside."""
    path = path.resolve()
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _why(error: BaseException, line: str, path: Path, root: Path) -> tuple[str, str]:
    """What the error says, and what to do about it; "" where it is for the author to know. line: where it stopped."""
    said = "" if error.args == (None,) else str(error)
    python = f"{type(error).__name__}: {said}" if said else f"{type(error).__name__}, and no word of why"
    match error:
        case PatterError():
            return said, error.hint
        case ModuleNotFoundError(name=str(name)):
            return python, _missing_module(name, path, root)
        case ImportError() if found := _NO_SUCH_NAME.search(said):
            module = sys.modules.get(found["home"])
            names = getattr(module, "__all__", None) or dir(module)
            return f"{found['home']} has no {found['name']}", _nearest(found["name"], names)
        case ImportError() if "relative import" in said:
            bare = re.sub(r"from \.+ *import", "import", line)
            return "an agent's file is in no package, so nothing is relative to it", "write: " + re.sub(
                r"from \.+ *", "from ", bare
            )
        case NameError(name=str(name)):
            if name in patter_cli.__all__:
                return python, f"write above it: from patter_cli import {name}"
            return python, _nearest(name, [*_names_in_reach(error), *patter_cli.__all__])
        case AttributeError(name=str(name), obj=thing) if thing is patter_cli:
            return f"patter_cli has no {name}", _nearest(name, patter_cli.__all__)
        case TypeError() if asked := _ours(said):
            return asked
        case UnicodeDecodeError():
            return "what it reads is not in the encoding that it is read in", 'open(…, encoding="utf-8")'
        case OSError() if error.filename is not None:
            return f"{error.filename} cannot be used: {reason(error)}", ""
        case RecursionError():
            return "it calls itself without end", ""
        case _:
            return python, ""


def _missing_module(name: str, path: Path, root: Path) -> str:
    if beside(name, path, root):
        return f"there is no {name.replace('.', '/')}.py in {root}: write it, or correct the name"
    return f"install it for this Python: {sys.executable} -m pip install {name.partition('.')[0]}"


def _ours(said: str) -> tuple[str, str] | None:
    """What one of our own classes or functions was not given rightly; None if it is none of ours."""
    if match := _UNKNOWN_KEYWORD.search(said):
        known = list(_parameters(match["what"]))
        if known:
            hint = _nearest(match["keyword"], known) or f"it knows {', '.join(known)}"
            return f"{match['what']} knows no {match['keyword']}", hint
    elif match := _MISSING.search(said):
        names = re.findall(r"'(\w+)'", match["names"])
        if _parameters(match["what"]):
            written = ", ".join(f"{name}=…" for name in names)
            return f"{match['what']} lacks {' and '.join(names)}", f"{match['what']}({written})"
    elif match := _TOO_MANY.search(said):
        parameters = _parameters(match["what"])
        bare = [name for name, each in parameters.items() if each.kind is not inspect.Parameter.KEYWORD_ONLY]
        if parameters:
            why = f"{match['what']} takes nothing but {' and '.join(bare) or 'named arguments'} without its name"
            return why, f"write the others as name=…: {', '.join(each for each in parameters if each not in bare)}"
    return None


def _parameters(what: str) -> dict[str, inspect.Parameter]:
    """What one of our public classes or functions takes; {} for anything else."""
    public = getattr(patter_cli, what, None) if what in patter_cli.__all__ else None
    if public is None:
        return {}
    return {name: each for name, each in inspect.signature(public).parameters.items() if name != "self"}


def _names_in_reach(error: BaseException) -> list[str]:
    """What could have been written where it stopped."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    frame = trace.tb_frame if trace is not None else None
    return [*dir(builtins), *(frame.f_globals if frame else ()), *(frame.f_locals if frame else ())]


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(dict.fromkeys(known)), n=1)
    return f"did you mean {near[0]}?" if near else ""
