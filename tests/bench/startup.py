"""What a command takes to start: `python -m tests.bench.startup [ROUNDS]`, against a bare Typer app as large as ours.

Processor time of a whole process, the least of ROUNDS: what other programs take does not count. A budget: a list of
calls within 1.5 times the bare app.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from patter_cli.stores.sqlite import SqliteStore
from tests.unit.stores.calls import fill

BUDGET = 1.5
BARE = """
from typing import Annotated
import typer
app, logs = typer.Typer(), typer.Typer()
def work(count):
    flags = ", ".join(f"o{n}: Annotated[str | None, typer.Option(help='x')] = None" for n in range(count))
    names = {"Annotated": Annotated, "typer": typer}
    exec(f"def command({flags}): pass", names)
    return names["command"]
for n in range(10):
    app.command(f"c{n}")(work(14))
for n in range(7):
    logs.command(f"s{n}")(work(16))
app.add_typer(logs, name="logs")
app()
"""


def cpu_ms(command: Sequence[str], rounds: int) -> float:
    """The least it takes."""
    least = float("inf")
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        least = min(least, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return 1000 * least


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with tempfile.TemporaryDirectory() as place:
        fill(SqliteStore(Path(place)))
        bare = cpu_ms([sys.executable, "-c", BARE, "logs", "s1"], rounds)
        ours = cpu_ms(["env", f"PATTER_LOG_DIR={place}", sys.executable, "-m", "patter_cli", "logs", "list"], rounds)
    print(f"a bare app {bare:.0f} ms, patter logs list {ours:.0f} ms: {ours / bare:.2f}")
    if ours > BUDGET * bare:
        sys.exit(f"over the budget of {BUDGET}")


if __name__ == "__main__":
    main()
