"""What an examination finds: a row for each thing that can be there or missing, and the checks that make the rows.

A check is given a deadline, runs beside all the others, and never ends the examination: what it raises is its finding.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, TypeVar

from patter_cli.errors import PatterError, reason

T = TypeVar("T")

TIMEOUT_S: Final = 10.0
"""What one check gets."""
_AGAIN: Final = "look at the network, then run it again"
_SHORTEST_SECRET: Final = 8
"""Characters; what is shorter would be found in innocent words."""


class Status(Enum):
    """How something is."""

    OK = "ok"
    MISSING = "missing"
    """Needed, or meant to work by what is set, and it does not."""
    UNSURE = "unsure"
    """Set up, and only a call shows whether it works, or works in all."""
    OFF = "off"
    """Not set up, and nothing here needs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One row."""

    name: str
    """Of the thing; unique, stable, for scripts: "twilio.account"."""
    status: Status
    detail: str
    """How it is, in a clause."""
    fix: str = ""
    """What to do, the exact command where there is one."""
    took_ms: int = 0

    @property
    def group(self) -> str:
        """The first part of the name."""
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing to look at. name: of the finding where `look` makes none in time, or raises."""

    name: str
    look: Callable[[], Awaitable[Sequence[Finding]]]


def ok(name: str, detail: str) -> Finding:
    return Finding(name=name, status=Status.OK, detail=detail)


def missing(name: str, detail: str, fix: str = "") -> Finding:
    return Finding(name=name, status=Status.MISSING, detail=detail, fix=fix)


def unsure(name: str, detail: str, fix: str = "") -> Finding:
    return Finding(name=name, status=Status.UNSURE, detail=detail, fix=fix)


def off(name: str, detail: str, fix: str = "") -> Finding:
    return Finding(name=name, status=Status.OFF, detail=detail, fix=fix)


def failed(name: str, error: PatterError) -> Finding:
    """The finding that an error is."""
    return missing(name, str(error), error.hint or _AGAIN)


def broken_check(name: str, error: PatterError) -> Check:
    """Of what cannot even be looked at."""

    async def look() -> list[Finding]:
        return [failed(name, error)]

    return Check(name=name, look=look)


async def run_checks(
    checks: Sequence[Check],
    *,
    timeout_s: float = TIMEOUT_S,
    on_progress: Callable[[int, int], None] = lambda done, of: None,
) -> list[Finding]:
    """All of them at once; what they found, in the order of the checks. on_progress: (checks done, of how many)."""
    done = 0

    async def run(check: Check) -> list[Finding]:
        nonlocal done
        began_s = time.monotonic()
        found = await _looked(check, timeout_s)
        took_ms = round((time.monotonic() - began_s) * 1000)
        done += 1
        on_progress(done, len(checks))
        return [replace(each, took_ms=took_ms) for each in found]

    return [each for found in await asyncio.gather(*map(run, checks)) for each in found]


async def in_thread(work: Callable[[], T]) -> T:
    """Do what blocks in a thread that nobody has to wait for: when it hangs, the program still ends."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: BaseException | None) -> None:
        if told.done():
            return
        if error is not None:
            told.set_exception(error)
        else:
            told.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:  # noqa: BLE001 - it is raised where it is waited for
            error = raised
        with suppress(RuntimeError):  # the loop is gone
            loop.call_soon_threadsafe(tell, result, error)

    threading.Thread(target=run, daemon=True, name="patter-doctor").start()
    return await told


def without_secrets(findings: Iterable[Finding], secrets: Iterable[str]) -> list[Finding]:
    """The same rows, with no secret in them, whoever repeated it."""
    known = sorted({each for each in secrets if len(each) >= _SHORTEST_SECRET}, key=len, reverse=True)

    def struck(text: str) -> str:
        for each in known:
            text = text.replace(each, masked(each))
        return text

    return [replace(each, detail=struck(each.detail), fix=struck(each.fix)) for each in findings]


def masked(secret: str) -> str:
    """Enough of a secret to tell it from another: "****1234"; nothing of a short one."""
    return f"****{secret[-4:]}" if len(secret) >= 2 * _SHORTEST_SECRET else "****"


async def _looked(check: Check, timeout_s: float) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(timeout_s):
            return await check.look()
    except TimeoutError:
        return [missing(check.name, f"no answer within {timeout_s:g} s", _AGAIN)]
    except PatterError as error:
        return [failed(check.name, error)]
    except Exception as error:  # noqa: BLE001 - a vendor's package may raise anything, and the other rows still count
        return [missing(check.name, f"it could not be looked at: {reason(error)}", "run it again with --debug")]
