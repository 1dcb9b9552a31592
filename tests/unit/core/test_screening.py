"""Stories of who answers: a human is greeted at once, a machine is told its message, once, or nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import Answered, BeepHeard, CancelRequested, DialRequested, MachineDetected
from patter_cli.core.events import Event
from patter_cli.core.floor import CallState
from patter_cli.core.journal import parse_journal, render_entry, replay
from patter_cli.core.machine import TurnMachine
from patter_cli.core.outcome import AnsweredBy, Direction, Outcome, VerdictSource
from patter_cli.core.plan import CallPlan
from patter_cli.core.screening import BEEP_MS, HUMAN_WINDOW_MS, SILENT_MS, TONE_MS, WINDOW_MS, weigh
from patter_cli.testing import Answer, FarEnd, Fault, Latency, VirtualCall

GREETING = "Hello, this is Luigi's about your table."
MESSAGE = "This is Luigi's. Please call us back about your table."
PLAN = CallPlan(
    agent="luigi", system_prompt="", first_message=GREETING, screens_machines=True, voicemail_message=MESSAGE
)
SILENT = replace(PLAN, voicemail_message=" ")
"""An agent that leaves no messages."""
TAPE = "You have reached Ada. I can't come to the phone right now, so leave a message after the tone."
ANSWERED_AT = 6000

CARRIER, OWN = VerdictSource.CARRIER, VerdictSource.OWN
HUMAN, MACHINE, FAX, UNKNOWN = AnsweredBy.HUMAN, AnsweredBy.MACHINE, AnsweredBy.FAX, AnsweredBy.UNKNOWN


def verdict(answered_by: AnsweredBy, source: VerdictSource = CARRIER, *, over: bool = False) -> MachineDetected:
    return MachineDetected(answered_by=answered_by, source=source, greeting_over=over, raw=f"raw_{answered_by}")


BEEP = BeepHeard(source=CARRIER, raw="beep_detected")
OWN_BEEP = BeepHeard(source=OWN, raw="1000 Hz for 400 ms")


def dialled(*tells: tuple[int, Event], plan: CallPlan = PLAN, stream_ms: int = 150, **more: object) -> VirtualCall:
    """A call of which this is told, each so long after the answer."""
    answer = [Answer(clauses=("I see, one moment.",)), "Very good."]
    return VirtualCall(plan, answer, far_end=FarEnd(tells=tells, stream_ms=stream_ms), **more)  # type: ignore[arg-type]


def reported(call: VirtualCall) -> list[AnsweredBy]:
    return [each.answered_by for _, each in call.orders(order.ReportMachine)]


def messages(call: VirtualCall) -> list[int]:
    """When the message was begun."""
    return [at for at, each in call.orders(order.ReadOut) if each.text == MESSAGE]


# --- humans ----------------------------------------------------------------------------------------------------------


def test_a_human_is_greeted_without_delay() -> None:
    """Nobody waits for the verdict: the greeting begins as on a call that nobody screens, and is heard whole."""
    plain = dialled(plan=replace(PLAN, screens_machines=False))
    plain.run_until(14_000)
    for at in (200, 3000, 12_000):
        call = dialled((at, verdict(HUMAN)))
        call.run_until(ANSWERED_AT + 14_000)
        assert call.sounds[0].start == plain.sounds[0].start
        assert call.heard.startswith(GREETING)
        assert reported(call) == [HUMAN]
        assert call.orders(order.ReportMachine)[0][1].raw == "raw_human"
    assert not plain.orders(order.ReportMachine)


def test_what_nobody_knows_is_reported_when_the_window_closes() -> None:
    """A carrier that cannot tell, or tells nothing: it was somebody unknown, talked with like a human."""
    for tells in ((), ((2000, verdict(UNKNOWN)),)):
        call = dialled(*tells, plan=replace(PLAN, pace=replace(PLAN.pace, idle_ms=100_000)))
        call.run_until(60_000)
        assert [(at, each.answered_by) for at, each in call.orders(order.ReportMachine)] == [
            (ANSWERED_AT + 150 + WINDOW_MS, UNKNOWN)
        ]
        assert call.machine.states[0] is CallState.ACTIVE


def test_a_call_that_ends_before_the_verdict_is_reported_all_the_same() -> None:
    """Once either way: unknown, before the end."""
    call = dialled()
    call.tells(fact.LineClosed(cause="carrier_stop"), at=9000)
    call.run()
    assert reported(call) == [UNKNOWN]
    assert call.outcome == (Outcome.ANSWERED, "carrier_stop")


def test_nobody_answered_so_nothing_is_reported() -> None:
    """Who answered is no question where nobody did."""
    call = VirtualCall(PLAN, far_end=FarEnd(refuses=Outcome.BUSY))
    call.run()
    assert reported(call) == []


# --- machines --------------------------------------------------------------------------------------------------------


def test_a_machine_is_told_the_message_after_the_tone() -> None:
    """The greeting we began is broken off, the message is said once, from the tone on, and then we hang up."""
    call = dialled((900, verdict(MACHINE)), (9000, BEEP))
    call.says(TAPE, at=ANSWERED_AT + 300)
    call.run()
    assert messages(call) == [ANSWERED_AT + 9000]
    assert call.heard.endswith(MESSAGE)
    assert len(call.heard) < len(GREETING) + len(MESSAGE)
    assert call.outcome == (Outcome.VOICEMAIL, "message_left")
    assert reported(call) == [MACHINE]
    assert len(call.orders(order.HangUp)) == 1
    assert not call.orders(order.StartResponse)
    assert call.orders(order.HangUp)[0][0] - call.sounds[-1].end < 200


@pytest.mark.parametrize(("at", "plan"), [(900, SILENT), (60, SILENT), (4000, SILENT)])
def test_a_machine_without_a_message_is_hung_up_on_at_once(at: int, plan: CallPlan) -> None:
    """Nothing is left on its tape but what was said before we knew; not even that if we knew before the stream."""
    call = dialled((at, verdict(MACHINE)), plan=plan, stream_ms=150)
    call.run()
    assert call.orders(order.HangUp)[0][0] == ANSWERED_AT + at
    assert call.outcome == (Outcome.VOICEMAIL, "no_message")
    assert reported(call) == [MACHINE]
    if at < 150:
        assert not call.sounds


@pytest.mark.parametrize("plan", [PLAN, SILENT])
def test_a_machine_that_is_known_before_the_stream_is_not_greeted(plan: CallPlan) -> None:
    """The verdict may come before there is a line, even before the answer is told."""
    machine = TurnMachine()
    requested = DialRequested(
        call_id="c", caller="+1", callee="+2", carrier="none", plan=plan, ring_timeout_ms=None, wall_time=0.0
    )
    connected = fact.CallConnected(
        call_id="c", caller="+1", callee="+2", direction=Direction.OUTBOUND, carrier="none", plan=plan, wall_time=0.0
    )
    ordered = machine.handle(requested, 0)
    for at, event in enumerate((verdict(MACHINE), Answered(), connected, fact.CallPrepared(plan=plan))):
        ordered += machine.handle(event, 100 + at)
    kinds = [type(each) for each in ordered]
    assert order.ReadOut not in kinds
    assert (order.HangUp in kinds) == (plan is SILENT)
    assert machine.states[0] is (CallState.ENDING if plan is SILENT else CallState.VOICEMAIL)


def test_a_call_that_another_process_placed_is_screened_too() -> None:
    """Whoever holds the stream need not have dialled: its first fact is the stream, which says that it is outbound."""
    machine = TurnMachine()
    connected = fact.CallConnected(
        call_id="c", caller="+1", callee="+2", direction=Direction.OUTBOUND, carrier="none", plan=PLAN, wall_time=0.0
    )
    for at, event in enumerate((connected, fact.CallPrepared(plan=PLAN), verdict(MACHINE))):
        machine.handle(event, at)
    assert machine.states[0] is CallState.VOICEMAIL
    assert order.ReadOut(response_id=2, text=MESSAGE) in machine.handle(BEEP, 5000)


def test_a_greeting_that_is_over_is_followed_by_the_tone_or_the_message() -> None:
    """Whoever tells us that it is over need not tell us of a tone; a tone that follows still begins the message."""
    call = dialled((8000, verdict(MACHINE, over=True)))
    call.run()
    assert messages(call) == [ANSWERED_AT + 8000 + TONE_MS]
    call = dialled((8000, verdict(MACHINE, over=True)), (8600, BEEP))
    call.run()
    assert messages(call) == [ANSWERED_AT + 8600]


def test_a_tone_that_nobody_tells_us_of_is_not_waited_for() -> None:
    """A line that has gone silent has had its tone."""
    call = dialled((2500, verdict(MACHINE)))
    over = call.says(TAPE, at=ANSWERED_AT + 300)
    call.run()
    assert over + SILENT_MS <= messages(call)[0] <= over + SILENT_MS + 300
    assert call.outcome == (Outcome.VOICEMAIL, "message_left")


def test_a_tone_that_never_comes_over_a_greeting_that_never_ends() -> None:
    """Hold music on a tape: the message is said at the latest BEEP_MS after the verdict."""
    call = dialled((2500, verdict(MACHINE)))
    call.says("la " * 400, at=ANSWERED_AT + 300, lasts_ms=120_000)
    call.run()
    assert messages(call) == [ANSWERED_AT + 2500 + BEEP_MS]


def test_the_tone_after_a_message_was_begun_begins_it_again() -> None:
    """The tape starts at the tone: what was said before is not on it. Later tones change nothing."""
    call = dialled((8000, verdict(MACHINE, over=True)), (11_000, BEEP), (12_000, BEEP), (14_000, BEEP))
    call.run()
    assert messages(call) == [ANSWERED_AT + 8000 + TONE_MS, ANSWERED_AT + 11_000]
    assert call.heard.endswith(MESSAGE)
    assert call.outcome == (Outcome.VOICEMAIL, "message_left")


def test_a_tone_alone_is_a_verdict() -> None:
    """A carrier that hears the tone first tells of nothing else."""
    call = dialled((6000, BEEP))
    call.run()
    assert messages(call) == [ANSWERED_AT + 6000]
    assert reported(call) == [MACHINE]
    assert call.orders(order.TakeFor)[0][1].why == "a tone was heard"


def test_everything_twice_leaves_one_message() -> None:
    """Carriers repeat themselves, and two sources say the same."""
    tells = [(900, verdict(MACHINE)), (950, verdict(MACHINE, OWN)), (9000, BEEP), (9010, BEEP)]
    tells += [(9050, verdict(MACHINE, over=True)), (9100, BeepHeard(source=OWN)), (9500, verdict(HUMAN))]
    call = dialled(*tells)
    call.run()
    assert len(messages(call)) == 1
    assert reported(call) == [MACHINE]
    assert call.heard.endswith(MESSAGE)


def test_noises_on_the_tape_do_not_stop_the_message() -> None:
    """Nobody is there to be interrupted by."""
    call = dialled((900, verdict(MACHINE)), (3000, BEEP))
    call.says("Wait, stop, no!", at=ANSWERED_AT + 4000)
    call.presses("1", at=ANSWERED_AT + 4500)
    call.run()
    assert call.heard.endswith(MESSAGE)
    assert call.outcome == (Outcome.VOICEMAIL, "message_left")


def test_a_long_message_is_said_to_its_end() -> None:
    """It has the time that it takes, not that of a goodbye."""
    text = " ".join(["This is a long message, and it goes on for quite a while."] * 12)
    call = dialled((900, verdict(MACHINE)), (3000, BEEP), plan=replace(PLAN, voicemail_message=text))
    call.run()
    assert call.heard.endswith(text)
    assert call.outcome == (Outcome.VOICEMAIL, "message_left")


@pytest.mark.parametrize("fault", [Fault.VOICE_HANGS, Fault.VOICE_FAILS, Fault.VOICE_EMPTY])
def test_a_message_that_could_not_be_said_was_not_left(fault: Fault) -> None:
    """An agent without a voice does not say that it left a message."""
    call = dialled((900, verdict(MACHINE)), (6000, BEEP))
    call.breaks(fault, at=ANSWERED_AT + 5000)
    call.run()
    assert call.outcome == (Outcome.VOICEMAIL, "message_lost")
    assert call.now < ANSWERED_AT + 15_000


def test_a_machine_that_hangs_up_has_half_a_message() -> None:
    """The reason says that it was not left."""
    call = dialled((900, verdict(MACHINE)), (3000, BEEP))
    call.tells(fact.LineClosed(cause="carrier_stop"), at=ANSWERED_AT + 4500)
    call.run()
    assert call.outcome == (Outcome.VOICEMAIL, "message_lost")
    assert MESSAGE.startswith(call.history[-1].text)


def test_a_fax_is_hung_up_on() -> None:
    """There is nobody to be reached at that number."""
    for at in (60, 2000):
        call = dialled((at, verdict(FAX)))
        call.run()
        assert call.orders(order.HangUp)[0][0] == ANSWERED_AT + at
        assert call.outcome == (Outcome.FAILED, "fax")
        assert reported(call) == [FAX]


# --- two sources -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("carrier", "own", "beep", "taken", "why"),
    [
        (None, None, False, UNKNOWN, "nobody could tell"),
        (UNKNOWN, UNKNOWN, False, UNKNOWN, "nobody could tell"),
        (HUMAN, None, False, HUMAN, "carrier says human"),
        (MACHINE, UNKNOWN, False, MACHINE, "carrier says machine"),
        (UNKNOWN, MACHINE, False, MACHINE, "own says machine"),
        (MACHINE, HUMAN, False, HUMAN, "carrier says machine, own says human"),
        (HUMAN, MACHINE, False, MACHINE, "carrier says human, own says machine"),
        (FAX, HUMAN, False, HUMAN, "carrier says fax, own says human"),
        (HUMAN, None, True, MACHINE, "a tone was heard, carrier says human"),
        (None, None, True, MACHINE, "a tone was heard"),
    ],
)
def test_our_ear_outweighs_the_carrier_and_a_tone_outweighs_both(
    carrier: AnsweredBy | None, own: AnsweredBy | None, beep: bool, taken: AnsweredBy, why: str
) -> None:
    """Unknown weighs nothing, and the reason names everybody who said something."""
    votes = {source: vote for source, vote in ((CARRIER, carrier), (OWN, own)) if vote is not None}
    assert weigh(votes, beep=beep) == (taken, why)


def test_the_journal_says_what_our_ear_went_by() -> None:
    """Each time the far end is taken for something, with both verdicts and the reason of ours."""
    words = MachineDetected(answered_by=MACHINE, source=OWN, raw="said: leave a message")
    call = dialled((900, verdict(HUMAN)), (1500, words), (9000, BeepHeard(source=OWN, raw="1000 Hz for 400 ms")))
    call.says(TAPE, at=ANSWERED_AT + 300)
    call.run()
    assert [each.why for _, each in call.orders(order.TakeFor)] == [
        "carrier says human",
        "carrier says human, own says machine (said: leave a message)",
    ]
    assert messages(call) == [ANSWERED_AT + 9000]
    assert "1000 Hz for 400 ms" in call.journal


@pytest.mark.parametrize("carrier_first", [True, False])
def test_a_long_voice_without_telling_words_is_what_the_carrier_says(carrier_first: bool) -> None:
    """Our ear takes it for a human, as somebody who talks may be; a carrier that says machine is believed, and the
    journal says why. One that says human, or nothing, changes nothing."""
    doubts = MachineDetected(answered_by=HUMAN, source=OWN, raw="words that tell nothing, 5.1 s of voice", sure=False)
    both = ((5000, verdict(MACHINE)), (6500, doubts)) if carrier_first else ((5000, doubts), (6500, verdict(MACHINE)))
    call = dialled(*both, (9000, OWN_BEEP))
    call.run()
    assert messages(call)[-1] == ANSWERED_AT + 9000
    assert call.outcome == (Outcome.VOICEMAIL, "message_left")
    last = call.orders(order.TakeFor)[-1][1]
    assert last.answered_by is MACHINE
    if not carrier_first:
        assert last.why == (
            "carrier says machine, own says human, which is less sure of it (words that tell nothing, 5.1 s of voice)"
        )
    call = dialled((5000, doubts), (6500, verdict(HUMAN)))
    call.run_until(ANSWERED_AT + 20_000)
    assert not messages(call)


def test_a_long_hello_is_put_right_before_the_message() -> None:
    """The carrier takes a talkative human for a machine; our ear knows better, and what they asked is answered."""
    call = dialled((2600, verdict(MACHINE)), (4500, verdict(HUMAN, OWN)))
    call.says("Hello, Luigi's neighbour speaking, what can I do for you?", at=ANSWERED_AT + 300)
    call.run_until(ANSWERED_AT + 12_000)
    assert not messages(call)
    assert call.heard.endswith("I see, one moment.")
    assert [each.answered_by for _, each in call.orders(order.TakeFor)] == [MACHINE, HUMAN]
    assert reported(call) == [MACHINE]
    call.tells(fact.LineClosed(cause="carrier_stop"))
    call.run()
    assert call.outcome == (Outcome.ANSWERED, "carrier_stop")


def test_a_silent_human_who_was_taken_for_a_machine_is_greeted_again() -> None:
    """We fell silent in the middle of the greeting; whoever said nothing meanwhile hears it from the start."""
    call = dialled((1200, verdict(MACHINE)), (3000, verdict(HUMAN, OWN)))
    call.run_until(ANSWERED_AT + 9000)
    assert call.heard.endswith(GREETING)
    assert len(call.heard) > len(GREETING) + 5
    assert call.longest_wait()[0] < 4000


def test_a_short_tape_is_put_right_too() -> None:
    """The carrier takes a short greeting for a human; the tone that follows is told the message."""
    call = dialled((1500, verdict(HUMAN)), (5000, BEEP))
    call.run()
    assert messages(call) == [ANSWERED_AT + 5000]
    assert call.outcome == (Outcome.VOICEMAIL, "message_left")


def test_a_tape_that_our_ear_took_for_a_human_is_put_right_by_its_beep() -> None:
    """The author was told of a human; the journal says what changed our mind, and the message is left once."""
    call = dialled((1500, verdict(HUMAN, OWN)), (3000, verdict(MACHINE)), (3500, OWN_BEEP))
    call.run()
    assert messages(call) == [ANSWERED_AT + 3500]
    assert reported(call) == [HUMAN]
    assert call.outcome == (Outcome.VOICEMAIL, "message_left")


@pytest.mark.parametrize("late", [BEEP, OWN_BEEP, verdict(MACHINE), verdict(MACHINE, OWN), verdict(FAX)])
def test_a_conversation_does_not_become_a_message(late: Event) -> None:
    """Once our ear has heard a human and for a while no beep, or the window is closed, nothing changes that."""
    known = dialled((3000, verdict(HUMAN, OWN)))
    late_for_it = dialled(plan=replace(PLAN, pace=replace(PLAN.pace, idle_ms=100_000)))
    for call, at in (
        (known, ANSWERED_AT + 3000 + HUMAN_WINDOW_MS + 10),
        (late_for_it, ANSWERED_AT + 150 + WINDOW_MS + 10),
    ):
        call.tells(late, at=at)
        call.run_until(at + 5000)
        assert call.machine.states[0] is CallState.ACTIVE
        assert len(reported(call)) == 1
        assert not messages(call)


@pytest.mark.parametrize("late", [BEEP, verdict(MACHINE), verdict(MACHINE, OWN), verdict(FAX)])
def test_only_the_beep_that_our_ear_hears_puts_its_human_right(late: Event) -> None:
    """What the carrier makes of somebody whom our ear has understood changes nothing, however soon it comes."""
    call = dialled((3000, verdict(HUMAN, OWN)), (3200, late))
    call.run_until(ANSWERED_AT + 8000)
    assert call.machine.states[0] is CallState.ACTIVE
    assert not messages(call)


# --- ends ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("event", "reason"), [(fact.DrainRequested(), "drain"), (CancelRequested(), "canceled")])
def test_a_server_that_goes_down_leaves_no_half_message(event: Event, reason: str) -> None:
    """Before the tone it hangs up; a message that is being said is finished if a goodbye's time is enough for it."""
    call = dialled((900, verdict(MACHINE)))
    call.says(TAPE, at=ANSWERED_AT + 300)
    call.tells(event, at=ANSWERED_AT + 3000)
    call.run()
    assert call.outcome == (Outcome.VOICEMAIL, reason)
    assert call.orders(order.HangUp)[0][0] == ANSWERED_AT + 3000
    assert not messages(call)

    call = dialled((900, verdict(MACHINE)), (3000, BEEP))
    call.tells(event, at=ANSWERED_AT + 4000)
    call.run()
    assert call.outcome == (Outcome.VOICEMAIL, "message_left")


def test_a_message_needs_no_ears() -> None:
    """Recognition that breaks while we wait for the tone is not missed."""
    call = dialled((900, verdict(MACHINE)), (5000, BEEP))
    call.tells(fact.ListenFailed(provider="p", message="m"), at=ANSWERED_AT + 2000)
    call.run()
    assert call.outcome == (Outcome.VOICEMAIL, "message_left")


def test_a_call_that_was_given_up_stays_given_up() -> None:
    """A verdict that comes while we wait for the carrier to take the call down is only reported."""
    call = dialled(faults=[Fault.NO_HANG_UP])
    call.tells(CancelRequested(), at=ANSWERED_AT + 50)
    call.tells(verdict(MACHINE), at=ANSWERED_AT + 500)
    call.run()
    assert call.outcome == (Outcome.CANCELED, "canceled")
    assert len(call.orders(order.HangUp)) == 1


def test_a_machine_that_was_already_said_goodbye_to_was_a_machine() -> None:
    """The outcome is true even where the verdict comes too late to leave a message."""
    call = dialled((6000, verdict(MACHINE, over=True)))
    call.tells(fact.DrainRequested(), at=ANSWERED_AT + 4000)
    call.run()
    assert call.outcome == (Outcome.VOICEMAIL, "drain")
    assert reported(call) == [MACHINE]


@pytest.mark.parametrize("event", [verdict(MACHINE), verdict(FAX), BEEP])
def test_nobody_screens_a_call_that_came_in(event: Event) -> None:
    """Nor one that nobody wanted screened: there a tone is a noise."""
    inbound = VirtualCall(PLAN, ["Good."])
    unscreened = dialled(plan=replace(PLAN, screens_machines=False))
    for call in (inbound, unscreened):
        call.tells(event, at=8000)
        call.run_until(12_000)
        assert call.machine.states[0] is CallState.ACTIVE
        assert not call.orders(order.ReportMachine)


def test_a_screened_call_replays() -> None:
    """To the byte, verdicts and message included."""
    call = dialled((900, verdict(MACHINE)), (2000, verdict(UNKNOWN, OWN)), (9000, BEEP), latency=Latency(hook_ms=900))
    call.says(TAPE, at=ANSWERED_AT + 300)
    call.run()
    again = replay(parse_journal(call.journal))
    assert "".join(render_entry(each.at, each.event, each.commands) + "\n" for each in again) == call.journal
