"""Stories of calls with a speech-to-speech engine: one that leaves turns to us, one that decides, and what breaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import MachineDetected
from patter_cli.core.floor import AgentState, CallerState, CallState
from patter_cli.core.inflow import QUIET_MS
from patter_cli.core.journal import parse_journal, render_entry, replay
from patter_cli.core.outcome import AnsweredBy, VerdictSource
from patter_cli.core.plan import BlockedTerms, CallPlan, EnginePlan, PlannedTool, SystemPhrases
from patter_cli.core.s2s_caller import INTERRUPT_MS
from patter_cli.errors import Unavailable
from patter_cli.testing import FarEnd, VirtualCall, VirtualTool
from patter_cli.testing.speech_peer import TURNS_OURS, TURNS_THEIRS, PeerFault, PeerLatency, Said, Script, SpeechPeer

LINES = SystemPhrases()
GREETING = "Luigi's, hello."
ASKS = "When do you open?"
NINE = "We open at nine."
LONG = "We are open from nine in the morning until ten at night on every day of the week but Sunday."
OURS = CallPlan(agent="luigi", system_prompt="", engine=EnginePlan(truncates=True))
THEIRS = replace(OURS, engine=EnginePlan(server_turns=True))
BOTH = pytest.mark.parametrize("plan", [OURS, THEIRS], ids=["ours", "theirs"])


def engine_for(plan: CallPlan, script: Script, *faults: PeerFault, **abilities: Any) -> SpeechPeer:
    can = TURNS_THEIRS if plan.engine is not None and plan.engine.server_turns else TURNS_OURS
    return SpeechPeer(script, abilities=replace(can, **abilities), faults=faults)


def called(
    plan: CallPlan,
    script: Script,
    *faults: PeerFault,
    tools: Mapping[str, VirtualTool] | None = None,
    **abilities: Any,
) -> tuple[VirtualCall, SpeechPeer]:
    peer = engine_for(plan, script, *faults, **abilities)
    return VirtualCall(plan, engine=peer, tools=tools), peer


def said_by(call: VirtualCall, role: str) -> list[str]:
    return [each.text for each in call.history if each.role == role]


def heard_truly(call: VirtualCall) -> bool:
    """The history has what reached the ear, and nothing else."""
    return " ".join(said_by(call, "assistant")) == call.heard


# --- a turn ----------------------------------------------------------------------------------------------------------


@BOTH
def test_a_question_is_answered(plan: CallPlan) -> None:
    """The engine greets, hears, answers; everything is in the history in its order, and the agent waits."""
    call, peer = called(replace(plan, first_message=GREETING), [NINE])
    call.says(ASKS, at=3000)
    call.run_until(9000)
    assert [(each.role, each.text) for each in call.history] == [
        ("assistant", GREETING),
        ("user", ASKS),
        ("assistant", NINE),
    ]
    assert call.heard == f"{GREETING} {NINE}"
    assert call.machine.states == (CallState.ACTIVE, CallerState.SILENT, AgentState.IDLE)
    assert peer.asked == [ASKS]


def test_a_turn_of_ours_is_not_kept_waiting_for_its_words() -> None:
    """The reply is asked for when the silence is long enough, whatever the transcript does."""
    call, _ = called(OURS, [NINE], PeerFault.LATE_TRANSCRIPT)
    done = call.says(ASKS, at=1000)
    call.run_until(9000)
    (asked, _), (committed, _) = call.orders(order.AskEngine)[0], call.orders(order.CommitSpeech)[0]
    assert asked - done == OURS.pace.endpoint_ms
    assert committed == asked


@BOTH
def test_late_words_of_the_caller_have_their_place(plan: CallPlan) -> None:
    """A transcript that comes after the answer was heard stands before it in the history."""
    call, _ = called(plan, [NINE], PeerFault.LATE_TRANSCRIPT)
    call.says(ASKS, at=1000)
    call.run_until(12_000)
    assert [each.text for each in call.history] == [ASKS, NINE]
    assert call.transcript == [("assistant", NINE), ("user", ASKS)]
    assert call.history[0].timestamp < call.history[1].timestamp


@BOTH
def test_a_caller_whose_words_are_never_known_is_answered(plan: CallPlan) -> None:
    """The place that was kept stays empty, and nobody sees it."""
    call, _ = called(plan, [NINE], PeerFault.NO_TRANSCRIPT)
    call.says(ASKS, at=1000)
    call.run_until(9000)
    assert [each.text for each in call.history] == [NINE]


def test_a_click_on_the_line_is_no_turn() -> None:
    """A voice shorter than any word is neither committed nor answered."""
    call, peer = called(OURS, [NINE])
    call.makes_noise(1000, lasts_ms=100)
    call.run_until(4000)
    assert not call.orders(order.AskEngine)
    assert peer.replies == 0


@BOTH
def test_keys_are_typed_to_the_engine(plan: CallPlan) -> None:
    """It has not heard them, so it is told."""
    call, peer = called(plan, [NINE])
    call.presses("12#", at=1000)
    call.run_until(6000)
    assert peer.typed == ["[DTMF: 12#]"]
    assert call.heard == NINE
    assert [each.text for each in call.history] == ["[DTMF: 12#]", NINE]


@BOTH
def test_a_silent_caller_is_asked_and_then_left(plan: CallPlan) -> None:
    """Our own lines are said by the house voice, with an engine too."""
    call, _ = called(plan, [NINE])
    call.run()
    assert said_by(call, "assistant") == [LINES.still_there, LINES.still_there, LINES.idle_goodbye]
    assert call.outcome == ("answered", "idle")


def test_a_voice_that_the_engine_makes_nothing_of_is_asked_again() -> None:
    """An engine that decides on turns and is deaf leaves nobody in silence."""
    call, _ = called(THEIRS, [NINE], PeerFault.DEAF)
    call.says("Hello is anybody there at all?", at=1000)
    call.run_until(11_000)
    assert said_by(call, "assistant") == [LINES.repeat]
    assert call.longest_wait()[0] <= 4000


# --- barge-in --------------------------------------------------------------------------------------------------------


def test_a_barge_in_clears_and_truncates() -> None:
    """The line is silent at once, and the engine's memory ends where the ear did."""
    call, peer = called(OURS, [LONG, "Sorry."])
    call.says(ASKS, at=1000)
    call.run_until(4000)
    call.says("No wait I meant on Sunday", at=4200)
    call.run_until(12_000)
    first = call.sounds[0]
    item, heard_ms = peer.truncated[0]
    assert item == "r1.0"
    assert abs(heard_ms - first.played_ms) <= 5
    cut, sorry = said_by(call, "assistant")
    assert LONG.startswith(cut)
    assert sorry == "Sorry."
    assert said_by(call, "user")[1] == "No wait I meant on Sunday"
    assert heard_truly(call)


def test_a_reply_still_in_the_making_is_cancelled() -> None:
    """What the engine has not sent yet need not come."""
    endless = " ".join([LONG] * 20)
    call, peer = called(OURS, [endless, "Sorry."])
    call.says(ASKS, at=1000)
    call.says("Stop that please and listen to me", at=3000)
    call.run_until(12_000)
    assert peer.cancelled == ["r1"]
    assert heard_truly(call)


def test_word_times_say_what_was_heard_where_the_engine_has_them() -> None:
    """A reply whose first words are spoken slowly is cut by its times, and not by its letters."""
    call, _ = called(OURS, [LONG, "Sorry."])
    call.says(ASKS, at=1000)
    starts = tuple(range(0, 900 * len(LONG.split()), 900))
    times = fact.WordsTimed(response_id=1, clause=0, starts_ms=starts, ends_ms=tuple(at + 800 for at in starts))
    call.tells(times, 3000)
    call.says("No wait I meant on Sunday", at=4200)
    call.run_until(12_000)
    assert 1450 < call.sounds[0].played_ms < 1700
    assert said_by(call, "assistant")[0] == "We are"


@pytest.mark.parametrize("words", ["", "mm-hm"], ids=["cough", "backchannel"])
def test_what_means_nothing_gives_the_line_back(words: str) -> None:
    """The reply is held, its words are fetched, and it goes on a little before where it stopped."""
    call, peer = called(OURS, [LONG])
    call.says(ASKS, at=1000)
    call.says(words, at=4000, lasts_ms=500)
    call.run_until(14_000)
    assert len(call.orders(order.ResumePlayback)) == 1
    assert call.heard == LONG
    assert [each.text for each in call.history] == [ASKS, LONG]
    assert not peer.truncated


def test_without_a_transcript_a_voice_counts_by_its_length() -> None:
    """An engine that does not say what it hears is interrupted by whoever speaks for long enough."""
    plan = replace(OURS, engine=EnginePlan(transcribes=False, truncates=True))
    for lasts_ms, yields in ((450, False), (800, True)):
        call, _ = called(plan, [LONG, "Yes?"], input_transcript=False)
        call.says(ASKS, at=1000)
        call.says("no no no", at=4000, lasts_ms=lasts_ms)
        call.run_until(16_000)
        assert bool(call.orders(order.MuteReply)) is yields
        assert said_by(call, "user") == []


def test_an_engine_that_decides_interrupts_itself() -> None:
    """What it has sent and nobody has heard is not heard any more, however late its sound still comes."""
    call, peer = called(THEIRS, [LONG, "Sorry."])
    call.says(ASKS, at=1000)
    call.says("No wait I meant on Sunday", at=4200)
    call.run_until(5500)
    assert call.facts(fact.EngineInterrupted)
    silent_at = call.sounds[-1].end
    peer.sessions[0].send(_sound("r1"))
    call.run_until(12_000)
    assert all(each.start < silent_at or each.response_id > 1 for each in call.sounds)
    assert call.heard.endswith("Sorry.")
    assert heard_truly(call)


def test_noise_that_the_engine_ignores_only_holds_its_reply() -> None:
    """It has a moment to interrupt; then the reply goes on, and all of it is heard."""
    call, peer = called(THEIRS, [LONG])
    call.says(ASKS, at=1000)
    call.run_until(3500)
    peer.faults.add(PeerFault.DEAF)
    end = call.says("", at=4000, lasts_ms=500)
    call.run_until(14_000)
    (resumed, _) = call.orders(order.ResumePlayback)[0]
    assert resumed == end + 200 + INTERRUPT_MS
    assert call.heard == LONG


def test_who_may_not_interrupt_hears_what_there_is() -> None:
    """With barge-in off an engine's own interruption ends its reply, and does not silence it."""
    plan = replace(THEIRS, pace=replace(THEIRS.pace, barge_in_threshold_ms=0))
    call, _ = called(plan, [LONG, "Yes?"])
    call.says(ASKS, at=1000)
    call.says("No wait I meant on Sunday", at=3000)
    call.run_until(14_000)
    assert not call.orders(order.MuteReply)
    assert heard_truly(call)


def test_a_caller_who_goes_on_before_the_answer_gets_one() -> None:
    """The reply to the first half is given up unheard, and the engine has both halves."""
    call, peer = called(OURS, lambda heard: "Sure.")
    done = call.says("I want a table.", at=1000)
    call.says("For two on Sunday.", at=done + 650)
    call.run_until(9000)
    assert call.heard == "Sure."
    assert said_by(call, "user") == ["I want a table.", "For two on Sunday."]
    assert heard_truly(call)
    assert peer.replies <= 2


# --- whose reply it is -----------------------------------------------------------------------------------------------


def _sound(reply: str) -> Any:
    import numpy as np

    from patter_cli.contracts.s2s import ReplyAudio

    return ReplyAudio(reply=reply, samples=np.ones(1600, np.int16), item=f"{reply}.9")


def test_a_second_reply_that_nobody_asked_for_is_rejected() -> None:
    """It is stopped at the engine and none of it is heard."""
    call, peer = called(OURS, [LONG], PeerFault.OPENS_TWICE)
    call.says(ASKS, at=1000)
    call.run_until(14_000)
    assert [each.vendor_id for _, each in call.orders(order.RejectReply)] == ["second"]
    assert {each.response_id for each in call.sounds} == {1}
    assert call.heard == LONG
    assert peer.replies == 1


def test_an_engine_that_decides_may_go_on_by_itself() -> None:
    """A reply that it opens while the last is heard continues it: same number, one after the other."""
    call, peer = called(THEIRS, [NINE])
    call.says(ASKS, at=1000)
    call.run_until(3200)
    peer.sessions[0].type_text("go on")
    call.run_until(9000)
    assert [each.response_id for _, each in call.orders(order.AcceptReply)] == [1, 1]
    assert call.heard == f"{NINE} {NINE}"
    starts = [each.start for each in call.sounds]
    assert starts == sorted(starts)


@BOTH
def test_sound_of_an_unknown_reply_is_not_heard(plan: CallPlan) -> None:
    """Nobody opened it, so it has no number and no floor."""
    call, _ = called(plan, [NINE], PeerFault.STRAY_SOUND)
    call.says(ASKS, at=1000)
    call.run_until(9000)
    assert call.heard == NINE


@BOTH
def test_nothing_of_an_engine_is_heard_after_the_last_words(plan: CallPlan) -> None:
    """A server that goes down mutes the reply under way and says its own goodbye."""
    call, peer = called(plan, [LONG])
    call.says(ASKS, at=1000)
    call.tells(fact.DrainRequested(), 4000)
    call.run_until(4100)
    peer.sessions[0].type_text("more")
    call.run()
    assert call.heard.endswith(LINES.drain_goodbye)
    assert call.outcome == ("answered", "drain")


# --- words and rules -------------------------------------------------------------------------------------------------


@BOTH
def test_words_that_come_after_the_sound_are_the_line_they_belong_to(plan: CallPlan) -> None:
    """A reply that was heard before its words were known is in the history where it was heard."""
    call, _ = called(plan, ["Yes."], PeerFault.LATE_WORDS)
    call.says(ASKS, at=1000)
    call.run_until(9000)
    assert [each.text for each in call.history] == [ASKS, "Yes."]


@BOTH
def test_a_reply_without_words_is_heard_and_leaves_no_line(plan: CallPlan) -> None:
    """Nobody can write down what nobody says; the caller was answered all the same."""
    call, _ = called(plan, [NINE], PeerFault.NO_WORDS)
    call.says(ASKS, at=1000)
    call.run_until(9000)
    assert call.heard == NINE
    assert [each.text for each in call.history] == [ASKS]
    assert call.machine.quiet


@BOTH
def test_blocked_words_are_not_heard(plan: CallPlan) -> None:
    """The sound of a forbidden term is held back, the replacement is said, and the history has just that."""
    rule = BlockedTerms(name="cars", terms=("red car",), replacement="Let us talk of something else.")
    call, peer = called(replace(plan, blocked=(rule,)), ["We sell bikes here and also a red car for little money."])
    call.says(ASKS, at=1000)
    call.run_until(9000)
    assert "red" not in call.heard
    assert call.heard.endswith(rule.replacement)
    assert heard_truly(call)
    assert bool(peer.truncated) is (plan is OURS)


@BOTH
def test_a_code_guardrail_cuts_a_reply_off(plan: CallPlan) -> None:
    """Its sound has waited for the lead; what is already out is cleared, and the replacement said."""
    peer = engine_for(plan, [f"That will cost you. {LONG}"])
    call = VirtualCall(
        replace(plan, checks=("polite",)),
        engine=peer,
        judge=lambda rule, text: "I would rather not say." if "cost" in text else None,
    )
    call.says(ASKS, at=1000)
    call.run_until(9000)
    assert call.heard.endswith("I would rather not say.")
    assert LONG not in call.heard
    assert call.machine.quiet


# --- tools -----------------------------------------------------------------------------------------------------------

BOOKS = (PlannedTool(name="book", timeout_ms=4000),)


@BOTH
def test_a_tool_runs_and_the_reply_goes_on(plan: CallPlan) -> None:
    """The engine gets the result once and goes on, by itself or asked; it is one reply with one number."""
    script = [Said(items=("Let me see.",), calls=(("book", '{"n": 2}'),)), "It is booked."]
    call, peer = called(replace(plan, tools=BOOKS), script, tools={"book": VirtualTool('{"ok": true}', 900)})
    call.says("A table for two please.", at=1000)
    call.run_until(12_000)
    assert peer.returned == {"r1.call0": '{"ok": true}'}
    assert call.heard == "Let me see. It is booked."
    assert {each.response_id for _, each in call.orders(order.AcceptReply)} == {1}
    continued = [each for _, each in call.orders(order.AskEngine) if each.continues]
    assert len(continued) == 1


@BOTH
def test_a_result_is_returned_though_nobody_waits_for_it(plan: CallPlan) -> None:
    """A caller who talks on over a tool does not leave the engine with an open call."""
    script = [Said(items=("Let me see.",), calls=(("book", "{}"),)), "Of course.", "Fine."]
    call, peer = called(replace(plan, tools=BOOKS), script, tools={"book": VirtualTool('{"ok": true}', 2500)})
    call.says("A table for two please.", at=1000)
    call.run_until(3800)
    call.says("No wait I meant for three on Sunday", at=3900)
    call.run_until(16_000)
    assert peer.returned["r1.call0"] == '{"ok": true}'
    assert heard_truly(call)


def test_the_engine_hangs_up_with_our_tool() -> None:
    """end_call is answered by us, and done once the goodbye was heard."""
    call, peer = called(OURS, [Said(items=("Goodbye then.",), calls=(("end_call", "{}"),))])
    call.says("Bye bye.", at=1000)
    call.run()
    assert call.heard == "Goodbye then."
    assert call.outcome == ("answered", "agent")
    assert len(peer.returned) == 1


BYE = Said(items=("Goodbye, and have a lovely evening.",), calls=(("end_call", "{}"),))


def parting(plan: CallPlan, says: str) -> tuple[VirtualCall, SpeechPeer]:
    """A call in which the caller says this after the goodbye; an engine that decides tells it before it replies."""
    call, peer = called(plan, [BYE, "Yes, behind the house."])
    peer.latency = PeerLatency(transcript_ms=100 if plan is THEIRS else 300)
    call.says("That was all.", at=0)
    call.run_until(3000)
    call.says(says, at=call.sounds[0].end + 30)
    return call, peer


@BOTH
def test_one_more_thing_after_the_goodbye_is_answered(plan: CallPlan) -> None:
    """The engine's transcript says that the caller goes on, though it comes later than the silence."""
    call, peer = parting(plan, "Wait, one more thing, is there parking?")
    call.run_until(14_000)
    assert not call.orders(order.HangUp)
    assert call.heard.endswith("Yes, behind the house.")
    assert peer.replies <= 3


@BOTH
def test_a_goodbye_after_the_goodbye_hangs_up(plan: CallPlan) -> None:
    """It is in the history, and nobody answers it."""
    call, _ = parting(plan, "Bye bye.")
    end = call.sounds[0].end
    call.run()
    assert call.orders(order.HangUp)[0][0] < end + 3000
    assert call.heard == "Goodbye, and have a lovely evening."
    assert said_by(call, "user")[-1] == "Bye bye."


def test_what_was_said_over_the_goodbye_is_answered_after_it() -> None:
    """Where nobody may interrupt, the words are known before the goodbye is over, and keep the call."""
    plan = replace(OURS, pace=replace(OURS.pace, barge_in_threshold_ms=0))
    call, _ = called(plan, [BYE, "Yes, behind the house."])
    call.says("That was all.", at=0)
    call.says("Wait, is there parking?", at=2000, lasts_ms=900)
    call.run_until(12_000)
    assert not call.orders(order.HangUp)
    assert call.heard == "Goodbye, and have a lovely evening. Yes, behind the house."


@pytest.mark.parametrize("fault", [PeerFault.NO_TRANSCRIPT, PeerFault.LATE_TRANSCRIPT])
def test_words_that_never_come_do_not_hold_the_line_for_ever(fault: PeerFault) -> None:
    """They have as long as a goodbye may take; then we hang up."""
    call, _ = called(OURS, [BYE, "Yes?"], fault)
    call.says("That was all.", at=0)
    call.run_until(3000)
    end = call.sounds[0].end
    call.says("Bye bye.", at=end + 30)
    call.run()
    assert call.orders(order.HangUp)[0][0] <= end + OURS.pace.goodbye_ms + 1000
    assert call.outcome == ("answered", "agent")


@BOTH
def test_an_engine_that_leaves_is_heard_out(plan: CallPlan) -> None:
    """It closes its session with a tool of its own: we hang up when its last words were heard, and it is no failure."""
    call, _ = called(plan, [Said(items=("Goodbye then.",), leaves=True)])
    call.says("Bye bye.", at=1000)
    call.run()
    assert call.heard == "Goodbye then."
    assert call.outcome == ("answered", "agent")


# --- outbound --------------------------------------------------------------------------------------------------------


@BOTH
def test_a_machine_is_told_its_message_by_the_house_voice(plan: CallPlan) -> None:
    """Whoever picked up is greeted by the engine; once it is a machine the engine is muted, and says nothing more."""
    message = "This is Luigi's. Please call us back."
    plan = replace(plan, first_message=f"{GREETING} {LONG}", screens_machines=True, voicemail_message=message)
    verdict = MachineDetected(answered_by=AnsweredBy.MACHINE, source=VerdictSource.CARRIER, greeting_over=True)
    peer = engine_for(plan, [NINE])
    call = VirtualCall(plan, engine=peer, far_end=FarEnd(tells=((2500, verdict),)))
    call.run_until(9300)
    peer.sessions[0].type_text("hello")
    call.run()
    assert call.outcome[0] == "voicemail"
    assert call.heard.endswith(message)
    assert call.heard.startswith("Luigi's")
    assert NINE not in call.heard


# --- what breaks -----------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("fault", [PeerFault.HANGS, PeerFault.SILENT])
def test_an_engine_that_hangs_is_bridged_and_given_up(plan: CallPlan, fault: PeerFault) -> None:
    """Fillers first, then an apology; the caller hears something every four seconds."""
    call, _ = called(plan, [NINE], fault)
    call.says(ASKS, at=1000)
    call.run_until(25_000)
    lines = said_by(call, "assistant")
    assert lines[0].startswith(LINES.filler)
    assert LINES.apology in " ".join(lines)
    assert call.longest_wait()[0] <= 4000


@BOTH
def test_an_engine_that_does_not_greet_is_greeted_for(plan: CallPlan) -> None:
    """The first words are known: the house voice says them, and a late greeting is not wanted."""
    call, _ = called(replace(plan, first_message=GREETING), [NINE], PeerFault.HANGS)
    call.run_until(8000)
    assert call.heard == GREETING
    assert call.longest_wait()[0] <= 4000


@BOTH
def test_a_session_that_breaks_is_opened_again(plan: CallPlan) -> None:
    """What had come is heard, we apologise, and the next question is answered by the new session."""
    call, peer = called(replace(plan, first_message=GREETING), [LONG, NINE])
    call.run_until(2500)
    peer.faults.add(PeerFault.DROPS)
    call.says(ASKS, at=3000)
    call.run_until(14_000)
    call.says("Sorry, when?", at=14_500)
    call.run_until(20_000)
    assert len(peer.sessions) == 2
    assert peer.sessions[1].setup.history
    assert LINES.apology in call.heard
    assert call.heard.endswith(NINE)


@BOTH
@pytest.mark.parametrize("after_ms", [650, 700, 760])
def test_a_session_that_breaks_before_it_replies_is_apologised_for_soon(plan: CallPlan, after_ms: int) -> None:
    """It has taken the turn, nothing of its reply has come, and nobody waits until it is given up."""
    call, peer = called(plan, [NINE])
    done = call.says(ASKS, at=1000)
    call.run_until(done + after_ms)
    peer.sessions[0].send(Unavailable("gone", provider="scripted"))
    call.run_until(done + after_ms + 1200)
    assert call.heard
    assert LINES.apology.startswith(call.heard)
    call.run_until(20_000)
    assert call.longest_wait()[0] <= 2000


@BOTH
def test_names_of_a_lost_session_mean_nothing_to_the_next(plan: CallPlan) -> None:
    """The new one may call its items the same; the caller's words are still all in the history, in their order."""
    call, peer = called(plan, [NINE])
    peer.item_names = "item{item}"
    call.says("When do you open?", at=1000)
    call.run_until(6000)
    peer.faults.add(PeerFault.DROPS)
    call.says("And when do you close again?", at=6500)
    call.run_until(16_000)
    call.says("On Sunday?", at=16_500)
    call.run_until(22_000)
    assert len(peer.sessions) == 2
    assert said_by(call, "user") == ["When do you open?", "And when do you close again?", "On Sunday?"]


@BOTH
def test_an_engine_that_nobody_reaches_ends_the_call_aloud(plan: CallPlan) -> None:
    """After its retries the caller is told, and the call has failed."""
    call, _ = called(replace(plan, first_message=GREETING), [NINE], PeerFault.REFUSES)
    call.run()
    assert call.heard.endswith(LINES.trouble)
    assert call.outcome == ("failed", "listen_failed")
    assert call.longest_wait()[0] <= 4000


@BOTH
def test_a_reply_that_fails_half_way_is_apologised_for(plan: CallPlan) -> None:
    """What came of it is heard before."""
    call, _ = called(plan, [LONG], PeerFault.FAILS)
    call.says(ASKS, at=1000)
    call.run_until(12_000)
    assert call.heard.startswith("We are open")
    assert call.heard.endswith(LINES.apology)


@BOTH
def test_a_reply_that_stalls_ends_somehow(plan: CallPlan) -> None:
    """Half of it comes and no end: it counts as over where quiet is an end, else it is given up."""
    call, _ = called(plan, [LONG], PeerFault.STALLS)
    call.says(ASKS, at=1000)
    call.run_until(20_000)
    if plan is THEIRS:
        assert call.machine.quiet
        assert heard_truly(call)
    else:
        assert LINES.apology in call.heard
        assert call.longest_wait()[0] <= 4000


def test_the_end_of_a_reply_is_its_quiet() -> None:
    """Where the engine tells no end, half a second without sound is one."""
    call, _ = called(THEIRS, [LONG])
    call.says(ASKS, at=1000)
    call.run_until(12_000)
    (voiced, _) = call.facts(fact.ClauseVoiced)[-1]
    (grew, last) = call.facts(fact.SpanGrew)[-1]
    rest_ms = call.sounds[0].duration_ms - last.received_ms
    assert abs(voiced - grew - rest_ms // 8 - QUIET_MS) <= 60


@BOTH
def test_the_same_call_is_replayed_to_the_byte(plan: CallPlan) -> None:
    """An engine's call is a journal like any other."""
    script = [Said(items=("Let me see.", "Yes."), calls=(("book", "{}"),)), LONG]
    call, _ = called(replace(plan, first_message=GREETING, tools=BOOKS), script, tools={"book": VirtualTool("{}")})
    call.says("A table for two please.", at=2500)
    call.says("stop", at=8000, lasts_ms=600)
    call.tells(fact.DrainRequested(), 14_000)
    call.run()
    again = replay(parse_journal(call.journal))
    assert "".join(render_entry(each.at, each.event, each.commands) + "\n" for each in again) == call.journal
