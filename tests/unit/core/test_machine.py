"""Stories of calls: what the caller hears, what the history says, what is ordered and when."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.conversation import Message
from patter_cli.core.deadlines import Timer
from patter_cli.core.floor import AgentState, CallerState, CallState
from patter_cli.core.machine import REWIND_MS, SILENCE_MS, TurnMachine
from patter_cli.core.outcome import Direction, Outcome, TransferOutcome
from patter_cli.core.plan import BlockedTerms, CallPlan, SystemPhrases
from patter_cli.testing import Answer, Fault, Latency, VirtualCall

LINES = SystemPhrases()
GREETING = "Luigi's, hello."
QUIET = CallPlan(agent="luigi", system_prompt="", transfer_numbers=("+15550199",))
"""An agent that waits to be spoken to."""
PLAN = replace(QUIET, first_message=GREETING)
LONG = "We are open from nine in the morning until ten at night on every day of the week but Sunday."
ASKS = "When do you open?"


def paced(plan: CallPlan = QUIET, **pace: int) -> CallPlan:
    return replace(plan, pace=replace(plan.pace, **pace))


def lines_of(call: VirtualCall, role: str) -> list[str]:
    return [text for who, text in call.transcript if who == role]


# --- a call that goes on ---------------------------------------------------------------------------------------------


def test_a_call_that_goes_on_knows_what_was_said_and_does_not_greet_again() -> None:
    """Its stream broke off and came back: one line says so, and nothing that was said before is reported twice."""
    earlier = (
        Message(role="assistant", text=GREETING, timestamp=1.0),
        Message(role="user", text=ASKS, timestamp=2.0),
    )
    machine = TurnMachine()
    connected = fact.CallConnected(
        call_id="C2", caller="", callee="", direction=Direction.INBOUND, carrier="x", plan=PLAN, wall_time=3.0,
        earlier=earlier,
    )  # fmt: skip
    ordered = machine.handle(connected, 0) + machine.handle(fact.CallPrepared(plan=PLAN), 20)
    assert machine.history == earlier
    assert [each.text for each in ordered if isinstance(each, order.ReadOut)] == [LINES.resumed]
    assert not [each for each in ordered if isinstance(each, order.ReportTranscript)]


# --- a turn ----------------------------------------------------------------------------------------------------------


def test_a_question_is_answered() -> None:
    """The greeting is heard, the caller asks, the answer is heard, and the agent waits."""
    call = VirtualCall(PLAN, ["We open at nine."])
    call.says(ASKS, at=3000)
    call.run_until(9000)
    assert call.transcript == [("assistant", GREETING), ("user", ASKS), ("assistant", "We open at nine.")]
    assert call.heard == f"{GREETING} We open at nine."
    assert call.machine.states == (CallState.ACTIVE, CallerState.SILENT, AgentState.IDLE)
    assert call.machine.quiet


def test_the_latency_of_a_turn_splits_into_its_stages() -> None:
    """End of voice, end of turn, first clause, first audio: in this order, each after what was waited for."""
    latency = Latency(final_ms=40, first_clause_ms=300, voice_ms=150)
    call = VirtualCall(QUIET, ["At nine."], latency=latency)
    done = call.says(ASKS, at=1000)
    call.run_until(6000)
    (answered, _), (clause, _), (audio, _) = (
        call.orders(order.StartResponse)[0],
        call.facts(fact.ClauseReady)[0],
        call.facts(fact.PlayoutStarted)[0],
    )
    assert (answered - done, clause - answered, audio - clause) == (QUIET.pace.endpoint_complete_ms, 300, 150)


def test_an_unfinished_sentence_is_waited_for() -> None:
    """A pause after "and" does not end the turn; both halves are one."""
    call = VirtualCall(QUIET)
    done = call.says("I want a table for two and", at=1000)
    call.says("a high chair please", at=done + 700)
    call.run_until(9000)
    assert lines_of(call, "user") == ["I want a table for two and a high chair please"]


def test_words_that_go_on_before_the_answer_is_audible_are_one_question() -> None:
    """The reply to the first half is cancelled unheard and the new one gets both halves."""
    call = VirtualCall(QUIET, lambda text: "Sure.")
    done = call.says("I want a table.", at=1000)
    call.says("For two on Sunday.", at=done + 600)
    call.run_until(9000)
    asked = [each.text for _, each in call.orders(order.StartResponse)]
    assert asked == ["I want a table.", "I want a table. For two on Sunday."]
    assert call.heard == "Sure."


def test_words_before_the_greeting_are_answered_after_it() -> None:
    """A caller who speaks while the call is prepared is heard."""
    call = VirtualCall(PLAN, ["Hi."], latency=Latency(hook_ms=1800))
    call.says(ASKS, at=100)
    call.run_until(8000)
    assert call.transcript[:2] == [("assistant", GREETING), ("user", ASKS)]


def test_the_greeting_begins_under_a_voice_and_yields_to_it() -> None:
    """A caller who is speaking when the greeting begins takes the floor as at any other time."""
    call = VirtualCall(PLAN, ["Nine."], latency=Latency(hook_ms=600))
    call.says("Hello hello is that the restaurant on the corner", at=100)
    call.run_until(9000)
    assert lines_of(call, "user") == ["Hello hello is that the restaurant on the corner"]
    (greeted, _), (paused, _) = call.orders(order.ReadOut)[0], call.orders(order.PausePlayback)[0]
    assert paused - greeted == PLAN.pace.barge_in_threshold_ms
    assert call.heard.endswith("Nine.")


def test_history_has_times_of_the_wall() -> None:
    """A message's timestamp is the Unix time at which it became final."""
    call = VirtualCall(PLAN)
    call.run_until(5000)
    (at, _) = call.orders(order.ReportTranscript)[0]
    assert call.history[0].timestamp == pytest.approx(call.facts(fact.CallConnected)[0][1].wall_time + at / 1000)


# --- barge-in --------------------------------------------------------------------------------------------------------


def interrupted(*, say: str, at: int = 2000, lasts_ms: int | None = None, plan: CallPlan = QUIET) -> VirtualCall:
    """A call in which the caller is heard `at` ms after the long answer began."""
    call = VirtualCall(plan, [LONG, "All right."], latency=Latency(hangover_ms=60))
    call.says(ASKS, at=0)
    call.run_until(2500)
    call.says(say, at=call.sounds[0].start + at, lasts_ms=lasts_ms)
    return call


def test_words_take_the_floor() -> None:
    """A real interruption silences the line at the threshold; the history has what was heard of the answer."""
    call = interrupted(say="No I mean on Sunday", at=2000)
    onset = call.sounds[0].start + 2000
    call.tells(fact.SpeechStarted(at_ms=onset), at=onset + 100)
    call.run_until(12_000)
    (paused, _) = call.orders(order.PausePlayback)[0]
    assert paused - onset == QUIET.pace.barge_in_threshold_ms
    assert [each.interrupted for each in call.history] == [False, True, False, False]
    heard = call.history[1].text
    assert LONG.startswith(heard)
    assert heard != LONG
    assert call.heard == f"{heard} All right."


def test_a_short_stop_takes_the_floor() -> None:
    """A word that is over before the threshold still takes the floor once it is known."""
    call = interrupted(say="stop", lasts_ms=200)
    call.run_until(12_000)
    assert not call.orders(order.PausePlayback)
    assert lines_of(call, "user") == [ASKS, "stop"]


@pytest.mark.parametrize("lasts_ms", [150, 700])
def test_a_cough_does_not_take_the_floor(lasts_ms: int) -> None:
    """A noise without words at most holds the answer, which then is heard to its end, word for word."""
    call = interrupted(say="", lasts_ms=lasts_ms)
    call.run_until(15_000)
    assert bool(call.orders(order.ResumePlayback)) == (lasts_ms > 300)
    assert not call.orders(order.CancelResponse)
    assert call.heard == LONG
    assert call.history[-1].text == LONG


@pytest.mark.parametrize("faults", [(), (Fault.NO_STOPS,)])
def test_a_long_noise_over_the_answer_is_asked_about(faults: tuple[Fault, ...]) -> None:
    """A voice that goes on takes the floor even without words, and the caller is asked to repeat."""
    call = interrupted(say="", lasts_ms=1500)
    call.faults.update(faults)
    call.run_until(12_000)
    assert lines_of(call, "assistant")[1] == LINES.repeat


def test_a_cough_whose_place_nobody_knows_is_resumed_by_the_clock() -> None:
    """If nobody says where the line was silenced, the clock says it, and the answer still ends when it ends."""
    call = interrupted(say="", lasts_ms=600)
    call.faults.add(Fault.NO_STOPS)
    call.run_until(15_000)
    assert call.history[-1].text == call.heard == LONG
    assert call.orders(order.ReportTranscript)[-1][0] - call.sounds[-1].end < 100


def test_a_long_doubt_does_not_cut_the_answer() -> None:
    """An answer that was held while its judge was slow is over when it was heard, not when it would have been."""
    call = VirtualCall(QUIET, [LONG], latency=Latency(final_ms=2300, hangover_ms=60))
    call.says(ASKS, at=0)
    call.run_until(6000)
    call.makes_noise(call.sounds[0].start + 2000, lasts_ms=700)
    call.run_until(18_000)
    assert call.orders(order.ResumePlayback)[0][0] - call.orders(order.PausePlayback)[0][0] > 2000
    assert 0 <= call.orders(order.ReportTranscript)[-1][0] - call.sounds[-1].end < 100
    assert call.heard == LONG


def test_what_was_heard_before_a_hold_counts_after_it() -> None:
    """An answer that was held, resumed and then lost is in the history to its last heard word, stops known or not."""
    for faults in ((), (Fault.NO_STOPS,)):
        call = interrupted(say="", lasts_ms=600)
        call.faults.update(faults)
        call.tells(fact.LineClosed(cause="carrier_stop"), at=call.sounds[0].start + 4000)
        call.run()
        assert call.history[-1].text == call.heard
        assert len(call.heard) > 40


def test_agreement_before_the_answer_is_none() -> None:
    """ "Okay" after the filler, while a guardrail still judges the answer, is no turn."""
    call = VirtualCall(replace(QUIET, checks=("slow",)), ["At nine."], latency=Latency(judge_ms=6000))
    done = call.says(ASKS, at=0)
    call.says("okay", at=done + 4200, lasts_ms=250)
    call.run_until(15_000)
    assert lines_of(call, "user") == [ASKS]
    assert call.heard.endswith("At nine.")


def test_noise_after_noise_is_one_doubt() -> None:
    """A second noise before the first is judged holds the answer on, and then takes the floor by its length."""
    call = interrupted(say="", lasts_ms=500)
    call.makes_noise(call.sounds[0].start + 2570, lasts_ms=900)
    call.run_until(12_000)
    assert len(call.orders(order.PausePlayback)) == 1
    assert call.history[1].interrupted


@pytest.mark.parametrize("again_ms", [150, 330])
def test_words_that_come_while_the_caller_goes_on_are_kept(again_ms: int) -> None:
    """A final that answers the first half of a turn does not end it."""
    call = VirtualCall(QUIET, latency=Latency(hangover_ms=60, final_ms=200))
    done = call.says("I want a table", at=0)
    call.says("for two.", at=done + again_ms)
    call.run_until(5000)
    assert lines_of(call, "user") == ["I want a table for two."]


@pytest.mark.parametrize("say", ["mm-hm", "okay yeah", "I see"])
def test_a_backchannel_does_not_take_the_floor(say: str) -> None:
    """Words of agreement in the middle of an answer leave it whole."""
    call = interrupted(say=say)
    call.run_until(15_000)
    assert call.heard == LONG
    assert lines_of(call, "user") == [ASKS]


@pytest.mark.parametrize("lasts_ms", [90, 450])
def test_an_okay_near_the_end_is_an_answer(lasts_ms: int) -> None:
    """What would be a backchannel in the middle is a turn of its own at the end, whether or not it held the line."""
    call = VirtualCall(QUIET, ["Shall I book the table for eight?", "Done."])
    call.says(ASKS, at=0)
    call.run_until(2200)
    sound = call.sounds[0]
    call.says("okay", at=sound.end - 620, lasts_ms=lasts_ms)
    call.run_until(9000)
    assert lines_of(call, "user") == [ASKS, "okay"]
    assert call.heard.endswith("Done.")


def test_a_noise_before_the_answer_is_audible_only_delays_it() -> None:
    """A question is answered although somebody slammed a door while the agent was thinking."""
    call = VirtualCall(QUIET, [Answer(clauses=("At nine.",), after_ms=1500)])
    done = call.says(ASKS, at=0)
    call.makes_noise(done + 700, lasts_ms=500)
    call.run_until(9000)
    assert call.heard == "At nine."
    assert call.longest_wait()[0] < 4000


def test_a_long_noise_does_not_lose_the_question() -> None:
    """A noise that took the floor from an answer nobody had heard yet has the question answered again."""
    call = VirtualCall(QUIET, [Answer(clauses=("At nine.",), after_ms=1500)])
    done = call.says(ASKS, at=0)
    call.makes_noise(done + 700, lasts_ms=1300)
    call.run_until(12_000)
    assert [each.text for _, each in call.orders(order.StartResponse)] == [ASKS, ASKS]
    assert lines_of(call, "user") == [ASKS]
    assert call.heard.endswith("At nine.")


def test_without_barge_in_the_agent_finishes_first() -> None:
    """With threshold 0 neither words nor keys stop the agent; they are answered when it is done."""
    call = interrupted(say="No I mean on Sunday", plan=paced(barge_in_threshold_ms=0))
    call.presses("7", at=6000)
    call.run_until(12_000)
    assert not call.orders(order.ClearPlayback)
    assert call.heard == f"{LONG} All right."
    assert lines_of(call, "user")[1] == "No I mean on Sunday [DTMF: 7]"


def test_without_barge_in_words_that_outlast_the_answer_are_one_turn() -> None:
    """What waited and what was still being said when the agent finished are answered together."""
    call = VirtualCall(paced(barge_in_threshold_ms=0), ["We open at nine in the morning.", "Fine."])
    call.says(ASKS, at=0)
    call.run_until(2200)
    end = call.sounds[0].end
    call.says("No.", at=end - 1900, lasts_ms=300)
    call.says("I mean on Sunday.", at=end - 500, lasts_ms=1500)
    call.run_until(9000)
    assert lines_of(call, "user") == [ASKS, "No. I mean on Sunday."]


def test_what_was_only_agreed_with_is_not_answered_later() -> None:
    """Words that waited behind an answer are told with the interruption that follows, not after its answer."""
    call = VirtualCall(QUIET, ["Shall I book the table for eight?", "Done."])
    call.says(ASKS, at=0)
    call.run_until(2200)
    end = call.sounds[0].end
    call.says("okay", at=end - 690, lasts_ms=250)
    call.says("no wait", at=end + 60, lasts_ms=500)
    call.run_until(9000)
    assert lines_of(call, "user")[-1].endswith("no wait")
    assert sum("okay" in each for each in lines_of(call, "user")) == 1


@pytest.mark.parametrize("fault", [Fault.NO_STOPS, Fault.NO_MARKS])
def test_a_silent_carrier_does_not_stop_the_call(fault: Fault) -> None:
    """Without marks, or without word of where playback stopped, the clock is believed."""
    call = interrupted(say="No I mean on Sunday")
    call.faults.add(fault)
    call.run_until(15_000)
    heard = call.history[1].text
    assert LONG.startswith(heard)
    assert heard
    assert lines_of(call, "assistant")[-1] == "All right."
    assert abs(len(call.heard) - len(f"{heard} All right.")) <= 10


def test_an_agent_that_wanted_to_hang_up_and_was_interrupted_does_not() -> None:
    """The end, or the transfer, belongs to the reply that asked for it."""
    for wish in ({"hang_up": True}, {"transfer": "+15550199"}):
        call = VirtualCall(QUIET, [Answer(clauses=(LONG,), **wish), "Go on."])
        call.says(ASKS, at=0)
        call.says("Wait, one more question", at=4000)
        call.run_until(12_000)
        assert not call.orders(order.HangUp)
        assert not call.orders(order.Transfer)
        assert call.heard.endswith("Go on.")


# --- keys ------------------------------------------------------------------------------------------------------------


def test_keys_are_one_entry() -> None:
    """Keys in quick succession reach the agent as one text and take the floor at once."""
    call = VirtualCall(PLAN, ["Thank you."])
    call.presses("123#", at=1000)
    call.run_until(6000)
    assert lines_of(call, "user") == ["[DTMF: 123#]"]
    (cleared, _) = call.orders(order.ClearPlayback)[0]
    assert cleared == 1000
    assert (call.history[0].text, call.history[0].interrupted) == ("Luigi's, hello.", True)


def test_a_key_that_never_comes_up_again_is_an_entry_with_an_end() -> None:
    """A line that beeps for ten seconds: the agent answers what fits into an entry, and does not wait for ever."""
    call = VirtualCall(PLAN, ["Thank you."])
    for number in range(100):
        call.presses("5", at=1000 + 100 * number)
    call.run_until(9000)
    assert lines_of(call, "user") == [f"[DTMF: {'5' * 64}]"]


def test_keys_wait_for_a_sentence_to_end() -> None:
    """Keys pressed while the caller talks are part of that turn."""
    call = VirtualCall(QUIET, ["Thank you."])
    call.says("my customer number ends in this please", at=500)
    call.presses("42", at=1500)
    call.run_until(8000)
    assert len(call.orders(order.StartResponse)) == 1
    assert "[DTMF: 42]" in lines_of(call, "user")[0]


def test_keys_pressed_before_the_greeting_are_answered_after_it() -> None:
    """No key is lost while the call is prepared."""
    call = VirtualCall(PLAN, ["Thank you."], latency=Latency(hook_ms=1500))
    call.presses("9", at=200)
    call.run_until(6000)
    assert call.transcript[:2] == [("assistant", GREETING), ("user", "[DTMF: 9]")]


# --- transcripts that are late, empty or missing ---------------------------------------------------------------------


def test_a_transcript_that_never_comes_is_asked_for() -> None:
    """The caller is asked to say it again, then asked whether they are there, then the call ends."""
    call = VirtualCall(QUIET, faults=[Fault.EARS_HANG])
    for at in (1000, 8000, 16_000, 24_000):
        call.says("Yes please", at=at, lasts_ms=500)
    call.run()
    assert lines_of(call, "assistant") == [
        LINES.repeat, LINES.still_there, LINES.still_there, LINES.idle_goodbye,
    ]  # fmt: skip
    assert call.longest_wait()[0] < 4000


def test_a_late_transcript_is_still_answered() -> None:
    """Words that come when the caller has just been asked to repeat them are answered all the same, once."""
    call = VirtualCall(QUIET, ["We open at nine."], faults=[Fault.EARS_LATE])
    call.says(ASKS, at=500)
    call.run_until(9000)
    assert lines_of(call, "user") == [ASKS]
    assert call.heard.endswith("We open at nine.")
    assert call.longest_wait()[0] < 4000


def test_a_late_agreement_does_not_stop_an_answer() -> None:
    """Words that come late are judged as if they had come in time."""
    call = interrupted(say="okay", lasts_ms=500)
    call.breaks(Fault.EARS_LATE, at=1500)
    call.run_until(20_000)
    assert call.heard == LONG


def test_late_words_take_the_floor() -> None:
    """An interruption whose words come late still is one."""
    call = interrupted(say="no stop", lasts_ms=350)
    call.breaks(Fault.EARS_LATE, at=1500)
    call.run_until(20_000)
    assert lines_of(call, "user") == [ASKS, "no stop"]


def test_each_pause_has_its_own_final() -> None:
    """A turn of two stretches waits for the words of both."""
    machine = TurnMachine()
    connect(machine)
    for event, at in (
        (fact.SpeechStarted(at_ms=100), 160),
        (fact.SpeechEnded(at_ms=600), 800),
        (fact.SpeechStarted(at_ms=850), 910),
        (fact.SpeechEnded(at_ms=1200), 1400),
        (fact.TranscriptFinal(segment=0, text="I want"), 1500),
    ):
        machine.handle(event, at)
    assert machine.handle(fact.Tick(), 2400) == []
    machine.handle(fact.TranscriptFinal(segment=0, text="I want a table."), 2500)
    assert [each.text for each in machine.history] == ["I want a table."]


def test_late_words_wait_where_nobody_may_interrupt() -> None:
    """Without barge-in words that came late are answered after the reply."""
    call = VirtualCall(paced(barge_in_threshold_ms=0), [LONG, "Sunday too."])
    call.says(ASKS, at=0)
    call.breaks(Fault.EARS_LATE, at=2500)
    call.says("And on Sunday", at=3000)
    call.run_until(15_000)
    assert call.heard == f"{LONG} Sunday too."


def test_words_of_an_older_segment_are_not_those_of_this_one() -> None:
    """A final that comes after its turn was closed does not stand for the final that is waited for."""
    machine = TurnMachine()
    connect(machine)
    for event, at in (
        (fact.SpeechStarted(at_ms=100), 160),
        (fact.SpeechEnded(at_ms=600), 800),
        (fact.Tick(), 1080),
        (fact.Tick(), 3580),
        (fact.SpeechStarted(at_ms=3600), 3660),
        (fact.SpeechEnded(at_ms=4400), 4600),
        (fact.TranscriptFinal(segment=0, text=""), 4610),
        (fact.Tick(), 4900),
    ):
        machine.handle(event, at)
    assert Timer.TRANSCRIPT in machine.waits_for
    ordered = machine.handle(fact.TranscriptFinal(segment=1, text="Two, please."), 4950)
    assert order.StartResponse(response_id=2, text="Two, please.") in ordered


def test_a_noise_gets_no_answer() -> None:
    """A short sound without words is nothing; the silence after it is the caller's."""
    call = VirtualCall(QUIET)
    call.makes_noise(1000, lasts_ms=400)
    call.run_until(9000)
    assert call.heard == ""


def test_an_endless_noise_does_not_hold_the_call() -> None:
    """A detector that never lets go is taken for noise, and the call goes its way to the end."""
    call = VirtualCall(PLAN)
    call.makes_noise(2000, lasts_ms=3_000_000)
    call.run()
    assert call.outcome == ("answered", "idle")
    assert call.now < 120_000


def test_a_long_story_is_not_a_noise() -> None:
    """A caller may talk for minutes as long as words keep coming."""
    call = VirtualCall(QUIET)
    done = call.says("and then " * 400 + "she left.", at=500, lasts_ms=150_000)
    call.run_until(done + 5000)
    assert len(lines_of(call, "user")) == 1
    assert call.orders(order.CommitTranscript)[0][0] > done


# --- what breaks -----------------------------------------------------------------------------------------------------

SURVIVABLE = [each for each in Fault if each not in (Fault.LINES_HANG, Fault.EARS_EMPTY, Fault.NO_HANG_UP)]


@pytest.mark.parametrize("fault", SURVIVABLE, ids=lambda each: each.name)
@pytest.mark.parametrize("greeting", ["", GREETING])
def test_nobody_is_left_in_silence(fault: Fault, greeting: str) -> None:
    """Whatever breaks, the caller hears something within four seconds, or ten once they were told to wait; and the call
    ends."""
    plan = replace(QUIET, first_message=greeting, checks=("rule",))
    call = VirtualCall(plan, ["We open at nine. And we close at ten."], faults=[fault])
    for at in (4000, 20_000, 40_000):
        call.says(ASKS, at=at)
    call.tells(fact.DrainRequested(), at=80_000)
    call.run()
    length, since = call.longest_wait()
    assert length < 4000, f"from {since} ms on"
    assert call.longest_announced_wait() < 10_000


def test_a_call_without_any_voice_ends_soon() -> None:
    """Where nothing at all can be said, hanging up is the only honest thing left."""
    call = VirtualCall(PLAN, faults=[Fault.LINES_HANG])
    call.run()
    assert call.outcome == ("failed", "agent_failed")
    assert call.now < 10_000


def test_a_late_answer_is_bridged_once_and_then_now_and_then() -> None:
    """A filler, "still working" once much time has passed, then the answer, never over one another."""
    call = VirtualCall(QUIET, [Answer(clauses=("At nine.",), after_ms=13_000)])
    call.says(ASKS, at=0)
    call.run_until(20_000)
    assert call.heard == f"{LINES.filler} {LINES.still_working} At nine."
    stretches = [(each.start, each.end) for each in call.sounds]
    assert all(end <= start for (_, end), (start, _) in pairwise(stretches))
    assert stretches[1][0] - stretches[0][1] >= QUIET.pace.filler_later_ms


@pytest.mark.parametrize("after_ms", [2500, 4500, 6500, 8000, 9500])
def test_one_filler_is_enough_for_an_answer_that_comes(after_ms: int) -> None:
    """A cold model takes its time: one "moment", then the answer, whenever it comes within ten seconds."""
    call = VirtualCall(QUIET, [Answer(clauses=("At nine.",), after_ms=after_ms)])
    call.says(ASKS, at=0)
    call.run_until(after_ms + 6000)
    assert call.heard == f"{LINES.filler} At nine."


def test_an_answer_that_stops_half_way_is_bridged_and_given_up() -> None:
    """A pause in the middle of an answer is bridged too; in the end the agent apologises."""
    call = VirtualCall(QUIET, ["We open at nine. And we close at ten."], faults=[Fault.BRAIN_STALLS])
    call.says(ASKS, at=0)
    call.run_until(30_000)
    assert call.heard.startswith(f"We open at nine. {LINES.filler} {LINES.still_working}")
    assert LINES.apology in call.heard


def test_a_filler_is_spoken_while_a_guardrail_judges() -> None:
    """A check that takes long is bridged, and its verdict still counts."""
    call = VirtualCall(replace(QUIET, checks=("slow",)), ["At nine."], latency=Latency(judge_ms=3000))
    call.says(ASKS, at=0)
    call.run_until(12_000)
    assert call.heard == f"{LINES.filler} At nine."


def test_an_empty_reply_is_not_silence() -> None:
    """No words: our own fault, in words; none again: an apology; a third time: goodbye."""
    call = VirtualCall(QUIET, faults=[Fault.BRAIN_EMPTY])
    for at in (0, 8000, 20_000):
        call.says(ASKS, at=at)
    call.run()
    assert lines_of(call, "assistant") == [LINES.no_answer, LINES.apology, LINES.trouble]
    assert call.outcome == ("failed", "agent_failed")


def test_an_empty_reply_after_a_filler_is_not_silence() -> None:
    """ "One moment" is no answer."""
    call = VirtualCall(QUIET, [Answer(clauses=(), after_ms=3000)])
    call.says(ASKS, at=0)
    call.run_until(9000)
    assert call.heard == f"{LINES.filler} {LINES.no_answer}"


def test_a_clause_without_sound_was_not_heard() -> None:
    """The history leaves out what the voice made nothing of."""
    call = VirtualCall(QUIET, ["At nine."], faults=[Fault.VOICE_EMPTY])
    call.says(ASKS, at=0)
    call.run_until(8000)
    assert lines_of(call, "assistant") == [LINES.no_answer]


def test_a_refused_key_is_an_apology_and_a_goodbye() -> None:
    """Nothing that the caller could say again would help, so they are not asked to."""
    call = VirtualCall(QUIET, ["At nine."], faults=[Fault.BRAIN_REFUSED])
    call.says(ASKS, at=0)
    call.run()
    assert lines_of(call, "assistant") == [LINES.trouble]
    assert call.outcome == ("failed", "agent_failed")


def test_whoever_hangs_up_without_words_says_goodbye() -> None:
    """The model wanted to end the call and then had nothing to say, or never came back: our own goodbye is heard."""
    for answer in (Answer(clauses=(), hang_up=True), Answer(clauses=(), hang_up=True, after_ms=2500)):
        call = VirtualCall(QUIET, [answer])
        call.says(ASKS, at=0)
        call.run()
        assert call.heard.endswith(LINES.goodbye)
        assert call.outcome == ("answered", "agent")


def test_one_failure_is_forgiven() -> None:
    """A failure is apologised for; the answer after it counts as if nothing had happened."""
    call = VirtualCall(QUIET, ["At nine."], faults=[Fault.BRAIN_FAILS])
    call.mends(Fault.BRAIN_FAILS, at=5000)
    call.breaks(Fault.BRAIN_FAILS, at=18_000)
    for at in (0, 10_000, 20_000):
        call.says(ASKS, at=at)
    call.run_until(30_000)
    assert lines_of(call, "assistant") == [LINES.apology, "At nine.", LINES.apology]


def test_an_answer_that_breaks_off_keeps_what_was_heard() -> None:
    """The heard half stays in the history, then the apology follows."""
    call = VirtualCall(QUIET, ["We open at nine. And we close."], faults=[Fault.BRAIN_BREAKS_OFF])
    call.says(ASKS, at=0)
    call.run_until(9000)
    assert lines_of(call, "assistant") == ["We open at nine.", LINES.apology]


def test_a_voice_that_breaks_in_a_clause_keeps_what_was_heard_of_it() -> None:
    """A clause that failed while it was audible is in the history as far as it was heard."""
    machine = TurnMachine()
    connect(machine)
    answer(machine, at=1000)
    machine.handle(fact.ClauseReady(response_id=1, text="We open at nine."), 1200)
    machine.handle(fact.PlayoutStarted(response_id=1, clause=0), 1400)
    machine.handle(fact.SpeakFailed(response_id=1, clause=0, provider="p", message="m"), 2000)
    machine.handle(fact.PlaybackStopped(response_id=1, clause=0, played_ms=600), 2010)
    assert [each.text for each in machine.history] == ["Yes.", "We open at"]


def test_a_failure_while_the_caller_speaks_is_not_spoken_over_them() -> None:
    """The apology is held like any reply and gives way to the caller's words."""
    call = VirtualCall(QUIET, ["Lost.", "At nine."], faults=[Fault.BRAIN_FAILS])
    done = call.says(ASKS, at=0)
    call.mends(Fault.BRAIN_FAILS, at=done + 500)
    call.says("And could you also tell me about Sunday evenings please", at=done + 550)
    call.run_until(12_000)
    assert lines_of(call, "user")[-1] == "And could you also tell me about Sunday evenings please"
    assert call.heard.endswith("At nine.")


def test_a_greeting_that_fails_is_apologised_for() -> None:
    """A caller whose greeting could not be spoken does not sit in silence."""
    call = VirtualCall(PLAN, faults=[Fault.VOICE_FAILS])
    call.run_until(6000)
    assert call.heard == LINES.apology


# --- overrides, guardrails -------------------------------------------------------------------------------------------


def test_on_call_start_has_the_last_word() -> None:
    """The plan that it returns holds, its greeting and its limits."""
    prepared = paced(replace(QUIET, first_message="Good day, Ada."), max_duration_ms=9000)
    call = VirtualCall(PLAN, prepared=prepared)
    call.run()
    assert lines_of(call, "assistant") == ["Good day, Ada.", LINES.time_goodbye]


def test_a_hook_that_hangs_is_not_waited_for() -> None:
    """The call begins with the plan it has; an answer that comes later changes nothing."""
    call = VirtualCall(PLAN, faults=[Fault.HOOK_HANGS])
    call.tells(fact.CallPrepared(plan=QUIET), at=3000)
    call.run_until(6000)
    assert call.heard == GREETING
    assert call.orders(order.ReadOut)[0][0] == PLAN.pace.prepare_ms


def test_a_blocked_term_is_caught_across_a_clause_joint() -> None:
    """A term that begins in one clause and ends in the next blocks the second."""
    rule = BlockedTerms(name="brand", terms=("acme pizza",), replacement="Let us talk of something else.")
    plan = replace(QUIET, blocked=(rule,))
    call = VirtualCall(plan, [Answer(clauses=("You might prefer Acme", "pizza of course."))])
    call.says(ASKS, at=0)
    call.run_until(9000)
    assert call.heard == "You might prefer Acme Let us talk of something else."


def test_a_guardrail_in_code_judges_each_clause_in_order() -> None:
    """Clauses wait for every rule's verdict; what is replaced or dropped is not heard."""

    def judge(rule: str, text: str) -> str | None:
        return {"secret": {"Two.": "Redacted."}, "brief": {"Three.": ""}}[rule].get(text)

    plan = replace(QUIET, checks=("secret", "brief"))
    call = VirtualCall(plan, ["One. Two. Three. Four."], judge=judge)
    call.says(ASKS, at=0)
    call.run_until(9000)
    assert call.heard == "One. Redacted. Four."
    stranger = fact.ClauseJudged(response_id=1, clause=3, rule="unknown", replacement="Never said.")
    assert TurnMachine().handle(stranger, 0) == []
    judged = [(each.rule, each.text) for _, each in call.orders(order.JudgeClause)]
    assert judged[:4] == [("secret", "One."), ("brief", "One."), ("secret", "Two."), ("secret", "Three.")]


# --- the end ---------------------------------------------------------------------------------------------------------


def test_a_drained_call_says_goodbye() -> None:
    """The last words are said whole, whatever the caller says over them, and the line is closed once."""
    call = VirtualCall(QUIET, [LONG])
    call.says(ASKS, at=0)
    call.tells(fact.DrainRequested(), at=4000)
    call.tells(fact.DrainRequested(), at=4500)
    call.says("No wait please do not go away", at=4500)
    call.presses("5", at=5000)
    call.run()
    assert call.heard.endswith(LINES.drain_goodbye)
    assert call.outcome == ("answered", "drain")
    assert len(call.orders(order.HangUp)) == 1
    assert lines_of(call, "user")[-1] == "No wait please do not go away [DTMF: 5]"


def test_a_carrier_that_does_not_hang_up_does_not_keep_the_call() -> None:
    """The call is over soon after we hung up, whatever the carrier does."""
    call = VirtualCall(PLAN, faults=[Fault.NO_HANG_UP, Fault.NO_MARKS])
    call.tells(fact.DrainRequested(), at=5000)
    call.run()
    assert call.now < 16_000


def test_a_goodbye_that_is_too_long_is_cut() -> None:
    """The last words have their time; then the line is closed and the history has what was heard of them."""
    lines = replace(LINES, drain_goodbye=" ".join(["Goodbye"] * 60) + ".")
    call = VirtualCall(replace(QUIET, lines=lines))
    call.tells(fact.DrainRequested(), at=1000)
    call.run()
    assert call.orders(order.HangUp)[0][0] == 1000 + QUIET.pace.goodbye_ms
    assert call.history[-1].interrupted
    assert call.history[-1].text == call.heard


def test_a_drain_before_the_call_is_its_end() -> None:
    """A call that was never connected just ends."""
    machine = TurnMachine()
    assert machine.handle(fact.DrainRequested(), 0) == [order.FinishCall(outcome=Outcome.FAILED, reason="drain")]
    assert machine.ended
    assert machine.next_deadline() is None
    assert machine.handle(fact.LineClosed(cause="carrier_stop"), 1) == []


def test_a_caller_who_hangs_up_leaves_everything_said() -> None:
    """What was heard, what was being said and what was being typed are in the transcript."""
    call = VirtualCall(paced(barge_in_threshold_ms=0), [LONG])
    call.says(ASKS, at=0)
    call.says("I would rather talk to a person", at=3000)
    call.presses("0", at=5300)
    call.tells(fact.LineClosed(cause="carrier_stop"), at=5500)
    call.run()
    assert call.transcript[-1] == ("user", "I would rather talk to a person [DTMF: 0]")
    assert call.transcript[-2][0] == "assistant"
    assert call.history[1].interrupted
    assert call.heard == call.history[1].text
    assert call.outcome == ("answered", "carrier_stop")


def test_a_line_that_closes_while_the_answer_is_held_counts_to_the_hold() -> None:
    """Nothing of an answer is heard while it is held, so nothing of that time is in the history."""
    for fault in ((), (Fault.NO_STOPS,)):
        call = interrupted(say="", lasts_ms=900, at=1000)
        call.faults.update(fault)
        call.tells(fact.LineClosed(cause="carrier_stop"), at=call.sounds[0].start + 1800)
        call.run()
        assert call.history[-1].text == call.heard


def test_a_silent_caller_is_asked_twice() -> None:
    """Then the call ends; each question comes after the same silence."""
    call = VirtualCall(PLAN)
    call.run()
    assert lines_of(call, "assistant")[1:] == [LINES.still_there, LINES.still_there, LINES.idle_goodbye]
    assert call.outcome == ("answered", "idle")


def test_a_caller_who_says_yes_while_being_asked_is_there() -> None:
    """Agreement spoken over the question starts the count again."""
    call = VirtualCall(QUIET)
    call.run_until(10_000)
    call.says("yes", at=10_100, lasts_ms=200)
    call.run()
    assert lines_of(call, "assistant").count(LINES.still_there) == 3


def test_time_runs_out_with_a_warning() -> None:
    """The caller is warned a while before, when nobody speaks, and the call ends on time."""
    call = VirtualCall(paced(max_duration_ms=60_000, time_warning_ms=20_000, idle_ms=100_000), [LONG])
    call.says(ASKS, at=37_000)
    call.run()
    warned = next(at for at, each in call.orders(order.ReadOut) if each.text == LINES.time_warning)
    assert 40_000 < warned < 48_000
    assert call.outcome == ("answered", "max_duration")
    assert call.orders(order.HangUp)[0][0] < 66_000


def test_a_short_call_is_not_warned() -> None:
    """A limit below twice the warning has no warning."""
    call = VirtualCall(paced(max_duration_ms=5000))
    call.run()
    assert lines_of(call, "assistant") == [LINES.time_goodbye]


def test_the_agent_hangs_up_after_its_last_word() -> None:
    """A wish to end is granted once the reply has been heard."""
    call = VirtualCall(QUIET, [Answer(clauses=("Goodbye.",), hang_up=True)])
    call.says("That was all, thanks. Bye.", at=0)
    call.run()
    assert call.heard == "Goodbye."
    assert call.outcome == ("answered", "agent")


def test_a_transfer_follows_its_announcement() -> None:
    """The caller is told, then connected, and the call is over for us."""
    call = VirtualCall(QUIET, [Answer(clauses=("One moment.",), transfer="+15550199")])
    call.says("A person, please.", at=0)
    call.run()
    (asked, _) = call.orders(order.Transfer)[0]
    assert asked > call.sounds[0].end
    assert call.outcome == ("answered", "transferred")


def test_a_transfer_that_fails_comes_back() -> None:
    """The caller is told so, and what they said meanwhile is answered."""
    answers: list[str | Answer] = [Answer(clauses=("One moment.",), transfer="+15550199"), "Of course."]
    call = VirtualCall(
        paced(time_warning_ms=1_000_000, max_duration_ms=2_006_000), answers, transfer=TransferOutcome.BUSY
    )
    call.says("A person, please.", at=0)
    call.says("Hello? Anybody there?", at=4500)
    call.presses("1", at=5000)
    call.run_until(20_000)
    assert call.heard == f"One moment. {LINES.no_transfer} Of course."


def test_a_transfer_that_rings_for_ever_comes_back() -> None:
    """Nobody picks up: the caller is ours again."""
    call = VirtualCall(
        QUIET, [Answer(clauses=("One moment.",), transfer="+15550199")], latency=Latency(transfer_ms=10**6)
    )
    call.says("A person, please.", at=0)
    call.run_until(60_000)
    assert LINES.no_transfer in call.heard


def test_a_lost_recognition_ends_the_call_aloud() -> None:
    """Nobody talks to a deaf agent."""
    call = VirtualCall(PLAN, faults=[Fault.EARS_FAIL])
    call.run()
    assert call.heard.endswith(LINES.trouble)
    assert call.outcome == ("failed", "listen_failed")


# --- the whole -------------------------------------------------------------------------------------------------------


def test_ten_minutes_of_talk() -> None:
    """A call of ten minutes, with interruptions, stays true to what was heard from its first word to its last."""
    call = VirtualCall(
        PLAN, ["We open at nine. And we close at ten.", LONG, "Yes. Certainly. On every day of the week."]
    )
    at = 3000
    while at < 600_000:
        for say, after in ((ASKS, 6000), ("And on Sunday evenings?", 3000), ("No wait.", 5000), ("okay", 3000)):
            at = call.says(say, at=at) + after
    call.tells(fact.DrainRequested(), at=at)
    call.run()
    assert call.now > 600_000
    assert 1000 < len(call.log) < 20_000
    assert " ".join(lines_of(call, "assistant")) == call.heard
    assert call.longest_wait()[0] < 4000


def test_stale_facts_change_nothing() -> None:
    """Facts about replies, clauses and segments that are gone, or never were, are dropped."""
    machine = TurnMachine()
    connect(machine)
    answer(machine, at=1000)
    before = (machine.states, machine.waits_for, machine.next_deadline())
    for reply, clause in ((0, 0), (7, 0), (1, 5), (1, -1)):
        for event in (
            fact.ClauseVoiced(response_id=reply, clause=clause, duration_ms=10),
            fact.PlayoutStarted(response_id=reply, clause=clause),
            fact.MarkReached(response_id=reply, clause=clause),
            fact.PlaybackStopped(response_id=reply, clause=clause, played_ms=10),
            fact.SpeakFailed(response_id=reply, clause=clause, provider="p", message="m"),
            fact.ClauseJudged(response_id=reply, clause=clause, rule="r", replacement=None),
            fact.SpeechEnded(at_ms=5),
        ):
            assert machine.handle(event, 1300) == []
    for late in (
        fact.ClauseReady(response_id=0, text="Late."),
        fact.ResponseFinished(response_id=0),
        fact.ResponseFailed(response_id=0, provider="p", message="m"),
        fact.EndRequested(response_id=0),
        fact.TransferRequested(response_id=0, number="+1"),
        fact.TranscriptPartial(segment=9, text="late"),
        fact.TransferFinished(),
        fact.TransferFailed(message="m"),
        fact.SpeechEnded(at_ms=5),
    ):
        assert machine.handle(late, 1300) == []
    assert (machine.states, machine.waits_for, machine.next_deadline()) == before


def test_a_mark_that_comes_twice_or_late_counts_once() -> None:
    """Marks confirm what they name and what came before it; more of the same changes nothing."""
    machine = TurnMachine()
    connect(machine)
    answer(machine, at=1000)
    for text in ("One.", "Two."):
        machine.handle(fact.ClauseReady(response_id=1, text=text), 1200)
    for clause in (0, 1):
        machine.handle(fact.ClauseVoiced(response_id=1, clause=clause, duration_ms=500), 1300)
        machine.handle(fact.PlayoutStarted(response_id=1, clause=clause), 1400 + 500 * clause)
    machine.handle(fact.ResponseFinished(response_id=1), 2000)
    machine.handle(fact.MarkReached(response_id=1, clause=1), 2450)
    for _ in range(2):
        assert machine.handle(fact.MarkReached(response_id=1, clause=0), 2500) == []
    assert [each.text for each in machine.history] == ["Yes.", "One. Two."]
    assert machine.plan is not None


def test_a_resumed_answer_is_not_over_before_it_sounds_again() -> None:
    """The time it was held for does not count as heard, however long playback takes to go on."""
    machine = held()
    machine.handle(fact.PlaybackStopped(response_id=1, clause=0, played_ms=1000), 3320)
    ordered = machine.handle(fact.TranscriptFinal(segment=1, text=""), 6000)
    assert order.ResumePlayback(response_id=1) in ordered
    left = 3000 - 1000 + REWIND_MS
    assert machine.next_deadline() == 6000 + left + QUIET.pace.mark_grace_ms
    machine.handle(fact.PlayoutStarted(response_id=1, clause=0), 6400)
    assert machine.next_deadline() == 6400 + left + QUIET.pace.mark_grace_ms


def test_an_answer_that_ended_as_it_was_held_is_resumed_before_it_is_over() -> None:
    """A mark that comes during the hold counts, and the line is not left silenced."""
    machine = held()
    assert machine.handle(fact.MarkReached(response_id=1, clause=0), 3330) == []
    ordered = machine.handle(fact.TranscriptFinal(segment=1, text=""), 4000)
    assert [type(each) for each in ordered] == [order.CommitTranscript, order.ResumePlayback, order.ReportTranscript]
    assert machine.history[-1].text == "We open at nine."


def test_word_of_a_stop_that_is_over_changes_nothing() -> None:
    """Where playback stopped, told after it went on, does not take back what was heard since."""
    machine = held()
    machine.handle(fact.TranscriptFinal(segment=1, text=""), 4000)
    machine.handle(fact.PlayoutStarted(response_id=1, clause=0), 4010)
    machine.handle(fact.PlaybackStopped(response_id=1, clause=0, played_ms=900), 4100)
    machine.handle(fact.LineClosed(cause="carrier_stop"), 6600)
    assert machine.history[-1].text == "We open at nine."


def test_last_words_have_time_to_be_voiced() -> None:
    """A goodbye that cuts a long answer off may take as long to begin as any other reply."""
    machine = held(noise=False)
    machine.handle(fact.DrainRequested(), 4000)
    assert machine.next_deadline() == 4000 + SILENCE_MS


def test_words_that_come_late_twice_are_answered_once() -> None:
    """A provider may repeat itself; the caller did not."""
    machine = TurnMachine()
    connect(machine)
    for event, at in (
        (fact.SpeechStarted(at_ms=100), 160),
        (fact.SpeechEnded(at_ms=600), 800),
        (fact.Tick(), 1100),
        (fact.Tick(), 3600),
        (fact.TranscriptFinal(segment=0, text="Two."), 4000),
        (fact.TranscriptFinal(segment=0, text="Two."), 4100),
    ):
        machine.handle(event, at)
    machine.handle(fact.LineClosed(cause="carrier_stop"), 4200)
    assert [each.text for each in machine.history] == ["Two."]


def test_time_does_not_run_backwards() -> None:
    """An event that carries an earlier time than the last is taken as now."""
    machine = TurnMachine()
    connect(machine)
    machine.handle(fact.Tick(), 5000)
    machine.handle(fact.DtmfReceived(digit="1"), 100)
    assert machine.next_deadline() == 5000 + QUIET.pace.keys_ms


def test_a_line_that_closes_tells_where_the_ear_was() -> None:
    """The reply that was sounding is cut where the line says, not where its clock would be."""
    machine = held(noise=False)
    machine.handle(fact.PlaybackStopped(response_id=1, clause=0, played_ms=600, line_closed=True), 3400)
    machine.handle(fact.LineClosed(cause="carrier_stop"), 3401)
    assert [(each.text, each.interrupted) for each in machine.history][-1] == ("We", True)


def test_word_times_cut_the_history() -> None:
    """A caller who takes the floor leaves the agent the words whose time had come, by the voice's own clock."""
    machine = held()
    timed = fact.WordsTimed(response_id=1, clause=0, starts_ms=(0, 200, 1300, 1500), ends_ms=(200, 400, 1500, 3000))
    machine.handle(timed, 3510)
    machine.handle(fact.PlaybackStopped(response_id=1, clause=0, played_ms=1100), 3520)
    machine.handle(fact.TranscriptFinal(segment=1, text="No, not on Monday."), 4000)
    heard = [each for each in machine.history if each.role == "assistant"]
    assert [(each.text, each.interrupted) for each in heard] == [("We open", True)]


def held(*, noise: bool = True) -> TurnMachine:
    """An answer of 3000 ms that began at 2000, delivered; a noise of 400 ms holds it at 3300, if there is one."""
    machine = TurnMachine()
    connect(machine)
    answer(machine, at=1000)
    machine.handle(fact.ClauseReady(response_id=1, text="We open at nine."), 1200)
    machine.handle(fact.ResponseFinished(response_id=1), 1250)
    machine.handle(fact.ClauseVoiced(response_id=1, clause=0, duration_ms=3000), 1300)
    machine.handle(fact.PlayoutStarted(response_id=1, clause=0), 2000)
    if noise:
        machine.handle(fact.SpeechStarted(at_ms=3000), 3060)
        machine.handle(fact.Tick(), 3300)
        machine.handle(fact.SpeechEnded(at_ms=3400), 3500)
        assert machine.states[2] is AgentState.HELD
    return machine


def connect(machine: TurnMachine, plan: CallPlan = QUIET) -> None:
    connected = fact.CallConnected(
        call_id="c", caller="+1", callee="+2", direction=Direction.INBOUND, carrier="none", plan=plan, wall_time=0.0
    )
    machine.handle(connected, 0)
    machine.handle(connected, 0)
    machine.handle(fact.CallPrepared(plan=plan), 10)


def answer(machine: TurnMachine, at: int) -> None:
    """The caller says "Yes." and the reply is ordered at `at`."""
    machine.handle(fact.SpeechStarted(at_ms=at - 700), at - 640)
    machine.handle(fact.SpeechEnded(at_ms=at - 400), at - 200)
    ordered = machine.handle(fact.TranscriptFinal(segment=0, text="Yes."), at)
    ordered += machine.handle(fact.Tick(), at)
    assert any(isinstance(each, order.StartResponse) for each in ordered)


# --- a voice that is late -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("queue_ms", [2500, 4000, 6000, 9000])
def test_a_voice_that_waits_for_a_busy_machine_is_bridged(queue_ms: int) -> None:
    """A filler overtakes the clause that the voice is at, and then that is heard, whenever it is ready."""
    call = VirtualCall(QUIET, ["At nine. And until five."], latency=Latency(queue_ms=queue_ms))
    call.says(ASKS, at=0)
    call.run_until(40_000)
    assert call.heard.startswith(f"{LINES.filler} ")
    assert call.heard.index("At nine.") < call.heard.index("And until five.")
    assert LINES.apology not in call.heard
    assert lines_of(call, "assistant")[0].startswith(f"{LINES.filler} ")
    stretches = [(each.start, each.end) for each in call.sounds]
    assert all(end <= start for (_, end), (start, _) in pairwise(stretches))


def test_a_short_queue_needs_no_filler() -> None:
    """What comes within the time that a filler waits for comes alone."""
    call = VirtualCall(QUIET, ["At nine."], latency=Latency(queue_ms=1000))
    call.says(ASKS, at=0)
    call.run_until(10_000)
    assert call.heard == "At nine."


def test_a_voice_that_is_late_for_ever_is_given_up() -> None:
    """It says that it is at work, and nothing ever comes: in the end the agent apologises."""
    call = VirtualCall(QUIET, ["At nine."], latency=Latency(queue_ms=600_000))
    call.says(ASKS, at=0)
    call.run_until(QUIET.pace.give_up_ms + 12_000)
    assert call.heard.startswith(LINES.filler)
    assert LINES.apology in call.heard
    assert "At nine." not in call.heard


def test_a_late_voice_that_is_interrupted_was_not_heard() -> None:
    """The caller speaks over the filler: only that is in the history, none of the clause behind it."""
    call = VirtualCall(QUIET, ["At nine.", "All right."], latency=Latency(queue_ms=4000))
    call.says(ASKS, at=0)
    while not call.sounds:
        call.run_until(call.now + 50)
    assert call.sounds[0].text == LINES.filler
    call.says("No, wait, something else.")
    call.run_until(60_000)
    said = " ".join(lines_of(call, "assistant"))
    assert "At nine." not in said
    assert "All right." in said
