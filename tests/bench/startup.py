"""What a command takes to start: `python -m tests.bench.startup [ROUNDS]`, against a bare Typer app as large as ours.

The bare app has our commands by name, each with as many options and a function that does nothing. Processor time of a
whole process, the least of ROUNDS taken in turns: what other programs take does not count. As an installed package is:
compiled before, whatever this shell says of that. Budgets: every --help within 1.3 times the bare app's, a list of
calls within 1.5 times a bare command, --version under a bare app's.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from patter_cli.stores.sqlite import SqliteStore
from tests.unit.stores.calls import fill

HELP, LIST, VERSION = 1.3, 1.5, 1.0
BARE = """
import sys
from typing import Annotated
import typer
SIZES = {sizes}
def work(count):
    flags = ", ".join(f"o{{n}}: Annotated[str | None, typer.Option(help='x')] = None" for n in range(count))
    names = {{"Annotated": Annotated, "typer": typer}}
    exec(f"def command({{flags}}): pass", names)
    return names["command"]
def made(sizes):
    app = typer.Typer()
    for name, below in sizes.items():
        if isinstance(below, dict):
            app.add_typer(made(below), name=name)
        else:
            app.command(name)(work(below))
    return app
root = made(SIZES)
root.callback()(work({root}))
root()
"""


def sizes_of(command: Any) -> Mapping[str, Any]:
    """By a command's name: how many options it has, or the same of those below it."""
    return {
        name: sizes_of(each) if hasattr(each, "commands") else len(each.params)
        for name, each in command.commands.items()
    }


def paths(sizes: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, below in sizes.items():
        yield (*path, name)
        if isinstance(below, dict):
            yield from paths(below, (*path, name))


def sums(sizes: Mapping[str, Any]) -> tuple[int, int]:
    """How many commands there are, groups too, and how many options they have together."""
    below = [sums(each) for each in sizes.values() if isinstance(each, dict)]
    options = sum(each for each in sizes.values() if isinstance(each, int))
    return len(sizes) + sum(each[0] for each in below), options + sum(each[1] for each in below)


def cpu_ms(command: Sequence[str], shell: Mapping[str, str]) -> float:
    """shell: the process's environment."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=shell)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def least_ms(bare: Sequence[str], ours: Sequence[str], shell: Mapping[str, str], rounds: int) -> tuple[float, float]:
    """What each takes, compiled by a first run that does not count."""
    for command in (bare, ours):
        cpu_ms(command, shell)
    least = [float("inf"), float("inf")]
    for _ in range(rounds):
        for place, command in enumerate((bare, ours)):
            least[place] = min(least[place], cpu_ms(command, shell))
    return least[0], least[1]


def main() -> None:
    import typer

    from patter_cli.cli.app import app

    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    root: Any = typer.main.get_command(app)
    sizes = sizes_of(root)
    # Typer gives both the two options of its completion.
    bare = [sys.executable, "-c", BARE.format(sizes=json.dumps(sizes), root=len(root.params) - 2)]
    commands, options = sums(sizes)
    print(f"both have {commands} commands with {options} options")
    over = []
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryDirectory() as compiled:
        fill(SqliteStore(Path(place)))
        patter = [sys.executable, "-m", "patter_cli"]
        shell = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        shell |= {"PATTER_LOG_DIR": place, "PYTHONPYCACHEPREFIX": compiled}
        rows = [(("--help",), ("--help",), HELP)]
        rows += [((*path, "--help"), (*path, "--help"), HELP) for path in paths(sizes)]
        rows += [(("logs", "list"), ("logs", "list"), LIST), (("--help",), ("--version",), VERSION)]
        for theirs, mine, budget in rows:
            bare_ms, our_ms = least_ms([*bare, *theirs], [*patter, *mine], shell, rounds)
            print(
                f"{' '.join(mine):28} {our_ms:5.0f} ms, bare {bare_ms:5.0f}: {our_ms / bare_ms:.2f} of {budget}",
                flush=True,
            )
            if our_ms > budget * bare_ms:
                over.append(" ".join(mine))
    if over:
        sys.exit(f"over the budget: {', '.join(over)}")


if __name__ == "__main__":
    main()
