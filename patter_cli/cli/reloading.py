"""`patter serve --reload`: a changed agent file is taken for new calls, and for live ones from their next turn on.

The files are looked at, nobody has to tell: those of the agents and the modules beside them that they import. One that
cannot be used changes nothing; what is wrong with it is said, and the old one goes on answering.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

from patter_cli import wiring
from patter_cli.cli.discovery import load_agent, path_of
from patter_cli.cli.general import warn
from patter_cli.cli.loading import forget_imported, imported_files
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.ready import ReadyAgent
from patter_cli.errors import PatterError
from patter_cli.settings import Settings
from patter_cli.text.printable import printable

LOOK_S: Final = 0.2
"""Between two looks. A file must be the same twice: an editor may be writing it still."""
Stamp = tuple[int, int] | None
"""When a file was changed, in ns, and its size; None: it is not there."""


class Changeable(Protocol):
    """A server whose agents can be changed."""

    async def change(self, agent: ReadyAgent) -> None:
        """Raises PatterError, and then nothing has changed."""


async def reload_changed(
    specs: Mapping[str, str], settings: Settings, server: Changeable, *, since_ns: int, notice: Callable[[str], None]
) -> None:
    """Look until cancelled. specs: by an agent's name, as load_agent takes it. since_ns: Unix time at which they began
    to be loaded; who edits while the server starts is not overlooked. notice: is told which agents answer as they were
    before a change that cannot be used, as long as any does; then ""."""
    broken: list[str] = []
    files = {name: path_of(spec) for name, spec in specs.items()}
    before = _stamps({*files.values(), *imported_files()})
    known = {path: None if stamp is not None and stamp[0] > since_ns else stamp for path, stamp in before.items()}
    while True:
        await asyncio.sleep(LOOK_S)
        now = _stamps({*files.values(), *imported_files()})
        settled = {path for path, stamp in now.items() if stamp is not None and before.get(path) == stamp}
        before = now
        changed = {path for path in settled if path in known and known[path] != now[path]}
        known |= {path: now[path] for path in settled}
        imported = changed - set(files.values())
        if imported:
            forget_imported()
        for name, path in files.items():
            if imported or path in changed:
                taken = await _reload(specs[name], settings, server)
                broken = [each for each in broken if each != name] + ([] if taken else [name])
                notice(f"{', '.join(broken)}: as before a change that cannot be used" if broken else "")


async def _reload(spec: str, settings: Settings, server: Changeable) -> bool:
    """Whether what the file holds now is taken."""
    try:
        ready = await asyncio.to_thread(_ready, spec, settings)
        await server.change(ready)
    except PatterError as error:
        # On one line: a screen has room for two.
        said = printable(" ".join(str(error).split()))
        print(f"error: {said}; the agent goes on as it was", file=sys.stderr, flush=True)
        return False
    print(f"{ready.name} has changed: for new calls, and for live ones from now on", file=sys.stderr, flush=True)
    return True


def _ready(spec: str, settings: Settings) -> ReadyAgent:
    loaded = load_agent(spec)
    warn(loaded.warnings)
    return wiring.ready_agent(loaded.name, loaded.agent, Hooks(**loaded.hooks), settings)


def _stamps(paths: set[Path]) -> dict[Path, Stamp]:
    return {path: _stamp(path) for path in paths}


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
