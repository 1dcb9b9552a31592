"""Checks run side by side, end in time whatever they do, and show no secret."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from patter_cli.doctor.findings import (
    Check,
    Finding,
    Status,
    in_thread,
    masked,
    missing,
    off,
    ok,
    run_checks,
    without_secrets,
)
from patter_cli.errors import ConfigError


async def fine() -> list[Finding]:
    return [ok("b.fine", "it is there"), off("b.other", "not needed")]


async def hangs() -> list[Finding]:
    await asyncio.sleep(60)
    raise AssertionError("unreachable")


async def test_a_check_that_hangs_costs_its_own_row_only() -> None:
    """The others' rows are there, in order, and the whole takes as long as one deadline."""
    seen: list[tuple[int, int]] = []
    began = time.monotonic()
    checks = [Check(name="a.hangs", look=hangs), Check(name="b", look=fine), Check(name="c.hangs", look=hangs)]
    found = await run_checks(checks, timeout_s=0.2, on_progress=lambda done, of: seen.append((done, of)))
    assert time.monotonic() - began < 2
    assert [each.name for each in found] == ["a.hangs", "b.fine", "b.other", "c.hangs"]
    assert [each.status for each in found] == [Status.MISSING, Status.OK, Status.OFF, Status.MISSING]
    assert "no answer within 0.2 s" in found[0].detail
    assert found[0].took_ms >= 200
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("error", "words", "fix"),
    [(ConfigError("no key", hint="export KEY=…"), "no key", "export KEY=…"), (KeyError("x"), "'x'", "--debug")],
)
async def test_what_a_check_raises_is_its_finding(error: Exception, words: str, fix: str) -> None:
    """Ours with its hint; anybody else's with what it said."""

    async def look() -> list[Finding]:
        raise error

    (found,) = await run_checks([Check(name="a", look=look)])
    assert found.status is Status.MISSING
    assert words in found.detail
    assert fix in found.fix


async def test_a_thread_that_hangs_is_left_alone() -> None:
    """Who waited for it goes on, and it does not hold the program: it is a daemon."""
    gate = threading.Event()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await in_thread(gate.wait)
    assert all(each.daemon for each in threading.enumerate() if each.name == "patter-doctor")
    gate.set()
    assert await in_thread(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)


def test_no_secret_is_shown_by_whoever_repeats_it() -> None:
    """A long one keeps its last four characters, a short one none; and what is too short to be one is left."""
    rows = [missing("a", "key abcdefgh12345678 is bad", "not abcdefgh12345678 but another"), ok("b", "at eight: short")]
    shown = without_secrets(rows, ["abcdefgh12345678", "at", ""])
    assert shown[0].detail == "key ****5678 is bad"
    assert shown[0].fix == "not ****5678 but another"
    assert shown[1].detail == "at eight: short"
    assert (masked("abcdefgh12345678"), masked("short-one")) == ("****5678", "****")
