"""What it takes to find calls again: `python -m tests.bench.store [CALLS [TURNS]]`, 10,000 of 10 turns unless told.

Fills a folder with calls of some minutes, forty lines each, over a year; one of them has a journal of its whole eight
minutes, and its page is what is asked for. Makes the index; then asks, each question by
a store of its own, as a command does, which looks first whether index and folders agree. A budget: list and filter
within 300 ms for 10,000 calls, and statistics as well. Then it asks a store that is in use, as a server's is, what the
pages of a dashboard ask: each within 200 ms, for 100,000 calls too (`python -m tests.bench.store 100000`, some
minutes). Every time is the most of ROUNDS. Prints as well what a call pays while it lasts.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

from patter_cli.contracts.store import CallQuery
from patter_cli.core.events import HangUpRequested
from patter_cli.core.outcome import Outcome
from patter_cli.core.plan import CallPlan
from patter_cli.observe.interrupted import close_abandoned
from patter_cli.stores.journal import JOURNAL, RECORD
from patter_cli.stores.sqlite import INDEX, SqliteStore
from patter_cli.testing import VirtualCall
from patter_cli.web.endpoint import Asked
from patter_cli.web.shapes import Filter, ListCalls
from patter_cli.web.stored import StoredCalls
from tests.unit.stores.calls import AGENTS, DAY_S, OUTCOMES, STARTED, first_line, keep, record

ROUNDS = 5
BUDGET_MS = 300
"""Of a command, for 10,000 calls: ten times as many may take ten times as long."""
PAGE_MS = 200
"""Of a page, however many calls there are."""
LINES = 40
TEXT = "We are open from nine in the morning until half past five, every day of the week but Sunday."


def turn(number: int) -> dict[str, int]:
    """What a turn was measured to wait for."""
    parts = {"endpointing_ms": 320 + number * 37 % 700, "stt_ms": 0, "llm_ms": 250 + number * 91 % 900}
    parts |= {"clause_ms": number % 120, "tts_ms": 90 + number * 13 % 300, "handover_ms": number % 20}
    return {"turn": number, **parts, "total_ms": sum(parts.values())}


def cost() -> dict[str, object]:
    legs = (("stt", "deepgram", "nova-3"), ("llm", "openai", "gpt-5-mini"), ("tts", "cartesia", "sonic-3"))
    used = [{"leg": leg, "provider": provider, "model": model, "usd": 0.01} for leg, provider, model in legs]
    used.append({"leg": "telephony", "provider": "twilio", "model": "inbound", "usd": 0.0085})
    return {"usd": 0.0385, "known_usd": 0.0385, "legs": used, "prices": "2026-11-21"}


WORDS = "apple river stone cloud table green seven paper window music garden silver travel doctor bridge".split()


def line(number: int) -> str:
    """What somebody says: the same in all calls, and words that are rarer."""
    return f"{TEXT} {WORDS[number % 15]}{number % 997} {WORDS[number // 15 % 15]}{number % 89}."


def fill(folder: Path, count: int, turns: int) -> None:
    """Calls as a dead program leaves them: folders, and no index. Written as quickly as a disk takes them."""
    for number in range(count):
        at = STARTED + number * 365 * DAY_S / count
        facts = record(
            f"LB{number:08}",
            at,
            agent=AGENTS[number % 3],
            outcome=OUTCOMES[2 if number % 20 == 7 else number % 2],
            caller=f"+1555{number % 5000:07}",
            history=[
                {"role": ("assistant", "user")[n % 2], "text": line(number * LINES + n), "timestamp": at + n}
                for n in range(LINES)
            ],
            transcript=f"assistant: {TEXT}\n" * LINES,
            metrics=[turn(number * 7 + each) for each in range(turns)],
            cost=cost(),
        )
        place = folder / "calls" / time.strftime("%Y-%m-%d", time.gmtime(at)) / f"LB{number:08}"
        place.mkdir(parents=True)
        (place / JOURNAL).write_text(f"{first_line(f'LB{number:08}', at, agent=AGENTS[number % 3])}\n")
        (place / RECORD).write_text(json.dumps(facts))


def long_journal() -> str:
    """Of sixty turns, as a call writes it."""
    plan = CallPlan(agent="desk", system_prompt=TEXT * 20, first_message="Hello, this is the desk.")
    call = VirtualCall(plan, [f"{TEXT} {TEXT}"] * 60)
    for number in range(60):
        call.says("When do you open?", at=4500 + number * 8000)
    call.tells(HangUpRequested(), at=60 * 8000 + 5000)
    call.run()
    return call.journal


def most_ms(work: Callable[[], object]) -> float:
    """The longest of some times this takes of a processor: what other programs take of it does not count."""
    times = []
    for _ in range(ROUNDS):
        began = process_time()
        work()
        times.append((process_time() - began) * 1000)
    return max(times)


def pages(store: SqliteStore, kept: list[str]) -> bool:
    """What a dashboard asks a store that is in use; whether each was answered in time."""
    stored = StoredCalls(store)
    shown = kept[len(kept) // 3]
    next((store.folder / "calls").glob(f"*/{shown}/{JOURNAL}")).write_text(long_journal())
    lines = sum(1 for _ in store.journal(shown))
    asked: dict[str, Callable[[], object]] = {
        "list": lambda: stored.list(Asked(path={}, query=ListCalls(limit=50))),
        "list, after nine tenths": lambda: stored.list(
            Asked(path={}, query=ListCalls(limit=50, after=kept[len(kept) * 9 // 10]))
        ),
        "list, an agent's failed": lambda: stored.list(
            Asked(path={}, query=ListCalls(limit=50, agent="desk", outcome=Outcome.FAILED))
        ),
        "list, that cost more than any": lambda: stored.list(Asked(path={}, query=ListCalls(limit=50, min_usd=9))),
        "search, what all say": lambda: stored.list(Asked(path={}, query=ListCalls(text="half past five"))),
        "search, what some say": lambda: stored.list(Asked(path={}, query=ListCalls(text="apple510"))),
        "search, a piece of a word": lambda: stored.list(Asked(path={}, query=ListCalls(text="ple51"))),
        "search, what nobody says": lambda: stored.list(Asked(path={}, query=ListCalls(text="zebra crossing"))),
        f"a call's page, of {lines} lines": lambda: stored.page(Asked(path={"call_id": shown})),
        "overview": lambda: stored.overview(Asked(path={}, query=Filter())),
        "overview, of an agent": lambda: stored.overview(Asked(path={}, query=Filter(agent="desk"))),
        "overview, of two months": lambda: stored.overview(
            Asked(path={}, query=Filter(since=_day(STARTED + 30.5 * DAY_S), until=_day(STARTED + 90.2 * DAY_S)))
        ),
        "costs": lambda: stored.costs(Asked(path={}, query=Filter())),
    }
    in_time = True
    began = process_time()
    stored.overview(Asked(path={}, query=Filter()))
    print(f"the first overview adds up what has changed: {(process_time() - began) * 1000:.0f} ms")
    for name, ask in asked.items():
        took = most_ms(ask)
        in_time &= took <= PAGE_MS
        print(f"  page: {name:<38} {took:6.1f} ms")
    return in_time


def _day(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    turns = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    in_time = True
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        fill(folder, count, turns)
        began = perf_counter()
        kept = SqliteStore(folder).list(CallQuery(limit=None))
        print(f"{count} calls, {len(kept)} listed; the first list makes the index: {perf_counter() - began:.2f} s")
        began = perf_counter()
        SqliteStore(folder).reindex()
        print(f"reindex: {perf_counter() - began:.2f} s; the index has {(folder / INDEX).stat().st_size / 1e6:.1f} MB")
        assert SqliteStore(folder).list(CallQuery(limit=None)) == kept

        budget_ms = BUDGET_MS * max(1, count / 10_000)
        month = STARTED + 300 * DAY_S
        for name, query in {
            "the last 50": CallQuery(),
            "the next 50": CallQuery(after=kept[49].call_id),
            "the 50 after 9,000": CallQuery(after=kept[len(kept) * 9 // 10].call_id),
            "of an agent": CallQuery(agent="desk"),
            "that were interrupted": CallQuery(outcome="interrupted", limit=None),
            "of a number": CallQuery(number="+1 555 000 1234"),
            "of an agent, failed, in a month": CallQuery(
                since=month, until=month + 30 * DAY_S, agent="desk", outcome="failed", limit=None
            ),
            "all": CallQuery(limit=None),
        }.items():
            found = len(SqliteStore(folder).list(query))
            took = most_ms(lambda query=query: SqliteStore(folder).list(query))  # type: ignore[misc]
            in_time &= took <= budget_ms
            print(f"  {name:<32} {found:6} calls  {took:6.1f} ms")
        for name, query in {
            "all": CallQuery(),
            "of an agent": CallQuery(agent="desk"),
            "that said something": CallQuery(text="half past five"),
        }.items():
            told = SqliteStore(folder).stats(query)
            took = most_ms(lambda query=query: SqliteStore(folder).stats(query))  # type: ignore[misc]
            in_time &= took <= budget_ms
            print(f"  statistics {name:<21} {told.stages['total'].turns:6} turns  {took:6.1f} ms")
        store = SqliteStore(folder)
        store.list(CallQuery())
        in_time &= pages(store, [each.call_id for each in kept])
        print(f"a start that looks for abandoned calls: {most_ms(lambda: close_abandoned(SqliteStore(folder))):.1f} ms")
        began = perf_counter()
        exported = sum(1 for _ in store.export(CallQuery(limit=None)))
        print(f"export of {exported}: {perf_counter() - began:.2f} s")

        costs = []
        for number in range(200):
            began = perf_counter()
            keep(store, f"new{number}", STARTED)
            costs.append((perf_counter() - began) * 1e6)
        print(f"begin, one line, close: median {median(costs):.0f} us, most {max(costs):.0f}")
        assert len(store.list(CallQuery(limit=None))) == count + 200
    if not in_time:
        sys.exit("over the budget")


if __name__ == "__main__":
    main()
