"""Run one agent file: files beside it can be imported, what it prints is no data, and a slow start is named.

Nothing is put on `sys.path`. What lies beside an agent, or in its project, is found last of all, after Python's own
library and everything installed, and only by files of that project: a `json.py` beside the agent shadows nothing, and
no library picks up a file of the project by its name.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib import invalidate_caches
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

SLOW_S = 2.0
"""After so long the line that a file is at is told."""


@contextmanager
def running(path: Path, root: Path, shown: str) -> Iterator[None]:
    """Meanwhile `path` is executed on this thread. root: its project. shown: the path as the person knows it."""
    _let_import(path.parent, root)
    invalidate_caches()  # a file may have been written a moment ago
    me = threading.get_ident()
    slow = threading.Timer(SLOW_S, lambda: _tell(me, path, shown))
    slow.daemon = True
    slow.start()
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        slow.cancel()


def beside(name: str, path: Path, root: Path) -> bool:
    """Whether the first part of a module's name is a file or folder of the project."""
    first = name.partition(".")[0]
    return any((folder / each).exists() for folder in (path.parent, root) for each in (first, f"{first}.py"))


def imported_files() -> list[Path]:
    """What the agents of the project have imported of it."""
    found = (sys.modules.get(name) for each in sys.meta_path if isinstance(each, _Beside) for name in each.found)
    return [Path(file) for module in found if (file := getattr(module, "__file__", None)) is not None]


def forget_imported() -> None:
    """Have all of it read again by whoever imports it next."""
    for each in sys.meta_path:
        if isinstance(each, _Beside):
            for name in each.found:
                sys.modules.pop(name, None)
            each.found.clear()


def _tell(thread_id: int, path: Path, shown: str) -> None:
    frame = sys._current_frames().get(thread_id)
    line = 0
    while frame is not None:
        if frame.f_code.co_filename == str(path):
            line = frame.f_lineno
        frame = frame.f_back
    at = f"{shown}:{line}" if line else shown
    print(f"{at} is still being loaded after {SLOW_S:g} s", file=sys.stderr, flush=True)


def _let_import(folder: Path, root: Path) -> None:
    finder = _Beside(folder, root)
    others = [each for each in sys.meta_path if isinstance(each, _Beside)]
    if finder in others:
        return
    for other in others:  # two projects may each have a helpers.py: the one that is loaded now gets its own
        for name, module in tuple(sys.modules.items()):
            if name in other.found and _lies_in(module, other.folders):
                del sys.modules[name]
        other.found.clear()
        sys.meta_path.remove(other)
    sys.meta_path.append(finder)


class _Beside:
    """Finds modules in an agent's folder and its project, for files that lie there."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.folders = tuple(dict.fromkeys((str(folder), str(root))))
        self.found: set[str] = set()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Beside) and other.folders == self.folders

    def __hash__(self) -> int:
        return hash(self.folders)

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if not self._is_asked_by_the_project():
            return None
        # `agents.prices` is ours even where an installed package has taken the name `agents`.
        parents = name.split(".")[:-1]
        spec = PathFinder.find_spec(name, [str(Path(folder, *parents)) for folder in self.folders])
        if spec is not None:
            self.found.add(name)
        return spec

    def _is_asked_by_the_project(self) -> bool:
        frame = sys._getframe(2)
        while frame is not None and frame.f_code.co_filename.startswith("<frozen importlib"):
            if frame.f_back is None:
                return False
            frame = frame.f_back
        return Path(frame.f_code.co_filename).is_relative_to(self.folders[0]) or Path(
            frame.f_code.co_filename
        ).is_relative_to(self.folders[-1])


def _lies_in(module: ModuleType, folders: Sequence[str]) -> bool:
    places = [module.__file__] if getattr(module, "__file__", None) else list(getattr(module, "__path__", ()))
    return any(Path(str(place)).is_relative_to(folder) for place in places for folder in folders)
