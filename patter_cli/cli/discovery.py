"""Find agents by reading their files, and load the one that was chosen, and only that one.

Finding must not run anybody's code: `agents/*.py` is parsed, never imported. Loading runs exactly one file, under a
module name of its own, and what that imports; see loading.py.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from patter_cli.agent import Agent
from patter_cli.cli.loading import beside, running
from patter_cli.engine.answer_service import AnswerService
from patter_cli.errors import InputError, PatterError, reason

HOOKS = ("on_call_start", "on_call_end", "on_transcript", "on_message", "on_metrics", "on_machine_detection")
"""The module-level functions of an agent file that are called back, by their names."""
_UNKNOWN_KEYWORD = re.compile(r"(?P<what>\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(?P<keyword>\w+)'")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundAgent:
    """What a file in agents/ says about itself without being run."""

    name: str
    """The file's stem: what one types."""
    path: Path
    summary: str
    """The first line of its docstring; "" without one."""
    variables: tuple[str, ...]
    """Top-level names that are assigned an `Agent(...)`, in their order; usually just "agent"."""
    error: str | None = None
    """Why it could not be read, with its line; None when it could."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedAgent:
    """An agent with what its file defines around it."""

    name: str
    path: Path
    agent: Agent
    hooks: Mapping[str, Callable[..., Any]]
    """Those of HOOKS that the file defines. Read-only."""


def find_agents(root: Path) -> list[FoundAgent]:
    """List the agents of a project by parsing `root/agents/*.py`, by name; a leading underscore hides a file.

    A file that cannot be parsed is listed with its error; one that nothing makes an agent in, and that others import,
    is not. Without an agents folder the list is empty. Raises InputError for a folder that may not be read.
    """
    try:
        names = sorted(os.listdir(root / "agents"))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InputError(f"agents cannot be read: {reason(error)}", hint="ls -ld agents shows whose it is") from error
    files = [root / "agents" / each for each in names if each.endswith(".py")]
    read = [_read(path) for path in files if path.is_file() and not path.name.startswith("_")]
    return [each for each in read if each is not None]


def load_agent(spec: str, root: Path | None = None) -> LoadedAgent:
    """Import the agent that a person named, and no other.

    spec: a stem in `root/agents` ("receptionist"), a path, absolute or from root ("agents/receptionist.py"), or
    either with ":name" for a variable other than `agent`. root: the project, by default the current directory.
    Raises InputError: no such file, a file that does not run, no Agent in it. The message has the person's own
    file and line, the hint the next command.
    """
    root = (root or Path.cwd()).resolve()
    path, variable = _locate(spec, root)
    shown = _shown(path, root)
    module = _run(path, root, shown)
    agent = vars(module).get(variable)
    if not isinstance(agent, Agent):
        others = [name for name, value in vars(module).items() if isinstance(value, Agent)]
        wrong = f"is {_a(agent)}, not an Agent" if variable in vars(module) else "is missing"
        raise InputError(
            f"{shown}: `{variable}` {wrong}",
            hint=f"it has another one: patter simulate {shown}:{others[0]}"
            if others
            else f"write at the top level of the file: {variable} = Agent(system_prompt=…)",
        )
    hooks = {name: vars(module)[name] for name in HOOKS if name in vars(module)}
    for name, hook in hooks.items():
        if not callable(hook) and not (name == "on_message" and isinstance(hook, str | AnswerService)):
            raise InputError(
                f"{shown}: `{name}` is {_a(hook)}, not a function", hint=f"write: async def {name}(event): …"
            )
    return LoadedAgent(name=path.stem, path=path, agent=agent, hooks=MappingProxyType(hooks))


def _read(path: Path) -> FoundAgent | None:
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except SyntaxError as error:
        where = f"line {error.lineno}: " if error.lineno else ""
        return _unreadable(path, f"{where}{_mistake(error)}")
    except OSError as error:
        return _unreadable(path, reason(error))
    except (ValueError, RecursionError) as error:
        return _unreadable(path, _mistake(error))
    variables = tuple(name for statement in tree.body for name in _agents_of(statement))
    if not variables and not any(map(_names_agent, ast.walk(tree))):
        return None
    doc = (ast.get_docstring(tree) or "").strip()
    return FoundAgent(
        name=path.stem,
        path=path,
        summary=doc.partition("\n")[0].strip(),
        variables=variables,
    )


def _unreadable(path: Path, error: str) -> FoundAgent:
    return FoundAgent(name=path.stem, path=path, summary="", variables=(), error=error)


def _names_agent(node: ast.AST) -> bool:
    """Whether something is called `agent` here, whatever it is."""
    match node:
        case ast.Name(id="agent", ctx=ast.Store()) | ast.alias(name="agent", asname=None) | ast.alias(asname="agent"):
            return True
        case _:
            return False


def _agents_of(statement: ast.stmt) -> list[str]:
    """The names to which a statement assigns `Agent(...)` or `something.Agent(...)`."""
    match statement:
        case ast.Assign(targets=targets, value=ast.Call(func=function)):
            names = [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.Call(func=function)):
            names = [name]
        case _:
            return []
    match function:
        case ast.Name(id="Agent") | ast.Attribute(attr="Agent"):
            return names
        case _:
            return []


def _locate(spec: str, root: Path) -> tuple[Path, str]:
    """The file and the variable that a spec names."""
    where, colon, variable = spec.rpartition(":")
    if not colon or not variable.isidentifier() or len(where) < 2:  # a one-letter `where` is a Windows drive
        where, variable = spec, "agent"
    if where.endswith(".py") or "/" in where or "\\" in where:
        path = (root / Path(where).expanduser()).resolve()
        if path.is_file() and path.suffix == ".py":
            return path, variable
        what = "is a folder" if path.is_dir() else "is not a Python file" if path.is_file() else "does not exist"
        raise InputError(f"{where} {what}", hint=_what_there_is(path.stem, root))
    path = root / "agents" / f"{where}.py"
    if where and path.is_file():
        return path.resolve(), variable
    raise InputError(f"no agent is called {where!r}", hint=_what_there_is(where, root))


def _what_there_is(name: str, root: Path) -> str:
    """The nearest name, or all of them, or how to begin."""
    if not (root / "agents").is_dir():
        return f"there is no agents folder in {root}: go to your project, or begin one: patter agents new NAME"
    names = [found.name for found in find_agents(root)]
    if not names:
        return "there is no agent in agents/: patter agents new NAME makes one"
    near = difflib.get_close_matches(name, names, n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return f"{meant}agents found: {', '.join(names)}"


def _run(path: Path, root: Path, shown: str) -> ModuleType:
    """Execute one file as a module. Its name is its own, so two files called alike do not mix."""
    name = f"patter_agent_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{shown} cannot be imported", hint="name it like a module: my_agent.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look their module up
    try:
        with running(path, root, shown):
            spec.loader.exec_module(module)
    except SyntaxError as error:
        del sys.modules[name]
        own = error.filename is not None and Path(error.filename).is_relative_to(path.parent)
        file = _shown(Path(error.filename), root) if error.filename else shown
        line = f"{file}:{error.lineno}" if own else file
        text = f": {error.text.strip()}" if error.text else ""
        hint = _check(file if own else shown, error.lineno if own else None)
        raise InputError(f"{line}{text}\n{_mistake(error)}", hint=hint) from error
    except (Exception, SystemExit) as error:  # it is not our code: anything may come out of it
        del sys.modules[name]
        if isinstance(error, OSError) and error.filename == str(path):
            raise InputError(f"{shown} cannot be read: {reason(error)}") from error
        raise _failure(error, path, root, shown) from error
    return module


def _failure(error: BaseException, path: Path, root: Path, shown: str) -> InputError:
    """Say what went wrong in the person's own frames; the library's are for --debug."""
    trace = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in trace if Path(frame.filename).is_relative_to(path.parent)]
    files = [_shown(Path(frame.filename), root) for frame in frames]
    places = [f"{file}:{frame.lineno}: {frame.line}" for file, frame in zip(files, frames, strict=True)] or [shown]
    said = str(error)
    why = f"{type(error).__name__}: {said}" if said else type(error).__name__
    hint = _check(files[-1] if files else shown, frames[-1].lineno if frames else None)
    if isinstance(error, PatterError):
        why, hint = said, error.hint or hint
    elif isinstance(error, ModuleNotFoundError) and error.name:
        hint = f"install it for this Python: {sys.executable} -m pip install {error.name.partition('.')[0]}"
        if beside(error.name, path, root):
            hint = f"there is no {error.name.replace('.', '/')}.py in {root}: write it, or correct the name"
    elif isinstance(error, TypeError) and (match := _UNKNOWN_KEYWORD.search(said)):
        known = _keywords(match["what"])
        if known:
            near = difflib.get_close_matches(match["keyword"], known, n=1)
            why = f"{match['what']} knows no {match['keyword']}"
            hint = f"did you mean {near[0]}?" if near else f"it knows {', '.join(known)}"
    return InputError("\n".join([*places, why]), hint=hint)


def _keywords(what: str) -> list[str]:
    """What one of our public classes or functions takes; [] for anything else."""
    import patter_cli

    public = getattr(patter_cli, what, None) if what in patter_cli.__all__ else None
    if public is None:
        return []
    return [name for name in inspect.signature(public).parameters if name != "self"]


def _mistake(error: SyntaxError | ValueError | RecursionError) -> str:
    """What is wrong with a file; the decoder's own words are for those who know its bytes."""
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    if isinstance(error, RecursionError):
        return "it has too many brackets in brackets"
    if "codec can't decode" in said or "encoding problem" in said or isinstance(error, UnicodeError):
        return "this is not UTF-8"
    if "null byte" in said:
        return "this is no text: there is a NUL in it"
    return said


def _check(shown: str, line: int | None) -> str:
    where = f"line {line} of {shown}" if line else shown
    return f"correct {where}, then run the command again; --debug shows the whole traceback"


def _a(value: object) -> str:
    kind = type(value).__name__
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"


def _shown(path: Path, root: Path) -> str:
    """A path as one would type it: from the project if it is inside."""
    path = path.resolve()
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
