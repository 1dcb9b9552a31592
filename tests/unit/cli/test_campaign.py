"""A list that is rung, killed, interrupted and gone on with; somebody else makes the calls."""

from __future__ import annotations

import asyncio
import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from patter_cli.call_result import CallResult
from patter_cli.cli.campaign import Campaign, Pace, read_retries
from patter_cli.cli.forecast import CallGuess, guess_call
from patter_cli.cli.list_told import ListLines
from patter_cli.cli.people import COLUMNS, Results, read_people
from patter_cli.contracts.store import AbandonedCall, CallQuery, CallRecord, CallRow
from patter_cli.core.outcome import Outcome
from patter_cli.destinations import DialRules
from patter_cli.dial_quota import DialLimits, DialQuota
from patter_cli.errors import (
    CallRejected,
    InputError,
    KeyRefused,
    NoRoom,
    NotReachable,
    PatterError,
    ServerGone,
    Stopping,
)
from patter_cli.server.control_messages import PlaceCall
from patter_cli.stores.nothing import NoStore
from patter_cli.tui.view import ListProgress

FROM = "+12025550100"
WANTED = PlaceCall(to=FROM, from_number=FROM, agent="hum", variables={"shop": "Acme"})
GUESS = CallGuess(seconds=60.0, usd=0.02, because="in this test")
HEADER = ",".join(COLUMNS)


class Killed(BaseException):
    """What `kill -9` is to a run: nothing after it is done."""


class Company:
    """Makes calls; the last digit of a number says what becomes of it. 2 answers, 3 is busy, 4 does not answer, 5 is
    refused, 6 rings until it is called off, 7 is one of which nobody knows."""

    def __init__(self) -> None:
        self.rung: list[str] = []
        self.variables: list[Mapping[str, str]] = []
        self.at_once = self.most_at_once = 0
        self.kill_at: int | None = None
        """After so many dials."""
        self.off: dict[str, asyncio.Event] = {}
        self.times_s: list[float] = []
        self.full = 0
        """So many dials find no room."""
        self.gone: PatterError | None = None
        self.gone_at = 0
        """After so many dials the server is gone, as this error says."""

    async def dial(self, wanted: PlaceCall) -> str:
        if self.full:
            self.full -= 1
            raise NoRoom("every line is busy")
        if self.gone is not None and len(self.rung) >= self.gone_at:
            raise self.gone
        self.rung.append(wanted.to)
        self.variables.append(wanted.variables)
        self.times_s.append(asyncio.get_running_loop().time())
        if self.kill_at is not None and len(self.rung) >= self.kill_at:
            raise Killed
        call_id = f"C{len(self.rung)}{wanted.to[-1]}"
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        if wanted.to[-1] in "57":
            self.at_once -= 1
            raise CallRejected("no") if wanted.to[-1] == "5" else NotReachable("the carrier did not say")
        self.off[call_id] = asyncio.Event()
        return call_id

    async def result(self, call_id: str) -> CallResult:
        if call_id not in self.off:
            raise InputError("no such call was made here")
        kind = call_id[-1]
        if kind == "6":
            await self.off[call_id].wait()
        await asyncio.sleep(0)
        self.at_once -= 1
        outcome = {"2": Outcome.ANSWERED, "3": Outcome.BUSY, "4": Outcome.NO_ANSWER, "6": Outcome.CANCELED}[kind]
        return result(call_id, outcome)

    async def cancel(self, call_id: str) -> None:
        self.off[call_id].set()


class Store(NoStore):
    """Knows some calls."""

    def __init__(self, *rows: CallRow, costs: float | None = None) -> None:
        self.rows = rows
        self._costs = costs

    def list(self, query: CallQuery) -> tuple[CallRow, ...]:
        return tuple(
            each
            for each in self.rows
            if query.number in (None, each.callee) and each.started_at >= (query.since or 0.0)
        )

    def get(self, call_id: str) -> CallRecord | None:
        return next((each for each in self.export(CallQuery()) if each.row.call_id == call_id), None)

    def export(self, query: CallQuery) -> Iterator[CallRecord]:
        for each in self.rows:
            yield CallRecord(row=each, facts={"cost": {"usd": self._costs}})

    def abandoned(self) -> Iterator[AbandonedCall]:
        return iter(())


def result(call_id: str, outcome: Outcome) -> CallResult:
    given: dict[str, Any] = {"carrier_call_id": "", "agent": "hum", "caller": FROM, "callee": "", "answered_by": ""}
    return CallResult(call_id=call_id, outcome=outcome, reason="r", duration=1.0, history=(), **given)


def row(call_id: str, callee: str, outcome: str | None, started_at: float, seconds: float = 50.0) -> CallRow:
    given: dict[str, Any] = {"agent": "hum", "caller": FROM, "direction": "outbound", "carrier": "acme", "turns": 1}
    return CallRow(
        call_id=call_id, callee=callee, outcome=outcome, started_at=started_at, reason="", duration_s=seconds, **given
    )


def number(index: int, kind: str) -> str:
    return f"+1212555{index:03}{kind}"


def listed(folder: Path, *numbers: str) -> Path:
    path = folder / "people.csv"
    path.write_text("number,name\n" + "".join(f"{each},Ada\n" for each in numbers))
    return path


def campaign(
    path: Path, *, rules: DialRules | None = None, store: Any = None, told: Any = None, **pace: Any
) -> Campaign:
    return Campaign(
        read_people(path),
        WANTED,
        Pace(**{"calls_per_s": 1e6, **pace}),
        rules=rules or DialRules(hours=None),
        guess=GUESS,
        store=store or Store(),
        told=told or ListLines(bar=False),
    )


def outcomes(path: Path) -> dict[str, str]:
    """The last word about each number."""
    with path.with_suffix(".results.csv").open(newline="") as file:
        return {each["number"].removeprefix("'"): each["outcome"] for each in csv.DictReader(file)}


async def test_five_hundred_are_rung_twenty_at_a_time_killed_and_gone_on_with(tmp_path: Path) -> None:
    """Nobody is rung twice, whoever was being rung when it was killed is not rung again, and in the end everybody has
    an outcome."""
    numbers = [number(index, "2345"[index % 4]) for index in range(500)]
    path = listed(tmp_path, *numbers)
    company = Company()
    for kill_at in (120, 333):
        company.kill_at = kill_at
        with pytest.raises(BaseException):  # noqa: B017, PT011 - a group of them, as the case may be
            await campaign(path, concurrency=20).run(company)
        company.off.clear()  # that server is gone
    company.kill_at = None
    assert await campaign(path, concurrency=20).run(company) == 1
    assert Counter(company.rung).most_common(1)[0][1] == 1
    assert set(company.rung) == set(numbers)
    assert 10 < company.most_at_once <= 60
    said = outcomes(path)
    assert said.keys() == set(numbers)
    kinds = {"2": "answered", "3": "busy", "4": "no_answer", "5": "failed"}
    wrong = {each: word for each, word in said.items() if word not in (kinds[each[-1]], "unknown")}
    assert wrong == {}
    assert sum(word == "unknown" for word in said.values()) <= 40
    assert company.variables[0] == {"shop": "Acme", "name": "Ada"}


async def test_what_an_earlier_run_left_open_is_looked_up(tmp_path: Path) -> None:
    """At the server that made the call, then in what is kept; who is found to have been busy may be rung again."""
    path = listed(tmp_path, number(1, "2"), number(2, "3"), number(3, "4"), number(4, "2"))
    at = 1_795_305_000
    path.with_suffix(".results.csv").write_text(
        "number,attempt,outcome,reason,answered_by,duration_s,call_id,at\n"
        f"'{number(1, '2')},1,dialling,,,,,{at}\n'{number(1, '2')},1,rings,,,,C12,{at}\n"
        f"'{number(2, '3')},1,dialling,,,,,{at}\n"
        f"'{number(3, '4')},1,dialling,,,,,{at}\n"
        f"'{number(4, '2')},1,dialling,,,,,{at}\n'{number(4, '2')},1,rings,,,,C-gone,{at}\n"
    )
    company = Company()
    company.off["C12"] = asyncio.Event()
    kept = Store(
        row("C-before", number(3, "4"), "busy", at - 60),
        row("C2", number(2, "3"), "busy", at + 0.2),
        row("C-gone", number(4, "2"), "voicemail", at + 0.5),
    )
    await campaign(path, store=kept, retries={"busy": 1}).run(company)
    assert company.rung == [number(2, "3")]
    assert outcomes(path) == {
        number(1, "2"): "answered",
        number(2, "3"): "busy",
        number(3, "4"): "unknown",
        number(4, "2"): "voicemail",
    }


async def test_a_call_of_which_nobody_knows_is_never_rung_again(tmp_path: Path) -> None:
    """However many retries are asked for, in this run or the next."""
    path = listed(tmp_path, number(1, "7"), number(2, "5"))
    company = Company()
    for _ in range(3):
        assert await campaign(path, retries={"busy": 9, "no_answer": 9, "failed": 1}).run(company) == 1
    assert Counter(company.rung) == {number(1, "7"): 1, number(2, "5"): 2}
    assert outcomes(path) == {number(1, "7"): "unknown", number(2, "5"): "failed"}


async def test_retries_go_by_outcome_and_come_after_everybody(tmp_path: Path) -> None:
    """Busy twice again, no answer once, refused never."""
    path = listed(tmp_path, number(1, "3"), number(2, "4"), number(3, "5"), number(4, "2"))
    company = Company()
    await campaign(path, retries=read_retries("busy=2,no_answer=1")).run(company)
    assert company.rung == [
        *(number(1, "3"), number(2, "4"), number(3, "5"), number(4, "2")),
        *(number(1, "3"), number(2, "4")),
        number(1, "3"),
    ]


async def test_interrupted_it_calls_off_what_rings_and_writes_that_down(tmp_path: Path) -> None:
    """Ctrl-C: nobody is rung any more, and nobody is left with a telephone that rings for nothing."""
    path = listed(tmp_path, *(number(index, "6") for index in range(9)))
    company = Company()
    run = asyncio.create_task(campaign(path, concurrency=3).run(company))
    await asyncio.sleep(0.05)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert len(company.rung) == 3
    assert set(outcomes(path).values()) == {"canceled"}
    assert company.at_once == 0


class Heard(ListLines):
    """What a screen is told."""

    def __init__(self) -> None:
        super().__init__(bar=False)
        self.seen: list[ListProgress] = []

    def progress(self, progress: ListProgress) -> None:
        self.seen.append(progress)


async def test_how_far_it_is_is_told_all_the_way(tmp_path: Path) -> None:
    """Two rounds: nobody is counted twice or lost, and at the end nobody is left; an earlier run counts as done."""
    path = listed(tmp_path, *(number(index, "2345"[index % 4]) for index in range(12)), "+19005550142")
    company, heard = Company(), Heard()
    await campaign(path, concurrency=3, retries={"busy": 1}, told=heard).run(company)
    assert all(
        min(each.done, each.ringing, each.left, each.again) >= 0 and each.refused == 1 and each.people == 13
        for each in heard.seen
    )
    assert max(each.ringing for each in heard.seen) == 3
    assert max(each.again for each in heard.seen) == 3
    last = heard.seen[-1]
    assert (last.done, last.left, last.again, last.ringing) == (12, 0, 0, 0)
    assert dict(last.outcomes) == {"answered": 3, "busy": 3, "no_answer": 3, "failed": 3}
    again = Heard()
    await campaign(path, retries={"busy": 1}, told=again).run(company)
    assert again.seen[0].done == 12


async def test_interrupted_it_says_how_many_are_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At once that nobody else is rung, and at the end what the same command would go on with."""
    path = listed(tmp_path, *(number(index, "6") for index in range(9)))
    heard = Heard()
    run = asyncio.create_task(campaign(path, concurrency=3, told=heard).run(Company()))
    await asyncio.sleep(0.05)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert heard.seen[-1].stopping
    assert "3 canceled; 6 left: the same command goes on with them" in capsys.readouterr().out


async def test_new_calls_keep_their_pace(tmp_path: Path) -> None:
    """Fifty in a second, though a hundred could ring at once."""
    path = listed(tmp_path, *(number(index, "2") for index in range(11)))
    company = Company()
    await campaign(path, concurrency=100, calls_per_s=50.0).run(company)
    assert company.times_s[-1] - company.times_s[0] >= 0.15


def test_the_forecast_says_all_before_the_first_ring(tmp_path: Path) -> None:
    """Whom not and why, how long with so many at once, and for how much."""
    path = listed(tmp_path, *(number(index, "2") for index in range(40)), "+19005550123", number(0, "2"))
    said = campaign(path, concurrency=20, calls_per_s=1.0).forecast().render()
    assert "not rung: +19005550123: +19005550123 is a premium-rate number" in said
    assert f"not rung: {number(0, '2')}: it is on the list twice" in said
    assert "40 to ring, 0 done before, 2 refused; about 2 min, about $0.80 (in this test)" in said


def test_a_day_has_its_calls(tmp_path: Path) -> None:
    """Who is beyond the limit is named in the forecast, not found out by ringing."""
    quota = DialQuota(tmp_path / "dialled", DialLimits(all_a_day=2))
    path = listed(tmp_path, *(number(index, "2") for index in range(5)))
    forecast = campaign(path, rules=DialRules(hours=None, quota=quota)).forecast()
    assert (len(forecast.to_ring), len(forecast.refused)) == (2, 3)
    assert "max_per_day" in forecast.refused[0][1]


def test_a_call_is_guessed_from_those_before() -> None:
    """What the agent's calls took and cost; without any, or where a cost is unknown, that is said."""
    before = (row("C1", "+1", "answered", 0.0, 50.0), row("C2", "+1", "busy", 0.0, 0.0))
    guess = guess_call(Store(*before, costs=0.1), "hum", "twilio", date(2026, 11, 28))
    assert (guess.seconds, guess.usd) == (35.0, pytest.approx(0.1))
    assert "last 2 calls of hum" in guess.because
    assert guess_call(Store(*before), "hum", "twilio", date(2026, 11, 28)).usd is None
    alone = guess_call(Store(), "hum", "twilio", date(2026, 11, 28))
    assert (alone.seconds, alone.usd) == (60.0, pytest.approx(0.018))
    assert "line alone" in alone.because
    assert guess_call(Store(), "hum", "acme", date(2026, 11, 28)).usd is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0", {"busy": 0, "no_answer": 0}),
        ("3", {"busy": 3, "no_answer": 3}),
        ("failed=1, busy=2", {"failed": 1, "busy": 2}),
    ],
)
def test_retries_are_read(text: str, found: dict[str, int]) -> None:
    """One number, or one for each outcome."""
    assert read_retries(text) == found


@pytest.mark.parametrize(
    "text", ["", "-1", "many", "busy", "busy=", "busy=x", "answered=1", "unknown=1", "busy=1,busy=2", "٣"]
)
def test_retries_that_are_none(text: str) -> None:
    """Never for whom we reached, nor where nobody knows whether it rang."""
    with pytest.raises(InputError, match="--retries"):
        read_retries(text)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("my own notes\n", "is not what became of a list"),
        ("my own notes, without an end", "is not what became of a list"),
        ("number;attempt;outcome\n", "is not what became of a list"),
        (f"{HEADER}\n+12125550012,1\n", "people.results.csv:2 cannot be read"),
        (f"{HEADER}\n+12125550012,1,,,,,,\n", "people.results.csv:2 cannot be read"),
        (f'{HEADER}\n"+1212\n', "unexpected end of data"),
        ("\xff\xfe\n", "it is not UTF-8"),
    ],
)
async def test_who_was_rung_is_known_or_nobody_is(tmp_path: Path, content: str, words: str) -> None:
    """A results file that is damaged or somebody else's says nothing of who was rung: it is left as it is, with nobody
    rung a second time."""
    path = listed(tmp_path, number(1, "2"))
    results = path.with_suffix(".results.csv")
    results.write_bytes(content.encode("latin-1"))
    company = Company()
    with pytest.raises(InputError, match=words):
        await campaign(path).run(company)
    assert company.rung == []
    assert results.read_bytes() == content.encode("latin-1")


@pytest.mark.parametrize("torn", ["", "number,atte", f"{HEADER}\n", f"{HEADER}\n+12125550012,1,diall"])
async def test_half_a_line_counts_for_nothing(tmp_path: Path, torn: str) -> None:
    """The power went while it was being written, and so before anybody was rung: they are rung now, and no line is
    joined to it."""
    path = listed(tmp_path, number(1, "2"))
    path.with_suffix(".results.csv").write_text(torn)
    company = Company()
    assert await campaign(path).run(company) == 0
    assert company.rung == [number(1, "2")]
    assert outcomes(path) == {number(1, "2"): "answered"}
    assert path.with_suffix(".results.csv").read_text().startswith(f"{HEADER}\n'+1212")


async def test_a_list_is_rung_by_one_at_a_time(tmp_path: Path) -> None:
    """Two terminals do not ring the same people; whoever comes later knows what the first has done."""
    path = listed(tmp_path, number(1, "2"), number(2, "2"))
    company, waiting = Company(), campaign(path)
    held = Results(path.with_suffix(".results.csv")).held()
    with held, pytest.raises(InputError, match="another patter call rings"):
        await campaign(path).run(company)
    assert await campaign(path).run(company) == 0
    assert await waiting.run(company) == 0
    assert sorted(company.rung) == [number(1, "2"), number(2, "2")]


async def test_somebody_who_may_not_be_rung_is_not_reached(tmp_path: Path) -> None:
    """The exit code says so to whoever runs it at night; one who is on the list twice was rung."""
    company = Company()
    path = listed(tmp_path, number(1, "2"), number(1, "2"))
    assert await campaign(path).run(company) == 0
    path = listed(tmp_path, number(1, "2"), "+19005550142")
    assert await campaign(path).run(company) == 1


def test_lists_that_are_none(tmp_path: Path) -> None:
    """Two columns of one name, and a file that is no list at all, which is not read to its end."""
    path = tmp_path / "people.csv"
    path.write_text("number,name,name\n+12125550142,Ada,Bob\n")
    with pytest.raises(InputError, match="more than one column name"):
        read_people(path)
    with pytest.raises(InputError, match="larger than 64 MB"):
        read_people(Path("/dev/zero"))


@pytest.mark.parametrize("gone", [ServerGone("server 7 does not answer"), Stopping("the server is stopping")])
async def test_without_its_server_a_run_stops(tmp_path: Path, gone: PatterError) -> None:
    """Killed or told to stop, it would have been asked for nothing: nobody else is given up, and the next run rings
    exactly those who were not."""
    numbers = [number(index, "2") for index in range(30)]
    path, company = listed(tmp_path, *numbers), Company()
    company.gone, company.gone_at = gone, 5
    with pytest.raises(type(gone)) as stopped:
        await campaign(path, concurrency=3).run(company)
    assert stopped.value.hint == "the same command, with a server, goes on where it was"
    assert company.rung == numbers[:5]
    company.gone = None
    assert await campaign(path, concurrency=3).run(company) == 0
    assert sorted(company.rung) == numbers
    assert set(outcomes(path).values()) == {"answered"}


async def test_a_vendor_that_refuses_our_key_stops_a_run(tmp_path: Path) -> None:
    """One that is down is waited for; this one would have everybody rung for an apology. Who is talking may go on."""
    numbers = [number(1, "2"), number(2, "6"), number(3, "2"), number(4, "2")]
    path, company = listed(tmp_path, *numbers), Company()
    company.gone, company.gone_at = KeyRefused("deepgram refuses us: the key is not valid"), 2
    run = asyncio.create_task(campaign(path, concurrency=2).run(company))
    await asyncio.sleep(0.2)
    assert company.rung == numbers[:2]
    assert not run.done(), "one is on the line still"
    next(iter(company.off[each] for each in company.off if each.endswith("6"))).set()
    with pytest.raises(KeyRefused, match="deepgram") as stopped:
        await run
    assert stopped.value.hint == "patter doctor; then the same command goes on where it was"
    company.gone = None
    await campaign(path).run(company)
    assert sorted(company.rung) == numbers


async def test_a_server_that_is_full_is_waited_for(tmp_path: Path) -> None:
    """Nobody counts as failed whom it had no room for."""
    path, company = listed(tmp_path, number(1, "2")), Company()
    company.full = 1
    assert await campaign(path).run(company) == 0
    assert company.rung == [number(1, "2")]
