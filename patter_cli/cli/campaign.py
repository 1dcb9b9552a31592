"""A list of people who are rung one after the other, some at the same time; interrupted, it goes on where it was.

Theory of operation. Beside the list stands a file of results. Before somebody is rung a line "dialling" is on disk,
and afterwards one with the outcome. So a run that was killed knows whom it had rung, and rings nobody twice: who was
being dialled then counts as unknown. Busy and no answer are rung again, after everybody else, as often as was asked.
"""

from __future__ import annotations

import asyncio
import csv
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from patter_cli.cli.outgoing import Outgoing
from patter_cli.destinations import DialRules, check
from patter_cli.errors import InputError, NetworkError, PatterError
from patter_cli.server.control_messages import PlaceCall

COLUMNS = ("number", "attempt", "outcome", "reason", "answered_by", "duration_s", "call_id", "at")
AGAIN = ("busy", "no_answer")
DIALLING = "dialling"
CALL_S = 60
"""What a call takes, ringing included, as long as nobody knows better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """concurrency: calls at the same time. calls_per_s: new ones in a second. retries: after busy and no answer."""

    concurrency: int = 1
    calls_per_s: float = 1.0
    retries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Who is on a list. rows: (number, variables), in their order."""

    path: Path
    rows: tuple[tuple[str, Mapping[str, str]], ...]

    @property
    def results(self) -> Path:
        return self.path.with_suffix(".results.csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a run would do. refused: (number, why)."""

    to_ring: tuple[tuple[str, Mapping[str, str]], ...]
    refused: tuple[tuple[str, str], ...]
    done: int
    seconds: int

    def render(self) -> str:
        lines = [f"not rung: {number}: {why}" for number, why in self.refused]
        lines.append(
            f"{len(self.to_ring)} to ring, {self.done} done before, {len(self.refused)} refused; "
            f"about {max(1, round(self.seconds / 60))} min, cost unknown"
        )
        return "\n".join(lines)


def read_people(path: Path) -> People:
    """Read a list: UTF-8, with a header; the column number is whom to ring, the others are variables.

    Raises InputError for a file that cannot be read or has no such column, or a row of another length.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = list(csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read: {error}", hint="a CSV file with a column number") from error
    header = [each.strip() for each in table[0]] if table else []
    if header.count("number") != 1:
        raise InputError(f"{path} has no column number", hint="number,name as its first line")
    rows = []
    for line, row in enumerate(table[1:], 2):
        if not any(each.strip() for each in row):
            continue
        if len(row) != len(header):
            raise InputError(f"{path}:{line} has {len(row)} cells, the header {len(header)}", hint="quote the commas")
        cells = dict(zip(header, (each.strip() for each in row), strict=True))
        rows.append((_as_text(cells.pop("number")), cells))
    return People(path=path, rows=tuple(rows))


class Campaign:
    """One run over a list."""

    def __init__(self, people: People, wanted: PlaceCall, pace: Pace, rules: DialRules) -> None:
        """wanted: the call, whose number and variables each row changes."""
        self._people = people
        self._wanted = wanted
        self._pace = pace
        self._rules = rules
        self._tried = Counter[str]()
        self._last: dict[str, str] = {}
        self._next_s = 0.0
        self._told = Counter[str]()
        self._read_results()

    def forecast(self) -> Forecast:
        """Whom a run rings now. Raises BadSetting where that cannot be known."""
        to_ring, refused, seen, done = [], [], set[str](), 0
        for number, variables in self._people.rows:
            if number in seen:
                refused.append((number, "it is on the list twice"))
                continue
            seen.add(number)
            if self._is_done(number):
                done += 1
                continue
            try:
                check(number, caller=self._wanted.from_number, rules=self._rules, now_s=time.time())
            except InputError as error:
                refused.append((number, str(error)))
            else:
                to_ring.append((number, variables))
        seconds = max(len(to_ring) / self._pace.calls_per_s, len(to_ring) * CALL_S / self._pace.concurrency)
        return Forecast(to_ring=tuple(to_ring), refused=tuple(refused), done=done, seconds=round(seconds))

    async def run(self, outgoing: Outgoing) -> int:
        """Ring everybody who is left, and those again who were not reached. Returns the exit code: 1 if somebody was
        not reached in the end."""
        for _ in range(self._pace.retries + 1):
            left = list(self.forecast().to_ring)
            if not left:
                break
            left.reverse()

            async def work(left: list[tuple[str, Mapping[str, str]]] = left) -> None:
                while left:
                    await self._ring(outgoing, *left.pop())

            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(self._pace.concurrency, len(left))):
                    tasks.create_task(work())
        counts = Counter(self._last.values())
        print(", ".join(f"{count} {outcome}" for outcome, count in counts.most_common()) or "nobody was rung")
        return 0 if set(counts) <= {"answered", "voicemail"} else 1

    async def _ring(self, outgoing: Outgoing, number: str, variables: Mapping[str, str]) -> None:
        await self._wait_for_turn()
        self._write(number, DIALLING)
        wanted = replace(self._wanted, to=number, variables={**self._wanted.variables, **variables})
        call_id = ""
        try:
            call_id = await outgoing.dial(wanted)
            result = await outgoing.result(call_id)
        except PatterError as error:
            lost = isinstance(error, NetworkError)  # it may have rung
            self._write(number, "unknown" if lost else "failed", str(error), call_id=call_id)
        else:
            self._write(
                number, result.outcome, result.reason, result.answered_by, f"{result.duration:.1f}", result.call_id
            )
        self._show(number)

    async def _wait_for_turn(self) -> None:
        now = asyncio.get_running_loop().time()
        at = max(now, self._next_s)
        self._next_s = at + 1 / self._pace.calls_per_s
        await asyncio.sleep(at - now)

    # --- the results ----------------------------------------------------------------------------------

    def _is_done(self, number: str) -> bool:
        last = self._last.get(number)
        return last is not None and (last not in AGAIN or self._tried[number] > self._pace.retries)

    def _read_results(self) -> None:
        try:
            with self._people.results.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{self._people.results} cannot be read: {error}", hint="move it away") from error
        for row in rows:
            self._note(_as_text(row.get("number") or ""), row.get("outcome") or "")

    def _note(self, number: str, outcome: str) -> None:
        self._tried[number] += outcome == DIALLING
        self._last[number] = outcome

    def _write(
        self, number: str, outcome: str, reason: str = "", by: str = "", duration_s: str = "", call_id: str = ""
    ) -> None:
        """On disk when this returns. Raises InputError: a run that cannot remember whom it rang must not ring."""
        self._note(number, str(outcome))
        cells = (number, str(self._tried[number]), str(outcome), reason, by, duration_s, call_id, f"{time.time():.0f}")
        try:
            with self._people.results.open("a", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                if file.tell() == 0:
                    writer.writerow(COLUMNS)
                writer.writerow([_as_cell(each) for each in cells])
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InputError(f"{self._people.results} cannot be written: {error}", hint="make room for it") from error

    def _show(self, number: str) -> None:
        over = sum(outcome != DIALLING for outcome in self._last.values())
        line = f"{over}/{len(self._people.rows)} {number} {self._last[number]}"
        if sys.stderr.isatty():
            filled = 30 * over // max(1, len(self._people.rows))
            print(f"\r[{'#' * filled}{'.' * (30 - filled)}] {line:40}", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)


def _as_cell(text: str) -> str:
    """What no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _as_text(cell: str) -> str:
    return cell.removeprefix("'").strip()
