"""A voice takes the floor from the agent and then says nothing: the agent goes on, and nobody waits in silence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.events import Ms
from patter_cli.core.plan import CallPlan, EnginePlan, PlannedTool, SystemPhrases
from patter_cli.testing import Answer, Fault, Latency, VirtualCall, VirtualTool
from patter_cli.testing.speech_peer import TURNS_OURS, TURNS_THEIRS, SpeechPeer

LINES = SystemPhrases()
QUIET = CallPlan(agent="luigi", system_prompt="", transfer_numbers=("+15550199",))
GREETING = "Luigi's, hello, this is the restaurant on the corner, and what may I do for you today?"
LONG = "We are open from nine in the morning until ten at night on every day of the week but Sunday."
LOOKS = "Let me look that up for you in our books, it will not take very long."
ASKS = "When do you open?"
SLOW_EAR = Latency(hangover_ms=500)
"""A detector that is sure of a voice's end only half a second later."""
VOICES = pytest.mark.parametrize("lasts_ms", [400, 700, 850, 1200, 1600])

Begin = Callable[[], tuple[VirtualCall, Ms]]
"""A call, and a moment in which the agent is talking."""


def greets() -> tuple[VirtualCall, Ms]:
    return VirtualCall(replace(QUIET, first_message=GREETING), latency=SLOW_EAR), 1500


def answers() -> tuple[VirtualCall, Ms]:
    call = VirtualCall(QUIET, [LONG], latency=SLOW_EAR)
    call.says(ASKS, at=0)
    return call, 4000


def wants_to_hang_up() -> tuple[VirtualCall, Ms]:
    call = VirtualCall(QUIET, [Answer(clauses=(LONG,), hang_up=True)], latency=SLOW_EAR)
    call.says(ASKS, at=0)
    return call, 4000


def wants_to_transfer() -> tuple[VirtualCall, Ms]:
    call = VirtualCall(QUIET, [Answer(clauses=(LONG,), transfer="+15550199")], latency=SLOW_EAR)
    call.says(ASKS, at=0)
    return call, 4000


def asks_who_is_there() -> tuple[VirtualCall, Ms]:
    return VirtualCall(QUIET, latency=SLOW_EAR), QUIET.pace.idle_ms + 300


def waits_for_a_tool() -> tuple[VirtualCall, Ms]:
    plan = replace(QUIET, tools=(PlannedTool(name="book", timeout_ms=9000),))
    steps = [Answer(clauses=(LOOKS,), calls=(("book", "{}"),)), LONG]
    tools = {"book": VirtualTool(result='"booked"', after_ms=6000)}
    call = VirtualCall(plan, steps, latency=SLOW_EAR, tools=tools)
    call.says(ASKS, at=0)
    return call, 4000


def engine_answers(engine: EnginePlan) -> tuple[VirtualCall, Ms]:
    peer = SpeechPeer([LONG, "All right."], abilities=TURNS_THEIRS if engine.server_turns else TURNS_OURS)
    call = VirtualCall(replace(QUIET, engine=engine), engine=peer, latency=SLOW_EAR)
    call.says(ASKS, at=0)
    return call, 2400


def engine_greets() -> tuple[VirtualCall, Ms]:
    plan = replace(QUIET, engine=EnginePlan(server_turns=True), first_message=GREETING)
    return VirtualCall(plan, engine=SpeechPeer([LONG], abilities=TURNS_THEIRS), latency=SLOW_EAR), 300


TALKS = pytest.mark.parametrize(
    "begin",
    [
        greets,
        answers,
        wants_to_hang_up,
        wants_to_transfer,
        asks_who_is_there,
        waits_for_a_tool,
        engine_greets,
        lambda: engine_answers(EnginePlan(truncates=True)),
        lambda: engine_answers(EnginePlan(server_turns=True)),
        lambda: engine_answers(EnginePlan(transcribes=False)),
    ],
    ids=["greeting", "answer", "hang-up", "transfer", "line", "tool", "e-greeting", "e-ours", "e-theirs", "e-mute"],
)


@VOICES
@TALKS
@pytest.mark.parametrize("later_ms", [0, 700])
@pytest.mark.parametrize("faults", [(), (Fault.NO_STOPS,), (Fault.EARS_EMPTY,), (Fault.EARS_HANG,), (Fault.EARS_LATE,)])
def test_whoever_was_cut_for_nothing_goes_on(
    begin: Begin, lasts_ms: int, later_ms: int, faults: tuple[Fault, ...]
) -> None:
    """However long a voice without words was: what it cut is resumed, or the caller is asked what they said."""
    call, at = begin()
    call.run_until(at + later_ms)
    call.faults.update(faults)
    call.makes_noise(lasts_ms=lasts_ms)
    call.run_until(at + 30_000)
    length, since = call.longest_wait()
    assert length < 4000, f"from {since} ms on"


def test_a_voice_that_took_the_floor_is_asked_what_it_said() -> None:
    """It was shorter than those that are always asked, but the answer was cut for it."""
    call, at = answers()
    call.makes_noise(at, lasts_ms=700)
    call.run_until(at + 6000)
    assert [each.interrupted for each in call.history] == [False, True, False]
    assert call.history[-1].text == LINES.repeat


def test_a_voice_that_only_held_the_answer_is_not_asked() -> None:
    """What was resumed needs no question."""
    call, at = answers()
    call.makes_noise(at, lasts_ms=400)
    call.run_until(at + 15_000)
    assert call.heard == LONG


def test_words_that_turn_out_to_be_none_are_asked_again() -> None:
    """The recogniser had a word while the voice lasted, and took it back: the answer was cut all the same."""
    call, at = answers()
    call.makes_noise(at, lasts_ms=700)
    call.tells(fact.TranscriptPartial(segment=1, text="Wait"), at=at + 500)
    call.run_until(at + 6000)
    assert call.history[-1].text == LINES.repeat


def test_our_own_echo_that_cut_us_is_asked_about() -> None:
    """A line that returns our words long enough takes the floor; what it said is nobody's, and somebody must go on."""
    call, at = answers()
    call.tells(fact.EchoFound(delay_ms=200), at=at)
    call.says("We are open from nine in the morning", at=at, lasts_ms=1800)
    call.run_until(at + 8000)
    assert call.orders(order.CancelResponse)
    assert call.history[-1].text == LINES.repeat


def test_a_question_that_was_not_answered_yet_is_answered() -> None:
    """Nothing of the answer had been heard, so the caller is not asked but answered."""
    call = VirtualCall(QUIET, [Answer(clauses=("At nine.",), after_ms=1500)], latency=SLOW_EAR)
    done = call.says(ASKS, at=0)
    call.makes_noise(done + 800, lasts_ms=800)
    call.run_until(12_000)
    assert call.heard.endswith("At nine.")
    assert LINES.repeat not in call.heard


def test_keys_that_cut_the_answer_are_what_is_answered() -> None:
    """A cough beside the keys asks nothing while they are still being pressed."""
    call, at = answers()
    call.makes_noise(at, lasts_ms=200)
    call.presses("12345#", at=at + 100, every_ms=300)
    call.run_until(at + 8000)
    assert "[DTMF: 12345#]" in [each.text for each in call.history]
    assert LINES.repeat not in call.heard


def test_a_cough_long_after_is_nothing() -> None:
    """Once the agent has said something else, what was cut is no reason to ask."""
    call, at = answers()
    call.makes_noise(at, lasts_ms=700)
    call.makes_noise(at + 9000, lasts_ms=400)
    call.run_until(at + 12_000)
    assert call.heard.count(LINES.repeat) == 1


@pytest.mark.parametrize("engine", [EnginePlan(truncates=True), EnginePlan(transcribes=False)], ids=["words", "mute"])
@pytest.mark.parametrize("mark_ms", [1000, 2500])
@pytest.mark.parametrize("lasts_ms", [200, 500, 1200])
@pytest.mark.parametrize("after_ms", [-100, 100, 600])
def test_a_yes_before_the_mark_is_no_word_over_the_answer(
    engine: EnginePlan, mark_ms: int, lasts_ms: int, after_ms: int
) -> None:
    """The line says late that the engine's question was heard: who answers it meanwhile is answered."""
    peer = SpeechPeer(["Shall I book the table for eight?", "Done."], abilities=TURNS_OURS)
    call = VirtualCall(replace(QUIET, engine=engine), engine=peer, latency=Latency(mark_ms=mark_ms, hangover_ms=60))
    call.says(ASKS, at=0)
    call.run_until(2500)
    call.says("Yes please", at=call.sounds[0].end + after_ms, lasts_ms=lasts_ms)
    call.run_until(12_000)
    assert call.heard.endswith("Done.")
    assert call.longest_wait()[0] < 4000


@pytest.mark.parametrize("mark_ms", [1000, 2500])
def test_a_yes_before_the_mark_of_our_own_line_is_heard_by_the_engine(mark_ms: int) -> None:
    """An engine that decides on turns takes it, and its reply is not kept from the floor by a line that is over."""
    plan = replace(QUIET, engine=EnginePlan(server_turns=True))
    latency = Latency(mark_ms=mark_ms, hangover_ms=60)
    call = VirtualCall(plan, engine=SpeechPeer(["Good."], abilities=TURNS_THEIRS), latency=latency)
    call.run_until(QUIET.pace.idle_ms + 300)
    call.says("Yes", at=call.sounds[0].end + 50, lasts_ms=200)
    call.run_until(20_000)
    assert call.heard == f"{LINES.still_there} Good."
    assert call.longest_wait()[0] < 4000


def voiced_until(silent_from: int, silent_to: int, *clauses: str, **wish: bool) -> VirtualCall:
    """A call whose answer has clauses that the voice makes no sound of: those that come to it in between."""
    call = VirtualCall(QUIET, [Answer(clauses=clauses, **wish), "All right."], latency=Latency(next_clause_ms=400))
    answered_at = call.says(ASKS, at=0) + QUIET.pace.endpoint_complete_ms
    call.breaks(Fault.VOICE_EMPTY, at=answered_at + silent_from)
    call.mends(Fault.VOICE_EMPTY, at=answered_at + silent_to)
    call.run_until(12_000)
    return call


def test_a_question_that_the_voice_lost_is_not_waited_out() -> None:
    """The voice makes no sound of a reply's last words: whoever does not know that they were asked is told so."""
    call = voiced_until(500, 900, "We have tables at eight and at nine.", "Which one would you like?")
    assert call.heard == f"We have tables at eight and at nine. {LINES.apology}"
    assert call.longest_wait()[0] < 4000


def test_a_clause_that_was_lost_before_the_end_is_none() -> None:
    """What follows it was heard, so the caller knows whose turn it is."""
    call = voiced_until(500, 900, "We have tables.", "At eight and at nine.", "Which one would you like?")
    assert call.heard == "We have tables. Which one would you like?"


def test_marks_without_words_make_no_sound() -> None:
    """An end that has nothing to be said is not lost."""
    call = voiced_until(500, 900, "We have tables at eight and at nine.", "…")
    assert LINES.apology not in call.heard


def test_an_agent_that_hangs_up_does_so_though_its_last_words_were_lost() -> None:
    """What was heard is enough to part."""
    call = voiced_until(500, 900, "Thank you for calling.", "Goodbye.", hang_up=True)
    assert call.orders(order.HangUp)
    assert LINES.apology not in call.heard


@pytest.mark.parametrize(("mark_ms", "after_ms"), [(40, 100), (40, 300), (2000, 100), (2000, 300), (2000, 1000)])
@pytest.mark.parametrize("lasts_ms", [200, 400, 1000])
def test_words_after_the_goodbye_that_nobody_could_read_are_asked_about(
    mark_ms: int, after_ms: int, lasts_ms: int
) -> None:
    """Whether the line says at once or late that the goodbye was heard, who speaks after it is not hung up on."""
    script = [Answer(clauses=("That is fine. Goodbye!",), hang_up=True)]
    call = VirtualCall(QUIET, script, latency=Latency(mark_ms=mark_ms, hang_up_ms=900))
    call.says(ASKS, at=0)
    call.run_until(2000)
    call.faults.add(Fault.EARS_HANG)
    call.says("Hello?", at=call.sounds[0].end + after_ms, lasts_ms=lasts_ms)
    call.run_until(12_000)
    assert call.heard.endswith(LINES.repeat)
    assert call.longest_wait()[0] < 4000
