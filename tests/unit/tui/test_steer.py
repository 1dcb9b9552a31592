"""Keys, and what comes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.core.carrier_events import Answered, DialRequested
from patter_cli.core.journal import Entry
from patter_cli.core.plan import CallPlan
from patter_cli.tui.fold import ScreenFold
from patter_cli.tui.steer import HangUp, Mute, Quit, Steering, press, read_keys
from patter_cli.tui.view import ScreenView
from tests.unit.tui.stored import MOMENTS, screen_at


def seen(steering: Steering | None = None, at_ms: int = MOMENTS["growing"]) -> ScreenView:
    """Two calls: orders' is the first of the list, the receptionist's began last."""
    fold = screen_at(at_ms)
    return fold.view(at_ms / 1000, shown=(steering or Steering()).shown(fold.newest))


def pressed(keys: str | list[str], steering: Steering | None = None, at_ms: int = MOMENTS["growing"]) -> Steering:
    """Where some keys lead that ask for nothing."""
    steering = steering or Steering()
    for key in keys:
        steering, action = press(steering, key, seen(steering, at_ms))
        assert action is None
    return steering


def test_who_only_rings_is_not_followed_while_somebody_talks() -> None:
    """Of a list there is always somebody who has just begun to ring; without a talk, the newest of them is shown."""
    fold = ScreenFold()

    def rings(call_id: str) -> None:
        dialled = DialRequested(
            call_id=call_id, caller="+12025550100", callee="+12025550101", carrier="lab",
            plan=CallPlan(agent="hum", system_prompt=""), ring_timeout_ms=25_000, wall_time=0.0,
        )  # fmt: skip
        fold.feed(call_id, Entry(at=0, event=dialled, commands=()), 0.0)

    rings("C1")
    rings("C2")
    assert fold.newest == "C2"
    fold.feed("C1", Entry(at=1, event=Answered(), commands=()), 0.0)
    rings("C3")
    assert fold.newest == "C1"


def test_without_a_choice_the_newest_call_is_followed() -> None:
    """f holds on to it, and lets go of it again."""
    assert seen().shown is not None
    assert seen().shown.row.call_id == "C-receptionist"  # type: ignore[union-attr]
    assert pressed("f").call_id == "C-receptionist"
    assert pressed("ff").call_id == ""


@pytest.mark.parametrize(
    ("keys", "chosen"),
    [
        (["up"], "C-orders"), (["k"], "C-orders"), (["up", "up", "up"], "C-orders"), (["down"], "C-receptionist"),
        (["up", "down"], "C-receptionist"), (["k", "j", "j"], "C-receptionist"), (["1"], "C-orders"),
        (["2"], "C-receptionist"), (["1", "9"], "C-orders"), (["1", "0"], "C-orders"), (["1", "escape"], ""),
    ],
)  # fmt: skip
def test_a_call_is_chosen_by_arrows_letters_and_numbers(keys: list[str], chosen: str) -> None:
    """The list's ends are its ends; a number that nobody has changes nothing."""
    assert pressed(keys).call_id == chosen


def test_a_call_that_was_chosen_stays_when_it_is_over() -> None:
    """Its transcript can still be read."""
    view = seen(pressed(["1"]), MOMENTS["over"])
    assert view.shown is not None
    assert view.shown.row.call_id == "C-orders"


def test_hanging_up_asks_first() -> None:
    """y does it; every other key does not, whatever else it means."""
    asks = pressed("1h")
    assert asks.asks == "C-orders"
    assert press(asks, "y", seen(asks)) == (Steering(call_id="C-orders"), HangUp(call_id="C-orders"))
    for key in ("n", "q", "h", "escape", "enter", "m"):
        assert press(asks, key, seen(asks)) == (Steering(call_id="C-orders"), None)


def test_what_is_over_can_be_neither_hung_up_nor_muted() -> None:
    """Nor can nothing."""
    for key in ("h", "x", "m"):
        assert press(Steering(), key, seen(at_ms=MOMENTS["over"])) == (Steering(), None)
        assert press(Steering(), key, ScreenView()) == (Steering(), None)


def test_mute_and_quit_are_done_at_once() -> None:
    """The one for the call that is shown, the other as Ctrl-C."""
    assert press(Steering(), "m", seen())[1] == Mute(call_id="C-receptionist", muted=True)
    assert press(Steering(), "q", seen())[1] == Quit()


def test_the_transcript_scrolls_back_and_returns() -> None:
    """Choosing another call begins at its end again."""
    assert pressed(["page up", "u"]).scrolled == 20
    assert pressed(["page up", "page down", "d"]).scrolled == 0
    assert pressed(["page up", "end"]).scrolled == 0
    assert pressed(["page up", "escape"]).scrolled == 0
    assert pressed(["page up", "1"]).scrolled == 0


def test_any_key_leaves_the_help() -> None:
    """And does nothing else: q there does not quit."""
    help = pressed("?")
    assert help.help
    assert press(help, "q", seen()) == (Steering(), None)


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"j", ["j"]), (b"\x1b[A\x1b[B", ["up", "down"]), (b"\x1bOA", ["up"]), (b"\x1b", ["escape"]),
        (b"\x1b[5~\x1b[6~", ["page up", "page down"]), (b"y\n", ["y", "enter"]), (b"\x1b[1;5C", []),
        (b"\x1b[200~rm -rf\x1b[201~", list("rm -rf")), (b"\x00\x07\xff", []), ("ü".encode(), []), (b"", []),
    ],
)  # fmt: skip
def test_bytes_are_keys(data: bytes, keys: list[str]) -> None:
    """As terminals of both modes send them; what is no key of ours is none."""
    assert read_keys(data) == keys


@given(st.binary(max_size=60))
def test_any_bytes_lead_somewhere(data: bytes) -> None:
    """Whatever is typed or pasted: no key raises, and without y nothing is hung up."""
    steering = Steering()
    for key in read_keys(data):
        steering, action = press(steering, key, seen(steering))
        assert not isinstance(action, HangUp) or b"y" in data.lower()
