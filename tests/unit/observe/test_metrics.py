"""Where the time of a turn went: the parts add up to what the caller waited."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.journal import Entry, parse_entry
from patter_cli.core.plan import CallPlan, EnginePlan
from patter_cli.observe.metrics import LatencyFold, TurnLatency
from patter_cli.testing import Fault, VirtualCall
from patter_cli.testing.speech_peer import TURNS_OURS, TURNS_THEIRS, SpeechPeer

PLAN = CallPlan(agent="a", system_prompt="", first_message="Hello.")


def fold(call: VirtualCall) -> list[TurnLatency]:
    """What the fold gives for a call."""
    latencies = LatencyFold()
    measured = (latencies.feed(parse_entry(line)) for line in call.journal.splitlines())
    return [each for each in measured if each is not None]


def test_a_turn_is_measured_from_the_last_voiced_sample_to_the_first_frame() -> None:
    """One latency for each answered turn, none for the greeting; the sum is what the line says."""
    call = VirtualCall(PLAN, ["We open at nine. We close at six.", "Yes."])
    first = call.says("When do you open?", at=2000)
    call.run_until(9000)
    second = call.says("On Saturday too?", at=9000)
    call.run_until(16_000)
    one, two = fold(call)
    for end, latency in ((first, one), (second, two)):
        heard = next(sound.start for sound in call.sounds if sound.start > end)
        assert abs(latency.total_ms - (heard - end)) <= 20
    assert (one.turn, two.turn) == (1, 2)
    assert one.endpointing_ms > 0
    assert one.llm_ms + one.clause_ms > 0
    assert one.tts_ms > 0


def test_late_words_are_recognitions_part() -> None:
    """Waiting past the end of the turn for a transcript counts as such, not as endpointing."""
    quick, slow = VirtualCall(PLAN), VirtualCall(PLAN, faults=[Fault.EARS_LATE])
    for call in (quick, slow):
        call.says("When do you open?", at=2000)
        call.run_until(12_000)
    assert fold(quick)[0].stt_ms == 0
    assert fold(slow)[0].stt_ms > 1000
    assert fold(quick)[0].endpointing_ms < 1000


def _entry(at: int, event: fact.Event, *commands: order.Command) -> Entry:
    return Entry(at=at, event=event, commands=commands)


@given(gaps=st.lists(st.integers(0, 5000), min_size=7, max_size=7), token=st.booleans(), late=st.booleans())
def test_the_parts_add_up_whatever_is_skipped(gaps: list[int], token: bool, late: bool) -> None:
    """No part is negative and none is lost, with or without a first token, with words in time or late."""
    times = [1000]
    for gap in gaps:
        times.append(times[-1] + gap)
    voiced, ended, endpoint, first, clause, audio, out, _ = times
    starts = fact.TranscriptFinal(segment=0, text="hi") if late else fact.Tick()
    entries = [
        _entry(ended, fact.SpeechEnded(at_ms=voiced), order.FinalizeTranscript()),
        _entry(endpoint, starts, order.StartResponse(response_id=4, text="hi")),
        *([_entry(first, fact.FirstToken(response_id=4))] if token else []),
        _entry(clause, fact.ClauseReady(response_id=4, text="Hi."), order.Speak(response_id=4, clause=0, text="Hi.")),
        _entry(audio, fact.FirstAudio(response_id=4, clause=0)),
    ]
    latencies = LatencyFold()
    assert [latencies.feed(entry) for entry in entries] == [None] * len(entries)
    assert latencies.feed(_entry(out, fact.PlayoutStarted(response_id=3, clause=0))) is None
    latency = latencies.feed(_entry(out, fact.PlayoutStarted(response_id=4, clause=0)))
    assert latency is not None
    assert latency.total_ms == out - voiced
    parts = (latency.endpointing_ms, latency.stt_ms, latency.llm_ms, latency.clause_ms, latency.tts_ms)
    assert min(*parts, latency.handover_ms) >= 0
    assert latencies.feed(_entry(out, fact.PlayoutStarted(response_id=4, clause=0))) is None


def test_a_turn_after_a_barge_in_is_measured_from_its_own_words() -> None:
    """The interrupted answer and the one to the interruption: two latencies, each from the words before it."""
    call = VirtualCall(PLAN, ["We open at nine in the morning and close at six in the evening, every day.", "Yes."])
    ends = [call.says("When do you open?", at=2000)]
    call.run_until(5500)
    ends.append(call.says("Wait, I meant on Saturday only.", at=5500))
    call.run_until(14_000)
    latencies = fold(call)
    assert [each.turn for each in latencies] == [1, 2]
    for end, latency in zip(ends, latencies, strict=True):
        heard = next(sound.start for sound in call.sounds if sound.start > end)
        assert abs(latency.total_ms - (heard - end)) <= 20


def _answer(spoken_at: int, *, clause: int = 0) -> list[Entry]:
    return [
        _entry(spoken_at - 10, fact.FirstAudio(response_id=4, clause=clause)),
        _entry(spoken_at, fact.PlayoutStarted(response_id=4, clause=clause)),
    ]


SPOKE = _entry(1200, fact.SpeechEnded(at_ms=1000))
ANSWERS = _entry(1400, fact.Tick(), order.StartResponse(response_id=4, text="hi"))
SPEAKS = _entry(1500, fact.ClauseReady(response_id=4, text="Hi."), order.Speak(response_id=4, clause=0, text="Hi."))


def _measure(entries: list[Entry]) -> list[TurnLatency]:
    latencies = LatencyFold()
    return [each for each in map(latencies.feed, entries) if each is not None]


def test_a_cough_while_the_answer_is_made_moves_nothing() -> None:
    """The caller waits since their words, and the cough is not the beginning of the next turn's wait."""
    cough = _entry(1450, fact.SpeechEnded(at_ms=1430))
    (latency,) = _measure([SPOKE, ANSWERS, cough, SPEAKS, *_answer(1700)])
    assert latency.total_ms == 700
    assert latency.endpointing_ms == 400


def test_a_first_clause_that_failed_does_not_hide_the_wait() -> None:
    """What counts is when anything was heard."""
    failed = _entry(1600, fact.SpeakFailed(response_id=4, clause=0, provider="x", message="down"))
    (latency,) = _measure([SPOKE, ANSWERS, SPEAKS, failed, *_answer(2700, clause=1)])
    assert latency.total_ms == 1700


def test_keys_are_not_measured_against_an_old_noise() -> None:
    """A cough a minute ago is not what the answer to a key press was waited for since."""
    keys = _entry(1300, fact.DtmfReceived(digit="1"))
    assert _measure([SPOKE, keys, ANSWERS, SPEAKS, *_answer(1700)]) == []


def test_a_turn_with_an_engine_splits_as_well() -> None:
    """Endpointing, until it opens its reply, until its first sound: the parts add up, with turns of either side's."""
    for abilities in (TURNS_OURS, TURNS_THEIRS):
        plan = CallPlan(agent="a", system_prompt="", engine=EnginePlan(server_turns=not abilities.commit))
        call = VirtualCall(plan, engine=SpeechPeer(["We open at nine."], abilities=abilities))
        done = call.says("When do you open?", at=1000)
        call.run_until(8000)
        (turn,) = fold(call)
        assert abs(done + turn.total_ms - call.sounds[0].start) <= 20
        assert turn.llm_ms >= 230
        assert turn.clause_ms >= 150
