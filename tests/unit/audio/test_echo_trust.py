"""Whose voice an echo canceller leaves: ours, or may it be the caller's."""

from __future__ import annotations

import pytest

from patter_cli.audio.echo_trust import BEGIN_MS, FLOOR_MS, PAUSE_MS, TRUST_MS, EchoTrust

FRAME = 160
DELAY = 960


def heard_before() -> EchoTrust:
    """A canceller that has taken out an echo of power 100 for as long as it takes to be trusted, then we paused."""
    trust = EchoTrust(8000)
    pass_time(trust, TRUST_MS + 100, sounds=True, power=100.0, echo=100.0)
    pass_time(trust, PAUSE_MS + 100, sounds=False, power=0.1)
    return trust


def pass_time(trust: EchoTrust, ms: int, *, sounds: bool, power: float, echo: float = 0.0) -> None:
    for _ in range(ms // 20):
        trust.played(FRAME, sounds=sounds, delay=DELAY)
        trust.brought(power, FRAME)
        if echo:
            trust.took_out(echo)


def test_an_utterance_begins_in_doubt_and_the_doubt_ends() -> None:
    """After a pause of ours, on a line that was silent meanwhile."""
    trust = heard_before()
    assert trust.trusts(DELAY)
    pass_time(trust, BEGIN_MS, sounds=True, power=50.0)
    assert not trust.trusts(DELAY)
    pass_time(trust, 140, sounds=True, power=50.0)
    assert trust.trusts(DELAY)


@pytest.mark.parametrize(("voice", "trusted"), [(80.0, True), (20.0, True), (5.0, False), (0.1, False)])
def test_who_spoke_while_we_were_silent_goes_on_being_heard(voice: float, trusted: bool) -> None:
    """We go on in the middle of their sentence, as after a hold: they are not our echo. What is much fainter than that
    is the room."""
    trust = heard_before()
    pass_time(trust, 200, sounds=False, power=voice)
    pass_time(trust, 60, sounds=True, power=voice)
    assert trust.trusts(DELAY) is trusted


def among_others(echo: float, noise: float) -> EchoTrust:
    """Our voice was played for three seconds and we were silent for as long, on a line with a noise of that power."""
    trust = EchoTrust(8000)
    pass_time(trust, TRUST_MS + 1000, sounds=True, power=echo + noise)
    pass_time(trust, FLOOR_MS + 1000, sounds=False, power=noise)
    return trust


@pytest.mark.parametrize(("echo", "doubted"), [(1000.0, True), (60.0, True), (10.0, False), (0.0, False)])
def test_an_echo_that_the_noise_hides_is_not_doubted(echo: float, doubted: bool) -> None:
    """Nobody takes it for a voice, wherever it is; what is louder than the noise may be taken for one."""
    trust = among_others(echo, 2.0)
    pass_time(trust, 60, sounds=True, power=echo + 2.0)
    trust.lost()
    assert trust.trusts(DELAY) is not doubted


@pytest.mark.parametrize(("voice", "trusted"), [(20_000.0, True), (5000.0, True), (1500.0, False)])
def test_who_is_louder_than_the_line_ever_was_is_heard_where_nothing_was_taken_out(voice: float, trusted: bool) -> None:
    """A canceller that never found anything to take out has no echo to compare the caller with, but it has the line."""
    trust = among_others(1000.0, 2.0)
    trust.lost()
    pass_time(trust, 20, sounds=True, power=voice)
    assert trust.trusts(DELAY) is trusted


def test_a_caller_who_answers_at_once_is_not_taken_for_the_noise_of_the_line() -> None:
    """What was heard in the first seconds of our silence says nothing yet: our next words are doubted all the same."""
    trust = EchoTrust(8000)
    pass_time(trust, TRUST_MS + 1000, sounds=True, power=100.0, echo=100.0)
    pass_time(trust, 1400, sounds=False, power=60.0)
    pass_time(trust, 400, sounds=False, power=0.1)
    pass_time(trust, 100, sounds=True, power=50.0)
    assert not trust.trusts(DELAY)
