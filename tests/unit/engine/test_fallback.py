"""Who is asked when a provider fails, and who is asked last for a while."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from patter_cli import DeepgramSTT
from patter_cli.contracts.provider import Keyless, missing_members, name_of
from patter_cli.contracts.stt import SpeechToText
from patter_cli.engine.fallback import (
    EARS,
    FORGOTTEN_S,
    LONGEST_REST_S,
    LONGEST_WAIT_S,
    MIND,
    OPEN_AFTER,
    PROBE_S,
    VOICE,
    Breakers,
    Chain,
    Fault,
    Hindrance,
    Policy,
    fault_of,
)
from patter_cli.errors import (
    BadReply,
    MissingCredential,
    NoCredit,
    NotOffered,
    ProviderError,
    RateLimited,
    TimedOut,
    Unauthorized,
    Unavailable,
)

DOWN = Unavailable("down", provider="x")
LATE = TimedOut("late", provider="x")
REFUSED = Unauthorized("no", provider="x")
WRONG = BadReply("what", provider="x")


@dataclass(frozen=True, slots=True)
class Vendor(Keyless):
    """Nobody else is this one, whatever it is called."""

    name: str


A, B, C = Vendor("a"), Vendor("b"), Vendor("c")


def chain(policy: Policy, *vendors: Vendor) -> Chain[Vendor]:
    return Chain(vendors, policy, Breakers(), 0.0)


def asked(policy: Policy, error: Exception) -> str:
    """Everybody who is asked when both fail like this, in order."""
    walk, order = chain(policy, A, B), ""
    while True:
        order += walk.recipe.name
        if walk.failed(error, 0.0) is None:
            return order


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (REFUSED, Fault.REFUSED),
        (MissingCredential("no key"), Fault.REFUSED),
        (RateLimited("later", provider="x"), Fault.BUSY),
        (LATE, Fault.LATE),
        (TimeoutError(), Fault.LATE),
        (DOWN, Fault.DOWN),
        (ConnectionResetError(), Fault.DOWN),
        (WRONG, Fault.WRONG),
        (NoCredit("nothing left", provider="x"), Fault.REFUSED),
        (NotOffered("no such model", provider="x"), Fault.REFUSED),
        (ProviderError("odd", provider="x"), Fault.WRONG),
        (ZeroDivisionError(), Fault.BUG),
    ],
)
def test_every_failure_is_of_a_kind(error: Exception, fault: Fault) -> None:
    """Also those that an adapter did not translate."""
    assert fault_of(error) is fault


@pytest.mark.parametrize(
    ("error", "policy", "order"),
    [
        (DOWN, MIND, "aabb"),
        (DOWN, EARS, "aaabbb"),
        (DOWN, VOICE, "aabb"),
        (LATE, MIND, "ab"),
        (LATE, EARS, "abbb"),
        (LATE, VOICE, "abb"),
        (WRONG, MIND, "ab"),
        (WRONG, VOICE, "abb"),
        (ZeroDivisionError(), EARS, "abbb"),
        (REFUSED, MIND, "ab"),
        (REFUSED, EARS, "ab"),
        (REFUSED, VOICE, "ab"),
        (RateLimited("later", provider="x"), VOICE, "aabb"),
        (RateLimited("later", provider="x", retry_after_s=LONGEST_WAIT_S), MIND, "aabb"),
        (RateLimited("later", provider="x", retry_after_s=LONGEST_WAIT_S + 0.1), EARS, "ab"),
    ],
)
def test_what_may_help_is_tried(error: Exception, policy: Policy, order: str) -> None:
    """The same again if it may be up by then; otherwise the next; the last one of ears and voice whatever it was."""
    assert asked(policy, error) == order


def test_a_failure_in_the_middle_is_nobody_elses_turn() -> None:
    """The caller must not hear two beginnings."""
    assert chain(MIND, A, B).failed(DOWN, 0.0, begun=True) is None


def test_the_wait_grows_and_a_vendor_may_set_it() -> None:
    """Seconds: a part of the backoff by chance, or exactly what the vendor asks for; none before another provider."""
    walk = chain(EARS, A, B)
    first, second, other = (walk.failed(DOWN, 0.0) for _ in range(3))
    assert first is not None
    assert second is not None
    assert EARS.backoff_s / 2 <= first <= EARS.backoff_s
    assert EARS.backoff_s <= second <= EARS.backoff_s * 2
    assert other == 0.0
    assert chain(MIND, A).failed(RateLimited("later", provider="x", retry_after_s=1.5), 0.0) == 1.5


def test_one_in_trouble_is_asked_last_and_then_tried_again() -> None:
    """After some failures running, of any call; every PROBE_S by one request; a success ends it."""
    breakers = Breakers()
    for _ in range(OPEN_AFTER - 1):
        breakers.failed(A, DOWN, 100.0)
    assert breakers.ordered([A, B], 100.0) == [A, B]
    breakers.failed(A, DOWN, 100.0)
    assert breakers.ordered([A, B], 100.0 + PROBE_S - 0.1) == [B, A]
    assert breakers.is_open(A, 101.0)
    assert breakers.ordered([A, B], 100.0 + PROBE_S) == [A, B]
    assert breakers.ordered([A, B], 100.0 + PROBE_S) == [B, A], "one request is enough to find out"
    breakers.failed(A, DOWN, 116.0)
    assert breakers.ordered([A, B], 116.0 + PROBE_S - 0.1) == [B, A]
    breakers.succeeded(A)
    assert breakers.ordered([A, B], 117.0) == [A, B]


def test_a_probe_that_never_ends_is_followed_by_another() -> None:
    """The request that tried it was cut off by its caller: nobody knows more."""
    breakers = Breakers()
    for _ in range(OPEN_AFTER):
        breakers.failed(A, DOWN, 0.0)
    assert breakers.ordered([A, B], PROBE_S) == [A, B]
    assert breakers.ordered([A, B], 2 * PROBE_S - 0.1) == [B, A]
    assert breakers.ordered([A, B], 2 * PROBE_S) == [A, B]


def test_some_failures_say_enough_at_once() -> None:
    """A refused key will be refused in the next call too, and a vendor's own word for when is taken."""
    breakers = Breakers()
    breakers.failed(A, REFUSED, 0.0)
    breakers.failed(B, RateLimited("later", provider="x", retry_after_s=60.0), 0.0)
    breakers.failed(C, RateLimited("soon", provider="x", retry_after_s=0.5), 0.0)
    assert breakers.ordered([A, B, C], 1.0) == [C, A, B]
    assert breakers.ordered([A, B, C], PROBE_S) == [A, C, B]
    assert breakers.ordered([B], 59.0) == [B], "somebody must be asked"
    assert breakers.is_open(B, 59.0)
    assert not breakers.is_open(B, 60.0)


def test_whoever_answered_goes_on_unless_in_trouble() -> None:
    """A voice that stood in stays; when it fails call after call, the others are asked before it."""
    breakers = Breakers()
    assert Chain([A, B], VOICE, breakers, 0.0, first=B).recipe == B
    for _ in range(OPEN_AFTER):
        breakers.failed(B, DOWN, 0.0)
    assert Chain([A, B], VOICE, breakers, 1.0, first=B).recipe == A


def test_equal_recipes_are_one_vendor() -> None:
    """on_call_start may make one for each call, which would find out anew, also with other words to listen for or in
    another voice; another model is another service. One that has no hash is known as itself."""
    breakers = Breakers()
    breakers.failed(DeepgramSTT("k", keyterms=("Ada",)), REFUSED, 0.0)
    assert breakers.is_open(DeepgramSTT("k", keyterms=("Bob",), language="es"), 1.0)
    assert not breakers.is_open(DeepgramSTT("k2"), 1.0)
    assert not breakers.is_open(DeepgramSTT("k", model="flux-general-en"), 1.0)
    breakers.failed(Vendor("a"), REFUSED, 0.0)
    assert breakers.is_open(Vendor("a"), 1.0)
    own: list[str] = []
    breakers.failed(own, REFUSED, 0.0)
    assert breakers.is_open(own, 1.0)
    assert not breakers.is_open([], 1.0)


def failing(vendor: Vendor, error: Exception = DOWN, now_s: float = 0.0) -> Breakers:
    breakers = Breakers()
    for _ in range(OPEN_AFTER):
        breakers.failed(vendor, error, now_s)
    return breakers


def test_a_call_need_not_begin_where_nobody_could_hear_it() -> None:
    """While all who stand in for one another are in trouble; then one call finds out for all, and a success opens."""
    breakers = failing(A)
    assert breakers.hindrance([(B,), (A, C)], 1.0, rung=False) is None, "another stands in"
    assert breakers.hindrance([(), (B,), (A,)], 1.0, rung=False) == Hindrance(why="Vendor fails: down", refused=False)
    assert breakers.hindrance([(A,)], PROBE_S - 0.1, rung=False)
    assert not breakers.hindrance([(A,)], PROBE_S, rung=False), "one may try"
    assert breakers.hindrance([(A,)], PROBE_S, rung=False), "and one is enough"
    assert not breakers.hindrance([(A,)], 2 * PROBE_S, rung=False), "it was never heard of again"
    breakers.succeeded(A)
    assert not breakers.hindrance([(A,)], 2 * PROBE_S, rung=False)


def test_trouble_that_is_long_ago_keeps_nobody_out() -> None:
    """Whoever calls hours later is let in, and so is everybody after them, though nothing has answered since."""
    breakers = failing(A)
    for at in (FORGOTTEN_S, FORGOTTEN_S, 6 * 3600.0, 6 * 3600.0):
        assert not breakers.hindrance([(A,)], at, rung=False)


def test_whom_we_would_ring_waits_longer_each_time() -> None:
    """A list finds out once in 15, 30, 60 s, at last in ten minutes, and not once for every 15 s of an outage."""
    breakers, now_s, waited = failing(A), 0.0, []
    for _ in range(9):
        since_s = now_s
        while breakers.hindrance([(A,)], now_s, rung=True):
            now_s += 1.0
        waited.append(now_s - since_s)
        assert breakers.hindrance([(A,)], now_s, rung=True), "one finds out for all"
        breakers.failed(A, DOWN, now_s)
        breakers.failed(A, DOWN, now_s + 0.3)
    assert waited[:5] == pytest.approx([15, 30, 60, 120, 240], abs=2)
    assert waited[-1] == pytest.approx(LONGEST_REST_S, abs=2)
    breakers.succeeded(A)
    assert not breakers.hindrance([(A,)], now_s, rung=True)


def test_a_vendors_word_for_when_keeps_nobody_out_for_a_day() -> None:
    """It is asked last for so long; but only three failures close a door, and never for longer than we say."""
    breakers = Breakers()
    breakers.failed(A, Unavailable("closed", provider="x", retry_after_s=86400.0), 0.0)
    assert breakers.is_open(A, 3600.0)
    assert not breakers.hindrance([(A,)], 1.0, rung=False)
    for _ in range(OPEN_AFTER):
        breakers.failed(A, Unavailable("closed", provider="x", retry_after_s=86400.0), 1.0)
    assert breakers.hindrance([(A,)], 2.0, rung=False)
    assert not breakers.hindrance([(A,)], 1.0 + FORGOTTEN_S, rung=False)


def test_nobody_tries_for_a_call_that_cannot_begin() -> None:
    """The time of one stage has come, that of another has not: the first is there for the call that may."""
    breakers = failing(A)
    for _ in range(OPEN_AFTER):
        breakers.failed(B, DOWN, 10.0)
    assert breakers.hindrance([(A,), (B,)], PROBE_S, rung=False)
    assert not breakers.hindrance([(A,)], PROBE_S, rung=False)


@pytest.mark.parametrize(
    ("error", "hinders"),
    [
        (DOWN, True),
        (LATE, True),
        (REFUSED, True),
        (RateLimited("later", provider="x"), True),
        (TimeoutError(), False),
        (NoCredit("nothing left", provider="x"), True),
        (NotOffered("no such model", provider="x"), True),
        (WRONG, False),
        (ZeroDivisionError(), False),
        (FileNotFoundError(), False),
    ],
)
def test_only_what_the_next_call_would_find_as_well_hinders_it(error: Exception, hinders: bool) -> None:
    """An answer that was wrong, or a bug, may be that one call's."""
    found = failing(A, error).hindrance([(A,)], 1.0, rung=False)
    assert (found is not None) == hinders
    assert found is None or found.refused == (fault_of(error) is Fault.REFUSED)


def test_trouble_is_remembered_within_bounds() -> None:
    """An agent that makes a new provider for each call does not fill the memory."""
    breakers = Breakers()
    for _ in range(2000):
        breakers.failed(object(), DOWN, 0.0)
    assert len(breakers._trouble) <= 256


def test_the_log_says_what_happened_and_what_was_decided(caplog: pytest.LogCaptureFixture) -> None:
    """Stage, provider, kind, attempt, decision and the vendor's words, in one line each."""

    class Acme(Keyless):
        pass

    class Beta(Keyless):
        pass

    walk: Chain[Keyless] = Chain([Acme(), Beta()], VOICE, Breakers(), 0.0)
    for error in (DOWN, DOWN, TimeoutError(), LATE):
        walk.failed(error, 0.0)
    one, two, three, four = (record.getMessage() for record in caplog.records)
    assert one.startswith("the voice: Acme is down (1 of 2), again in 0.")
    assert two == "the voice: Acme is down (2 of 2), Beta is asked instead: down"
    assert three.startswith("the voice: Beta is late (1 of 2), again in 0.")
    assert three.endswith("TimeoutError()")
    assert four == "the voice: Beta is late (2 of 2), given up: late"


def test_a_class_of_ones_own_goes_by_its_name() -> None:
    """And what it lacks of its contract is known before the first ring."""

    class Ears:
        rate_hz = 8000

    assert name_of(Ears()) == "Ears"
    assert sorted(missing_members(Ears(), SpeechToText)) == ["open", "speech_only", "warm"]
