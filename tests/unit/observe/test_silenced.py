"""What is struck out of a call's words is silent in its recording, and the rest is heard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from patter_cli.audio.wav import mute, read_channel, write_wav
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.journal import Entry, parse_journal
from patter_cli.core.plan import CallPlan
from patter_cli.errors import InputError
from patter_cli.observe.silenced import AGENT, CALLER, GUESS_MS, ROOM_MS, SilencedFold, Stretch, silenced
from patter_cli.testing import VirtualCall
from patter_cli.text.redact import Redaction

PLAN = CallPlan(agent="shop", system_prompt="", first_message="Hello, this is the shop.")


def entries(call: VirtualCall) -> list[Entry]:
    call.run()
    return list(parse_journal(call.journal))


def spoken(text: str, *, times: bool) -> list[Entry]:
    """A clause of the agent's that is heard from 1,000 on, a word every 200 ms."""
    count = len(text.split())
    facts: list[fact.Event] = [fact.PlayoutStarted(response_id=1, clause=0)]
    if times:
        starts = tuple(range(0, count * 200, 200))
        ends = tuple(each + 180 for each in starts)
        facts.insert(0, fact.WordsTimed(response_id=1, clause=0, starts_ms=starts, ends_ms=ends))
    facts.append(fact.ClauseVoiced(response_id=1, clause=0, duration_ms=count * 200))
    ordered = order.Speak(response_id=1, clause=0, text=text)
    first = Entry(at=900, event=fact.ClauseReady(response_id=1, text=text), commands=(ordered,))
    return [first, *(Entry(at=1000, event=each, commands=()) for each in facts)]


def test_the_agents_words_are_silent_to_the_word() -> None:
    """By the times that its voice told."""
    call = spoken("Call me on +15550177421 any time", times=True)
    (found,) = silenced(call, Redaction.NUMBERS)
    assert found == Stretch(side=AGENT, begin_ms=1000 + 600 - ROOM_MS, end_ms=1000 + 780 + ROOM_MS)
    assert silenced(call, Redaction.CARDS) == []
    assert silenced(call, Redaction.OFF) == []


def test_without_times_the_whole_clause_is_silent() -> None:
    """Rather too much than too little."""
    (found,) = silenced(spoken("Call me on +15550177421 any time", times=False), Redaction.NUMBERS)
    assert found.begin_ms <= 1000
    assert found.end_ms >= 2200


def test_the_callers_words_take_their_share_of_the_voice() -> None:
    """With room around them; what was said before is heard."""
    call = VirtualCall(PLAN, ["All right."])
    text = "Good morning, I would like to leave my number with you, it is +15550177421"
    end = call.says(text, at=4500, lasts_ms=7000)
    (found,) = [each for each in silenced(entries(call), Redaction.NUMBERS) if each.side == CALLER]
    assert 4500 + 3000 < found.begin_ms < end - 1000
    assert found.end_ms >= end


def test_keys_and_cards_are_silent() -> None:
    """The tones of keys, and a card's number; a phone number is heard where only cards are struck out."""
    call = VirtualCall(PLAN, ["All right."])
    call.presses("42", at=5000, every_ms=400)
    call.says("My number is +15550177421.", at=12000)
    call.says("My card is 4242 4242 4242 4242.", at=20000)
    found = silenced(entries(call), Redaction.CARDS)
    assert [each.begin_ms < at < each.end_ms for each, at in zip(found, (5000, 5400), strict=False)] == [True, True]
    assert [each for each in found if each.begin_ms > 20000 - GUESS_MS]
    assert not [each for each in found if 11000 < each.begin_ms < 19000]


def test_an_engines_words_are_silent_too() -> None:
    """They come late and by the engine's own names: the caller's by its item, the agent's span by span."""

    def at(ms: int, event: fact.Event, *commands: order.Command) -> Entry:
        return Entry(at=ms, event=event, commands=commands)

    call = [
        at(1200, fact.SpeechStarted(at_ms=1000)),
        at(5200, fact.SpeechEnded(at_ms=5000), order.CommitSpeech()),
        at(5300, fact.EngineTurnTaken(item="item_1")),
        at(5400, fact.SpeechResponseOpened(vendor_id="r"), order.AcceptReply(response_id=1, vendor_id="r")),
        at(5500, fact.SpanOpened(response_id=1, item="a"), order.AcceptSpan(response_id=1, item="a", clause=0)),
        at(5600, fact.PlayoutStarted(response_id=1, clause=0)),
        at(5700, fact.SpanWords(response_id=1, clause=0, text="I have +1555")),
        at(5800, fact.SpanWords(response_id=1, clause=0, text="0177421.", over=True)),
        at(7600, fact.MarkReached(response_id=1, clause=0)),
        at(8000, fact.EngineTranscript(item="item_1", text="It is +15550177421", final=True)),
    ]
    found = silenced(call, Redaction.NUMBERS)
    assert [each.side for each in found] == [CALLER, AGENT]
    assert found[0].begin_ms < 2600 < 5000 < found[0].end_ms
    assert (found[1].begin_ms, found[1].end_ms) == (5600 - ROOM_MS, 7600 + ROOM_MS)
    fold = SilencedFold(Redaction.NUMBERS)
    for each in call[:-1]:
        fold.feed(each)
    assert [each.side for each in fold.unsure(7700)] == [CALLER]
    assert fold.unsure(20_000) == []
    assert [each.side for each in fold.unheard_of(20_000)] == [CALLER]


def test_of_a_call_without_words_nothing_is_heard() -> None:
    """Both sides."""
    call = VirtualCall(PLAN, ["All right, we open at nine."])
    end = call.says("When do you open?", at=4500)
    found = silenced(entries(call), Redaction.WORDS)
    assert {each.side for each in found} == {CALLER, AGENT}
    assert any(each.side == CALLER and each.begin_ms <= 4500 and each.end_ms >= end for each in found)
    for sound in call.sounds:
        assert any(each.side == AGENT and each.begin_ms <= sound.start and each.end_ms >= sound.end for each in found)


def test_a_file_is_silent_where_it_is_told(tmp_path: Path) -> None:
    """On that side alone; beyond its end nothing happens; what is no recording stays as it is."""
    path = tmp_path / "call.wav"
    write_wav(path, np.full(8000, 1000, np.int16), 8000)
    mute(path, [(0, 250, 500), (0, 990, 5000), (1, 0, 1000), (0, -50, -10)])
    samples, rate_hz = read_channel(path, 0)
    assert (rate_hz, len(samples)) == (8000, 8000)
    assert not samples[2000:4000].any()
    assert samples[1:2000].all()
    assert samples[4001:7900].all()
    other = tmp_path / "notes.wav"
    other.write_text("no sound")
    with pytest.raises(InputError):
        mute(other, [(0, 0, 10)])
    assert other.read_text() == "no sound"
