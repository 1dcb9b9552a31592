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
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, MappingProxyType, ModuleType
from typing import Any

from patter_cli.agent import Agent
from patter_cli.cli.author_faults import correct, failure, mistake, shown
from patter_cli.cli.loading import running
from patter_cli.engine.answer_service import AnswerService
from patter_cli.errors import InputError, a_kind, reason

HOOKS = ("on_call_start", "on_call_end", "on_transcript", "on_message", "on_metrics", "on_machine_detection", "expect")
"""The module-level functions of an agent file that are called back, by their names."""


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
    misspelt: Mapping[str, str] = field(default_factory=dict)
    """Functions that nobody calls back, to those of HOOKS that they look like: on_mesage -> on_message."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What works and is hardly meant, a sentence each."""
        return tuple(f"nobody calls {name}; did you mean {meant}?" for name, meant in self.misspelt.items())


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
    place = shown(path, root)
    module = _run(path, root, place)
    agent = vars(module).get(variable)
    if not isinstance(agent, Agent):
        others = [name for name, value in vars(module).items() if isinstance(value, Agent)]
        wrong = f"is {a_kind(agent)}, not an Agent" if variable in vars(module) else "is missing"
        raise InputError(
            f"{place}: `{variable}` {wrong}",
            hint=f"it has another one: patter simulate {place}:{others[0]}"
            if others
            else f"write at the top level of the file: {variable} = Agent(system_prompt=…)",
        )
    hooks = {name: vars(module)[name] for name in HOOKS if name in vars(module)}
    for name, hook in hooks.items():
        if not callable(hook) and not (name == "on_message" and isinstance(hook, str | AnswerService)):
            raise InputError(
                f"{place}: `{name}` is {a_kind(hook)}, not a function", hint=f"write: async def {name}(event): …"
            )
    return LoadedAgent(
        name=path.stem,
        path=path,
        agent=agent,
        hooks=MappingProxyType(hooks),
        misspelt=_misspelt(module),
    )


def path_of(spec: str, root: Path | None = None) -> Path:
    """The file that `load_agent` would run. Raises InputError where there is none."""
    return _locate(spec, (root or Path.cwd()).resolve())[0]


def _misspelt(module: ModuleType) -> dict[str, str]:
    """The callbacks that a file does not define, and nearly does."""
    own = vars(module)
    missing = [name for name in HOOKS if name not in own]
    near = {
        name: difflib.get_close_matches(name, missing, n=1, cutoff=0.8)
        for name, value in own.items()
        if name.startswith("on") and name not in HOOKS and inspect.isfunction(value)
    }
    return {name: found[0] for name, found in near.items() if found}


def _read(path: Path) -> FoundAgent | None:
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except SyntaxError as error:
        where = f"line {error.lineno}: " if error.lineno else ""
        return _unreadable(path, f"{where}{mistake(error)}")
    except OSError as error:
        return _unreadable(path, reason(error))
    except (ValueError, RecursionError, MemoryError) as error:
        return _unreadable(path, mistake(error))
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


def summary_of(path: Path) -> str:
    """What an agent's file says of itself; "" where it says nothing or cannot be read."""
    found = _read(path)
    return "" if found is None else found.summary


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
    called = f"no agent is called {where!r}" if where.strip() else "the agent's name is empty"
    raise InputError(called, hint=_what_there_is(where, root))


def _what_there_is(name: str, root: Path) -> str:
    """The nearest name, or all of them, or how to begin."""
    if not (root / "agents").is_dir():
        return f"there is no agents folder in {root}: go to your project, or begin one: patter agents new NAME"
    names = [found.name for found in find_agents(root)]
    if not names:
        return "there is no agent in agents/: patter agents new NAME makes one"
    near = difflib.get_close_matches(name.lower(), names, n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return f"{meant}agents found: {', '.join(names)}"


def _run(path: Path, root: Path, place: str) -> ModuleType:
    """Execute one file as a module. Its name is its own, so two files called alike do not mix."""
    name = f"patter_agent_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path, loader=_Loader(name, str(path)))
    if spec is None or spec.loader is None:
        raise InputError(f"{place} cannot be imported", hint="name it like a module: my_agent.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look their module up
    try:
        with running(path, root, place):
            spec.loader.exec_module(module)
    except SyntaxError as error:
        del sys.modules[name]
        own = error.filename is not None and Path(error.filename).is_relative_to(path.parent)
        file = shown(Path(error.filename), root) if error.filename else place
        line = f"{file}:{error.lineno}" if own else file
        text = f": {error.text.strip()}" if error.text else ""
        hint = correct(file if own else place, error.lineno if own else None)
        raise InputError(f"{line}{text}\n{mistake(error)}", hint=hint) from error
    except (Exception, SystemExit) as error:  # it is not our code: anything may come out of it
        del sys.modules[name]
        if isinstance(error, OSError) and error.filename == str(path):
            raise InputError(
                f"{place} cannot be read: {reason(error)}", hint=f"ls -l {place} shows whose it is"
            ) from error
        raise failure(error, path, root, place) from error
    return module


class _Loader(SourceFileLoader):
    """Compiles what a file holds once, however often it is loaded anew: a fuzzer does so for each call."""

    def source_to_code(  # type: ignore[override]
        self, data: Any, path: Any, *args: Any, **kwargs: Any
    ) -> CodeType:
        return _compiled(bytes(data), str(path))


@lru_cache(maxsize=16)
def _compiled(source: bytes, path: str) -> CodeType:
    return compile(source, path, "exec", dont_inherit=True)
