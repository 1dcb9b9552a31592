"""A list of people who are rung one after the other, some at the same time; interrupted, it goes on where it was.

Theory of operation. What became of whom stands in a file (cli.people), so whoever was being rung when a run ended is
not rung again: what is kept of that call says what became of it, or nobody knows. Those whose outcome is worth another
try are rung again, after everybody else. On Ctrl-C nobody is rung any more, calls that ring are called off, those that
talk say goodbye, and what became of them is still written down.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from patter_cli.cli.forecast import CallGuess, Forecast
from patter_cli.cli.list_count import ListCount
from patter_cli.cli.list_told import ListTold, Rung
from patter_cli.cli.outgoing import Outgoing
from patter_cli.cli.people import DIALLING, NOT_RUNG, RINGS, UNKNOWN, Entry, People, Results
from patter_cli.contracts.store import CallQuery, CallStore
from patter_cli.destinations import DialRules, check
from patter_cli.errors import InputError, KeyRefused, NetworkError, NoRoom, PatterError, ServerGone, Stopping
from patter_cli.server.control_messages import PlaceCall

AGAIN: Final = ("busy", "no_answer", "failed")
"""What may be worth another try. Never a call of which nobody knows whether it rang."""
USUALLY: Final = ("busy", "no_answer")
GO_ON: Final = "the same command, with a server, goes on where it was"
WITH_KEY: Final = "the same command goes on where it was"
RESUMES: Final = "the same command goes on with them"
ROOM_S: Final = 1.0
"""Between two looks whether a server that was full takes another call."""
TWICE: Final = "it is on the list twice"
OFF_S: Final = 12.0
"""For a call that is called off to end: a goodbye, and the carrier's word."""
BEFORE_S: Final = 2.0
"""A call begins after its line on disk, whose time is in whole seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """concurrency: calls at the same time. calls_per_s: new ones in a second. retries: by outcome."""

    concurrency: int = 1
    calls_per_s: float = 1.0
    retries: Mapping[str, int] = field(default_factory=dict)


def _first(errors: BaseExceptionGroup[PatterError]) -> PatterError:
    first = errors.exceptions[0]
    return first if isinstance(first, PatterError) else _first(first)


async def _taken(dialling: asyncio.Task[str]) -> str | None:
    """The call's id; None where there is no room for it now. Raises PatterError."""
    try:
        return await asyncio.shield(dialling)
    except KeyRefused:
        raise
    except NoRoom:
        return None


def read_retries(text: str) -> dict[str, int]:
    """Read "2", for those who were busy or did not answer, or "busy=3,no_answer=1,failed=1". Raises InputError."""
    found: dict[str, int] = {}
    if re.fullmatch("[0-9]{1,2}", text):
        return dict.fromkeys(USUALLY, int(text))
    for each in text.split(","):
        outcome, sign, count = (part.strip() for part in each.partition("="))
        if not sign or outcome not in AGAIN or not re.fullmatch("[0-9]{1,2}", count) or outcome in found:
            raise InputError(f"--retries cannot be {text!r}", hint="a number, or busy=2,no_answer=1,failed=1")
        found[outcome] = int(count)
    return found


class Campaign:
    """One run over a list."""

    def __init__(
        self,
        people: People,
        wanted: PlaceCall,
        pace: Pace,
        *,
        rules: DialRules,
        guess: CallGuess,
        store: CallStore,
        told: ListTold,
    ) -> None:
        """wanted: the call, whose number and variables each row changes. store: where what became of calls is looked up
        that an earlier run left open. Raises InputError where its results cannot be read."""
        self._people = people
        self._wanted = wanted
        self._pace = pace
        self._rules = rules
        self._guess = guess
        self._store = store
        self._told = told
        self._results = Results(people.results)
        self._count = ListCount(
            people.path.name,
            (number for number, _ in people.rows),
            guess=guess,
            concurrency=pace.concurrency,
            calls_per_s=pace.calls_per_s,
        )
        self._next_s = 0.0
        self._refused: KeyRefused | None = None
        """Why nobody else is rung."""

    def forecast(self) -> Forecast:
        """Whom a run rings now. Raises BadSetting where that cannot be known."""
        to_ring: list[tuple[str, Mapping[str, str]]] = []
        refused: list[tuple[str, str]] = []
        seen, done, now_s = set[str](), 0, time.time()
        left = None if self._rules.quota is None else self._rules.quota.left(now_s)
        for number, variables in self._people.rows:
            if number in seen:
                refused.append((number, TWICE))
                continue
            seen.add(number)
            if self._is_done(number):
                done += 1
                continue
            try:
                check(number, caller=self._wanted.from_number, rules=self._rules, now_s=now_s)
                if left is not None and len(to_ring) >= left:
                    raise InputError(f"the calls of this day are used up at {left} more (max_per_day)")
            except InputError as error:
                refused.append((number, str(error)))
            else:
                to_ring.append((number, variables))
        return Forecast(
            to_ring=tuple(to_ring),
            refused=tuple(refused),
            done=done,
            concurrency=self._pace.concurrency,
            calls_per_s=self._pace.calls_per_s,
            guess=self._guess,
        )

    def announce(self, forecast: Forecast) -> None:
        """Tell how far the list is, before anybody is rung in a run or a round."""
        refused = sum(why != TWICE for _, why in forecast.refused)
        self._count.round(self._last(), left=len(forecast.to_ring), refused=refused)
        self._told.progress(self._count.view())

    async def run(self, outgoing: Outgoing) -> int:
        """Ring everybody who is left, and those again who are worth another try. Returns the exit code: 1 if somebody
        was not reached in the end. Raises InputError where what became of them cannot be kept."""
        with self._results.held():
            try:
                return await self._run(outgoing)
            except asyncio.CancelledError:
                self._told.end(self._left_over())
                raise
            except ExceptionGroup as errors:
                ours, bugs = errors.split(PatterError)
                if ours is None or bugs is not None:
                    raise
                raise _first(ours) from errors  # the others are what came of it

    async def _run(self, outgoing: Outgoing) -> int:
        await self._settle(outgoing)
        forecast = self._begin_round()
        for _ in range(max(self._pace.retries.values(), default=0) + 1):
            left = list(reversed(forecast.to_ring))
            if not left:
                break

            async def work(left: list[tuple[str, Mapping[str, str]]] = left) -> None:
                while left and self._refused is None:
                    await self._ring(outgoing, *left.pop())

            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(self._pace.concurrency, len(left))):
                    tasks.create_task(work())
            if self._refused is not None:
                self._told.end(self._left_over())
                raise KeyRefused(str(self._refused), hint=f"patter doctor; then {WITH_KEY}") from self._refused
            forecast = self._begin_round()
        self._told.end(self._summary())
        missed = any(why != TWICE for _, why in forecast.refused)
        return 1 if missed or set(self._last().values()) - {"answered", "voicemail"} else 0

    def _begin_round(self) -> Forecast:
        """Whom there is to ring now, and whom not."""
        forecast = self.forecast()
        self.announce(forecast)
        return forecast

    def _last(self) -> dict[str, str]:
        """The last outcome of everybody who was ever rung."""
        return {number: each.outcome for number, each in self._results.last.items()}

    def _left_over(self) -> str:
        left = self._count.left
        return f"{self._summary()}{f'; {left} left: {RESUMES}' if left else ''}"

    def _summary(self) -> str:
        counts = Counter(self._last().values()).most_common()
        return ", ".join(f"{count} {outcome}" for outcome, count in counts) or "nobody was rung"

    async def _ring(self, outgoing: Outgoing, number: str, variables: Mapping[str, str]) -> None:
        await self._wait_for_turn()
        self._write(number, DIALLING)
        began_s = asyncio.get_running_loop().time()
        wanted = replace(self._wanted, to=number, variables={**self._wanted.variables, **variables})
        dialling = asyncio.create_task(outgoing.dial(wanted))
        try:
            while (call_id := await _taken(dialling)) is None:
                await asyncio.sleep(ROOM_S)
                dialling = asyncio.create_task(outgoing.dial(wanted))
            self._write(number, RINGS, call_id=call_id)
            await self._see_end(outgoing, number, call_id)
        except KeyRefused as error:  # whoever else was rung would hear an apology; who is on the line may go on
            self._failed(number, error)
            self._refused = error
        except (ServerGone, Stopping) as error:  # then there is nobody to ask for the others
            self._failed(number, error)
            raise type(error)(str(error), hint=GO_ON) from error
        except PatterError as error:
            self._failed(number, error)
        except asyncio.CancelledError:
            self._stopping()
            await self._call_off(outgoing, number, dialling)
            raise
        self._count.held(asyncio.get_running_loop().time() - began_s)

    def _write(
        self, number: str, outcome: str, reason: str = "", by: str = "", duration_s: str = "", call_id: str = ""
    ) -> None:
        """Write down what is known of somebody, and tell it. Raises InputError."""
        before = self._results.last.get(number)
        self._results.write(number, outcome, reason, by, duration_s, call_id)
        over = outcome not in (DIALLING, RINGS)
        again = over and not self._is_done(number)
        self._count.moved(number, None if before is None else before.outcome, str(outcome), again=again)
        progress = self._count.view()
        self._told.progress(progress)
        if over:
            rung = Rung(
                number=number,
                attempt=self._results.tried(number),
                outcome=str(outcome),
                reason=reason,
                answered_by=by,
                duration_s=float(duration_s) if duration_s else None,
                call_id=call_id,
            )
            self._told.rung(rung, progress)

    async def _see_end(self, outgoing: Outgoing, number: str, call_id: str) -> None:
        """Wait for the end of a call and write it down. Raises PatterError."""
        result = await outgoing.result(call_id)
        self._write(number, result.outcome, result.reason, result.answered_by, f"{result.duration:.1f}", result.call_id)

    def _failed(self, number: str, error: PatterError) -> None:
        lost = isinstance(error, NetworkError)  # it may have rung
        call_id = self._results.last[number].call_id
        outcome = UNKNOWN if lost or call_id else "failed"
        if isinstance(error, ServerGone | Stopping | NoRoom) and not call_id:
            outcome = NOT_RUNG
        self._write(number, outcome, str(error), call_id=call_id)

    def _stopping(self) -> None:
        if not self._count.stopping:
            self._count.stopping = True
            self._told.progress(self._count.view())

    async def _call_off(self, outgoing: Outgoing, number: str, dialling: asyncio.Task[str]) -> None:
        """The run is interrupted: end the call, and write down what became of it if that is known soon."""
        with suppress(TimeoutError):
            async with asyncio.timeout(OFF_S):
                try:
                    call_id = await dialling
                    await outgoing.cancel(call_id)
                    await self._see_end(outgoing, number, call_id)
                except PatterError as error:
                    self._failed(number, error)

    async def _wait_for_turn(self) -> None:
        now = asyncio.get_running_loop().time()
        at = max(now, self._next_s)
        self._next_s = at + 1 / self._pace.calls_per_s
        await asyncio.sleep(at - now)

    def _is_done(self, number: str) -> bool:
        last = self._results.last.get(number)
        return last is not None and self._results.tried(number) > self._pace.retries.get(last.outcome, 0)

    # --- what an earlier run left open ---------------------------------------------------------------------

    async def _settle(self, outgoing: Outgoing) -> None:
        """Find out what became of whom an earlier run was ringing, where anybody knows. Nobody else is rung again."""
        for number, entry in list(self._results.last.items()):
            if entry.open:
                await self._settle_one(outgoing, number, entry)

    async def _settle_one(self, outgoing: Outgoing, number: str, entry: Entry) -> None:
        if entry.call_id:
            with suppress(PatterError):  # it was another server's
                await self._see_end(outgoing, number, entry.call_id)
                return
        kept = await asyncio.to_thread(self._kept, number, entry)
        if kept is not None:
            self._write(number, *kept)
        elif entry.outcome != UNKNOWN:
            self._write(number, UNKNOWN, "the run that rang it was ended", call_id=entry.call_id)

    def _kept(self, number: str, entry: Entry) -> tuple[str, str, str, str, str] | None:
        """What a record says of the call: outcome, reason, by whom, seconds, id. None: there is none."""
        with suppress(PatterError):
            found = self._store.get(entry.call_id) if entry.call_id else None
            row = found.row if found is not None else None
            if row is None and entry.outcome == DIALLING and entry.at_s:
                rows = self._store.list(CallQuery(number=number, since=entry.at_s - BEFORE_S))
                ours = (each for each in rows if each.callee == number and each.call_id not in self._results.call_ids)
                row = next(ours, None)
            if row is not None and row.outcome is not None:
                return row.outcome, row.reason, "", f"{row.duration_s or 0.0:.1f}", row.call_id
        return None
