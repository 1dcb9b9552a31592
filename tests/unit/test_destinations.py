"""Whom we may ring: a table of real numbering plans, the clocks of whoever is rung, and who wants no calls."""

from __future__ import annotations

import multiprocessing
from datetime import datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from patter_cli.destinations import CallingHours, DialRules, DoNotCall, check, find, read_allow, transfer_refusal
from patter_cli.errors import BadSetting, DestinationRefused, InputError

ROWS = [
    line.split("\t")
    for line in (Path(__file__).parents[1] / "data" / "destinations.tsv").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]
OURS, THEIRS = "+12025550100", "+12125550142"
SAID = {
    "premium": "premium-rate",
    "shared_cost": "shared-cost",
    "personal": "personal number",
    "satellite": "satellite",
    "international": "international network",
    "caribbean": "Caribbean",
    "special": "pager",
    "unassigned": "no range",
    "short": "emergency or short",
    "foreign": "is in",
}


def at(clock: str, zone: str = "America/New_York") -> float:
    """Unix time at which it is that late there, on a day in June."""
    return datetime.fromisoformat(f"2026-06-10T{clock}").replace(tzinfo=ZoneInfo(zone)).timestamp()


def test_the_table_is_large_enough() -> None:
    """Three hundred destinations and more, every verdict among them many times."""
    assert len({number for number, *_ in ROWS}) >= 300
    assert {verdict for _, _, _, verdict, _ in ROWS} == {*SAID, "ordinary", "malformed"}


@pytest.mark.parametrize(("number", "caller", "allow", "verdict", "what"), ROWS)
def test_destinations(number: str, caller: str, allow: str, verdict: str, what: str) -> None:
    """Each destination gets the verdict of its plan, and the reason is named."""
    rules = DialRules(allow=read_allow(() if allow == "-" else allow.split(",")), hours=None)
    if verdict == "ordinary":
        assert check(number, caller=caller, rules=rules, now_s=0).number == number
        return
    with pytest.raises(InputError) as refused:
        check(number, caller=caller, rules=rules, now_s=0)
    assert refused.value.exit_code == 2
    if verdict == "malformed":
        assert not isinstance(refused.value, DestinationRefused)
        assert "is no number" in str(refused.value)
    else:
        assert isinstance(refused.value, DestinationRefused)
        assert SAID[verdict] in str(refused.value)


@pytest.mark.parametrize(
    "wrong", ["+12025550142\n", " +12025550142", "+1202555014２", "+", "", "+1" * 20, None, 12025550142]
)
def test_a_number_is_matched_whole_and_in_ascii(wrong: object) -> None:
    """What is not exactly a number is never mended into one."""
    with pytest.raises(InputError, match="is no number"):
        find(wrong)  # type: ignore[arg-type]


def test_nobody_rings_itself() -> None:
    """An agent that rings its own number would talk to itself."""
    with pytest.raises(DestinationRefused, match="rung from"):
        check(OURS, caller=OURS, rules=DialRules(hours=None), now_s=0)


def test_what_may_be_allowed() -> None:
    """Countries and kinds, but no emergency number; what is neither is told what there is."""
    assert read_allow(["GB", " premium", ""]) == {"GB", "premium"}
    for wrong in ("short", "ordinary", "gb", "Germany", "001"):
        with pytest.raises(ValueError, match="countries like GB"):
            read_allow([wrong])


# --- hours -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("clock", "rings"), [("07:59", False), ("08:00", True), ("20:59:59", True), ("21:00", False)])
def test_hours_are_those_of_whoever_is_rung(clock: str, rings: bool) -> None:
    """New York is rung by New York's clock, wherever we are."""
    if rings:
        check(THEIRS, caller="+14155550100", rules=DialRules(), now_s=at(clock))
    else:
        with pytest.raises(DestinationRefused, match=rf"{clock[:5]} in America/New_York"):
            check(THEIRS, caller="+14155550100", rules=DialRules(), now_s=at(clock))


def test_summer_time_is_theirs_too() -> None:
    """The same second of the day is allowed in June and not in December."""
    june = datetime(2026, 6, 10, 12, 30, tzinfo=ZoneInfo("UTC")).timestamp()
    december = datetime(2026, 12, 10, 12, 30, tzinfo=ZoneInfo("UTC")).timestamp()
    check(THEIRS, caller=OURS, rules=DialRules(), now_s=june)
    with pytest.raises(DestinationRefused, match="07:30"):
        check(THEIRS, caller=OURS, rules=DialRules(), now_s=december)


def test_a_number_that_may_lie_in_several_zones_needs_them_all() -> None:
    """Freephone may be answered anywhere in North America: noon in New York is early in the morning in Hawaii."""
    with pytest.raises(DestinationRefused, match="where \\+18005550123 may be"):
        check("+18005550123", caller=OURS, rules=DialRules(), now_s=at("12:00"))
    russian = find("+79161234567")
    assert len(russian.zones) > 5
    assert CallingHours().closed_in(("Europe/Rome", "Asia/Tokyo"), at("18:00", "Europe/Rome")) == "01:00 in Asia/Tokyo"


def test_where_nobody_knows_the_time_nobody_rings() -> None:
    """A satellite telephone is nowhere; at any time it may be."""
    allowed = frozenset({"satellite"})
    with pytest.raises(DestinationRefused, match="what time it is"):
        check("+881612345678", caller=OURS, rules=DialRules(allow=allowed), now_s=at("12:00"))
    check("+881612345678", caller=OURS, rules=DialRules(allow=allowed, hours=None), now_s=at("12:00"))


@pytest.mark.parametrize("wrong", ["", "9", "21:00-08:00", "08:00-08:00", "always", "08:00-21:00-22:00", "25:00-26:00"])
def test_hours_that_are_none(wrong: str) -> None:
    """What a day cannot hold is refused."""
    with pytest.raises(ValueError, match="08:00-21:00"):
        CallingHours.parse(wrong)


def test_hours_are_read_and_written() -> None:
    """As one types them; "any" is at any time."""
    assert str(CallingHours.parse("09:30-17:00")) == "09:30-17:00"
    assert CallingHours.parse("any") is None


# --- who wants no calls ------------------------------------------------------------------------------------------


def test_who_opted_out_is_not_rung(tmp_path: Path) -> None:
    """From the next call on; the file says when and why, and a number stands in it once."""
    unwanted = DoNotCall(tmp_path / "new" / "do-not-call.txt")
    rules = DialRules(hours=None, do_not_call=unwanted)
    check(THEIRS, caller=OURS, rules=rules, now_s=0)
    for _ in range(2):
        unwanted.add(THEIRS, "asked on call C1\nand +13125550142 too", at("12:00"))
    with pytest.raises(DestinationRefused, match="wants no calls"):
        check(THEIRS, caller=OURS, rules=rules, now_s=0)
    (line,) = unwanted.path.read_text().splitlines()
    assert line.startswith(THEIRS)
    assert "asked on call C1 and" in line
    assert unwanted.numbers() == {THEIRS}


def test_a_list_that_a_person_keeps(tmp_path: Path) -> None:
    """Spaces, dashes, comments and empty lines are fine."""
    unwanted = DoNotCall(tmp_path / "list")
    unwanted.path.write_text("# nobody\n\n+1 (212) 555-0142  # a customer\n+44 20 7946 0018\n")
    assert unwanted.numbers() == {"+12125550142", "+442079460018"}


def test_a_list_that_cannot_be_read_stops_every_call(tmp_path: Path) -> None:
    """A line that is no number, bytes that are no text, a folder in its place: nobody knows who is on it."""
    unwanted = DoNotCall(tmp_path / "list")
    rules = DialRules(hours=None, do_not_call=unwanted)
    unwanted.path.write_text(f"{THEIRS}\n2125550142\n")
    with pytest.raises(BadSetting, match=r"list:2 is no number"):
        check(THEIRS, caller=OURS, rules=rules, now_s=0)
    unwanted.path.write_bytes(b"\xff\xfe")
    with pytest.raises(BadSetting, match="cannot be read"):
        check(THEIRS, caller=OURS, rules=rules, now_s=0)
    unwanted.path.unlink()
    unwanted.path.mkdir()
    with pytest.raises(BadSetting, match="cannot be read"):
        check(THEIRS, caller=OURS, rules=rules, now_s=0)


def test_no_number_is_not_written_down(tmp_path: Path) -> None:
    """A withheld number, or a line of the file of one's own: refused, and nothing is made."""
    unwanted = DoNotCall(tmp_path / "list")
    for wrong in ("", "anonymous", f"{THEIRS}\n+13125550142"):
        with pytest.raises(InputError):
            unwanted.add(wrong, "", 0)
    assert not unwanted.path.exists()


def _add(path: Path, first: int) -> None:
    for each in range(50):
        DoNotCall(path).add(f"+1212555{first + each:04}", "asked", 0)


def test_two_processes_write_it_at_once(tmp_path: Path) -> None:
    """No line is lost or mixed with another."""
    path = tmp_path / "list"
    both = [multiprocessing.get_context("spawn").Process(target=_add, args=(path, 100 * n)) for n in (1, 2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert len(DoNotCall(path).numbers()) == 100


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("+12125550150", ""),
        ("+12125550150;ext=12", ""),
        ("+19005550123", "premium"),
        ("+8816123456789", "satellite"),
        ("+442079460018", "in GB"),
        ("+12025550100", "it would be rung from"),
        ("911", "emergency"),
        ("sales", "no number"),
    ],
)
def test_whom_callers_are_put_through_to(number: str, why: str) -> None:
    """By the rules for dialling, at any hour and as often as they ask; without a number of ours by its kind alone."""
    shut = DialRules(hours=CallingHours(start=time(3), end=time(3, 1)))
    said = transfer_refusal(number, ours="+12025550100", rules=shut)
    assert why in said
    assert bool(said) is bool(why)
    unknown = transfer_refusal(number, ours="", rules=shut)
    assert bool(unknown) is (bool(why) and why not in ("in GB", "it would be rung from"))


def test_nobody_is_put_through_to_whoever_wants_no_calls(tmp_path: Path) -> None:
    """Nor where it cannot be known."""
    unwanted = DoNotCall(tmp_path / "list")
    unwanted.add("+12125550150", "asked", 0.0)
    rules = DialRules(do_not_call=unwanted)
    assert "wants no calls" in transfer_refusal("+12125550150", ours="", rules=rules)
    assert transfer_refusal("+12125550151", ours="", rules=rules) == ""
    unwanted.path.write_text("x")
    assert "is no number" in transfer_refusal("+12125550151", ours="", rules=rules)
