"""The shell of a speech-to-speech engine: what it posts and asks for, and how it holds its session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pytest

from patter_cli.audio.wire import LineAudio
from patter_cli.contracts import s2s
from patter_cli.contracts.llm import ChatMessage, ToolCall
from patter_cli.contracts.s2s import EngineAbilities, EngineEvent, EngineSetup, spoken_history
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.events import Event, Ms
from patter_cli.core.inflow import QUIET_MS, STALLED_MS
from patter_cli.core.plan import BlockedTerms, CallPlan, EnginePlan
from patter_cli.core.verdict_gate import LEAD_MS
from patter_cli.engine.clock import CallAlarm, CallClock
from patter_cli.engine.converse import (
    ANSWER_S,
    BACKOFF_S,
    FORGOTTEN_MS,
    LONGEST_WAIT_S,
    OPEN_S,
    PAUSE_MS,
    PRE_ROLL_MS,
    REOPENS,
    REQUESTS,
    UNTAKEN_MS,
    WAITING_MS,
    Converse,
    engine_plan,
)
from patter_cli.engine.dialogue import COLLEAGUE
from patter_cli.engine.fallback import OPEN_AFTER, Breakers
from patter_cli.engine.s2s_replies import KEPT_REPLIES
from patter_cli.errors import PatterError, RateLimited, Unauthorized, Unavailable
from patter_cli.testing.speech_peer import TURNS_OURS, TURNS_THEIRS, SpeechPeer
from tests.unit.engine.conftest import virtually

Kind = TypeVar("Kind")
RULE = BlockedTerms(name="no", terms=("red car",), replacement="Let us talk of something else.")
PLAN = CallPlan(agent="a", system_prompt="Be brief.")


def sound(ms: int, reply: str = "r", item: str = "i") -> s2s.ReplyAudio:
    return s2s.ReplyAudio(reply=reply, item=item, samples=np.ones(ms * 8, np.int16))


class Session:
    """A session that does as it is told, notes what that was, and breaks when asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.samples = 0
        self.closed = False
        self.due: asyncio.Queue[EngineEvent | Exception | None] = asyncio.Queue()

    def push(self, samples: np.ndarray) -> None:
        self.samples += len(samples)

    def commit(self) -> None:
        self.asked.append(("commit",))

    def respond(self, asked: int, *, say: str = "", may_call: bool = True) -> None:
        self.asked.append(("respond", asked, say, may_call))

    def type_text(self, text: str) -> None:
        self.asked.append(("type", text))

    def cancel(self, reply: str) -> None:
        self.asked.append(("cancel", reply))

    def truncate(self, reply: str, item: str, heard_ms: int) -> None:
        self.asked.append(("truncate", reply, item, heard_ms))

    def remind(self, line: ChatMessage) -> None:
        self.asked.append(("remind", line.role, line.text))

    def return_tool(self, call: str, result: str) -> None:
        self.asked.append(("tool", call, result))

    async def events(self) -> AsyncIterator[EngineEvent]:
        while (event := await self.due.get()) is not None:
            if isinstance(event, Exception):
                raise event
            yield event

    async def aclose(self) -> None:
        self.closed = True
        self.due.put_nowait(None)


@dataclass
class Slow:
    """A session that takes its time to open."""

    session: Session
    opens_after_s: float


class Engine:
    """A recipe that opens these in turn; an exception is raised, None never opens."""

    provider = "toy"
    key_variable = ""
    in_rate_hz = 16_000
    out_rate_hz = 8000

    def __init__(self, *sessions: Session | Slow | Exception | None, abilities: EngineAbilities = TURNS_OURS) -> None:
        self.sessions = list(sessions)
        self.abilities = abilities
        self.setups: list[EngineSetup] = []

    def check(self) -> None: ...

    async def open(self, setup: EngineSetup) -> Session:
        self.setups.append(setup)
        session = self.sessions.pop(0)
        if session is None:
            await asyncio.Event().wait()
        if isinstance(session, Slow):
            await asyncio.sleep(session.opens_after_s)
            session = session.session
        if isinstance(session, Exception):
            raise session
        assert session is not None
        return session


class Rig:
    """A Converse on a clock that is set by hand, with its session open."""

    def __init__(self, abilities: EngineAbilities = TURNS_OURS, plan: CallPlan = PLAN, *, adopt: bool = True) -> None:
        self.now: Ms = 0
        self.events: list[Event] = []
        self.played: list[tuple[int, int, int]] = []
        self.due: tuple[Ms, Callable[[], None]] | None = None
        self.session = Session()
        self.commits = 0
        self.converse = Converse(
            Engine(abilities=abilities),
            setup=lambda: EngineSetup(system_prompt=plan.system_prompt),
            plan=lambda: plan,
            playback=self,
            post=self.events.append,
            now=lambda: self.now,
            alarm=self,
            committed=self._committed,
        )
        if adopt:
            self.converse.adopt(self.session)

    def _committed(self) -> None:
        self.commits += 1

    # The line and the alarm, as a Converse knows them.

    def play(self, response_id: int, clause: int, payload: bytes) -> None:
        self.played.append((response_id, clause, len(payload) // 8))

    def end_clause(self, response_id: int, clause: int) -> int:
        return self.heard(response_id, clause)

    def set(self, at: Ms, act: Callable[[], None]) -> None:
        self.due = (at, act)

    def cancel(self) -> None:
        self.due = None

    # The world.

    def heard(self, response_id: int, clause: int) -> int:
        return sum(ms for reply, part, ms in self.played if (reply, part) == (response_id, clause))

    def takes(self, *events: EngineEvent) -> None:
        for event in events:
            self.converse.take(event)

    def told(self, *commands: order.Command) -> None:
        for each in commands:
            assert self.converse.perform(each)

    def passes(self, ms: int) -> None:
        end = self.now + ms
        while self.due is not None and self.due[0] <= end:
            self.now, act = self.due
            self.due = None
            act()
        self.now = end

    def hears(self, ms: int) -> None:
        """The line brings so much sound."""
        for _ in range(ms // 20):
            self.converse.push(LineAudio(np.ones(160, np.int16)))

    def breaks(self) -> Session:
        """The session is lost and another one open; that one."""
        self.converse.lost("gone")
        self.session = Session()
        self.converse.adopt(self.session)
        return self.session

    def facts(self, kind: type[Kind]) -> list[Kind]:
        return [each for each in self.events if isinstance(each, kind)]

    def accepts(self, reply: str = "r", number: int = 1, item: str = "i", clause: int = 0) -> None:
        self.told(order.AcceptReply(response_id=number, vendor_id=reply))
        self.told(order.AcceptSpan(response_id=number, item=item, clause=clause))


# --- replies ---------------------------------------------------------------------------------------------------------


def test_sound_waits_for_its_number() -> None:
    """Nothing is played, and nothing but the opening told, before the machine has accepted the reply and its span."""
    rig = Rig()
    rig.takes(s2s.ReplyOpened(reply="r", asked=1), sound(300), s2s.ReplyWords(reply="r", item="i", text="Hello "))
    assert rig.events == [fact.SpeechResponseOpened(vendor_id="r", asked=1)]
    rig.told(order.AcceptReply(response_id=1, vendor_id="r"))
    assert rig.facts(fact.SpanOpened) == [fact.SpanOpened(response_id=1, item="i")]
    assert rig.played == []
    rig.told(order.AcceptSpan(response_id=1, item="i", clause=4))
    assert rig.played == [(1, 4, 300)]
    assert rig.facts(fact.SpanWords) == [fact.SpanWords(response_id=1, clause=4, text="Hello ")]


def test_a_reply_that_is_over_before_it_was_accepted_is_played() -> None:
    """All of it may come in one burst: spans, words, tool call and end are told in their order, and it ends once."""
    rig = Rig()
    rig.takes(
        s2s.ReplyOpened(reply="r"),
        sound(100),
        s2s.ToolCalled(reply="r", call="c", name="book"),
        s2s.ReplyUsed(reply="r", model="m", input_tokens=3, output_tokens=2),
        s2s.ReplyFinished(reply="r"),
    )
    rig.accepts()
    kinds = [type(each) for each in rig.events]
    assert kinds[:5] == [
        fact.SpeechResponseOpened,
        fact.EngineUsed,
        fact.SpanOpened,
        fact.ToolCallRequested,
        fact.ResponseFinished,
    ]
    assert rig.facts(fact.ClauseVoiced) == [fact.ClauseVoiced(response_id=1, clause=0, duration_ms=100)]
    assert kinds.count(fact.ResponseFinished) == 1


def test_a_rejected_reply_is_stopped_and_its_tools_are_answered() -> None:
    """The engine must not wait for what nobody will do."""
    rig = Rig()
    rig.takes(s2s.ReplyOpened(reply="r"), sound(100), s2s.ToolCalled(reply="r", call="c", name="book"))
    rig.told(order.RejectReply(vendor_id="r"))
    rig.takes(sound(100), s2s.ToolCalled(reply="r", call="d", name="book"), s2s.ReplyFinished(reply="r"))
    assert rig.played == []
    assert ("cancel", "r") in rig.session.asked
    assert [each[1] for each in rig.session.asked if each[0] == "tool"] == ["c", "d"]
    assert not rig.facts(fact.ToolCallRequested)
    assert not rig.facts(fact.ResponseFinished)


def test_a_muted_reply_is_silent_though_it_cannot_be_stopped() -> None:
    """Where the engine knows no cancel, what still comes is dropped; the next reply is heard."""
    rig = Rig(TURNS_THEIRS)
    rig.takes(s2s.ReplyOpened(reply="r"), sound(100))
    rig.accepts()
    rig.told(order.MuteReply(response_id=1))
    rig.takes(sound(5000))
    assert rig.heard(1, 0) == 100
    assert rig.session.asked == []
    rig.takes(s2s.ReplyOpened(reply="s"), sound(200, "s"))
    rig.accepts("s", 2)
    assert rig.heard(2, 0) == 200


def test_what_nobody_heard_is_truncated() -> None:
    """By the item it belongs to, never by more than came of it; an item that was never played has not been said."""
    rig = Rig()
    rig.takes(s2s.ReplyOpened(reply="r"), sound(500), sound(300, item="j"))
    rig.accepts()
    rig.told(order.MuteReply(response_id=1), order.TruncateSpan(response_id=1, clause=0, heard_ms=9000))
    assert rig.session.asked == [("cancel", "r"), ("truncate", "r", "j", 0), ("truncate", "r", "i", 500)]


def test_a_second_reply_waits_for_the_end_of_the_first() -> None:
    """Two that the machine took for one are played one after the other, and are over together."""
    rig = Rig(replace(TURNS_OURS, server_turns=True))
    rig.takes(s2s.ReplyOpened(reply="r"), sound(100))
    rig.accepts()
    rig.takes(s2s.ReplyOpened(reply="s"), sound(100, "s"))
    rig.accepts("s", 1, clause=1)
    assert rig.heard(1, 1) == 0
    rig.takes(s2s.ReplyFinished(reply="r"))
    assert rig.heard(1, 1) == 100
    assert not rig.facts(fact.ResponseFinished)
    rig.takes(s2s.ReplyFinished(reply="s"))
    assert len(rig.facts(fact.ResponseFinished)) == 1


def test_a_name_that_is_used_again_is_another_reply() -> None:
    """Each opening gets its own answer, and neither blocks what comes after it."""
    rig = Rig()
    rig.takes(s2s.ReplyOpened(reply="r"), s2s.ReplyFinished(reply="r"), s2s.ReplyOpened(reply="r"), sound(100))
    first, second = (each.vendor_id for each in rig.facts(fact.SpeechResponseOpened))
    assert first != second
    rig.told(order.RejectReply(vendor_id=first))
    rig.accepts(second)
    assert rig.heard(1, 0) == 100


def test_an_engine_without_an_end_is_over_when_it_is_quiet() -> None:
    """And what comes of the same reply later is another one."""
    rig = Rig(TURNS_THEIRS)
    rig.takes(s2s.ReplyOpened(reply="r"), sound(100))
    rig.accepts()
    rig.passes(QUIET_MS - 1)
    assert not rig.facts(fact.ResponseFinished)
    rig.passes(1)
    assert len(rig.facts(fact.ResponseFinished)) == 1
    rig.takes(sound(100))
    assert len(rig.facts(fact.SpeechResponseOpened)) == 2


def test_an_engine_without_an_end_that_breaks_off_has_failed() -> None:
    """Its words' times say that there is more: the machine hears that it is over, and that it is not whole."""
    rig = Rig(TURNS_THEIRS)
    rig.takes(s2s.ReplyOpened(reply="r"), s2s.ReplyWords(reply="r", item="i", text="We are open till five.", over=True))
    rig.takes(sound(400), s2s.ReplyWordTimes(reply="r", item="i", starts_ms=(0, 200), ends_ms=(150, 350)))
    rig.accepts()
    rig.passes(STALLED_MS)
    assert [each.response_id for each in rig.facts(fact.ResponseFailed)] == [1]
    assert not rig.facts(fact.ResponseFinished)


def test_sound_is_counted_whole_however_it_is_cut() -> None:
    """Pieces of no whole millisecond add up to the length of what was sent."""
    rig = Rig()
    rig.takes(s2s.ReplyOpened(reply="r"))
    for _ in range(100):
        rig.takes(s2s.ReplyAudio(reply="r", item="i", samples=np.ones(37, np.int16)))
    rig.takes(s2s.ReplyFinished(reply="r"))
    rig.accepts()
    rig.told(order.TruncateSpan(response_id=1, clause=0, heard_ms=100_000))
    assert rig.session.asked[-1] == ("truncate", "r", "i", 3700 // 8)


def test_growth_is_told_once_a_second() -> None:
    """Not with each of the many messages that a reply comes in."""
    rig = Rig()
    rig.takes(s2s.ReplyOpened(reply="r"), sound(20))
    rig.accepts()
    for _ in range(200):
        rig.takes(sound(20))
    assert 3 <= len(rig.facts(fact.SpanGrew)) <= 5


def test_word_times_are_told_under_the_clause() -> None:
    """Also those that were known before it had a number."""
    rig = Rig(replace(TURNS_OURS, word_times=True))
    rig.takes(s2s.ReplyOpened(reply="r"), sound(500))
    rig.takes(s2s.ReplyWordTimes(reply="r", item="i", starts_ms=(0,), ends_ms=(200,)))
    rig.accepts(clause=2)
    rig.takes(s2s.ReplyWordTimes(reply="r", item="i", starts_ms=(0, 250), ends_ms=(200, 400)))
    assert [(each.clause, each.ends_ms) for each in rig.facts(fact.WordsTimed)] == [(2, (200,)), (2, (200, 400))]


def test_blocked_words_hold_their_sound_and_are_told_once() -> None:
    """Sound waits for its words; a broken rule lets nothing more out."""
    rig = Rig(plan=replace(PLAN, blocked=(RULE,)))
    rig.takes(s2s.ReplyOpened(reply="r"), sound(300))
    rig.accepts()
    assert rig.played == []
    rig.takes(s2s.ReplyWords(reply="r", item="i", text="We sell a red car today. "), sound(3000))
    rig.takes(s2s.ReplyWords(reply="r", item="i", text="And a red car tomorrow. "), s2s.ReplyFinished(reply="r"))
    rig.passes(10_000)
    assert rig.facts(fact.RuleBroken) == [fact.RuleBroken(response_id=1, replacement=RULE.replacement)]
    assert rig.played == []


def test_sound_without_words_waits_for_the_lead() -> None:
    """A guardrail costs an engine that sends no transcript that much, and no more."""
    rig = Rig(plan=replace(PLAN, blocked=(RULE,)))
    rig.takes(s2s.ReplyOpened(reply="r"), sound(300))
    rig.accepts()
    rig.passes(LEAD_MS - 1)
    assert rig.played == []
    rig.passes(1)
    assert rig.heard(1, 0) == 300


def test_what_belongs_to_no_reply_is_dropped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    """A vendor that sends nonsense makes one line in the log and no sound."""
    rig = Rig()
    rig.takes(sound(100, "never"), s2s.ReplyWords(reply="never", text="x"), s2s.ReplyFinished(reply="never"))
    assert rig.events == []
    assert len(caplog.records) == 1


def test_old_replies_are_forgotten() -> None:
    """An hour of replies does not fill the memory, and a late word about the first is nobody's."""
    rig = Rig()
    for number in range(1, KEPT_REPLIES + 5):
        rig.takes(s2s.ReplyOpened(reply=f"r{number}"), sound(20, f"r{number}"), s2s.ReplyFinished(reply=f"r{number}"))
        rig.accepts(f"r{number}", number)
    before = len(rig.events)
    rig.takes(s2s.ReplyWords(reply="r1", item="i", text="late"))
    assert len(rig.events) == before


# --- requests --------------------------------------------------------------------------------------------------------


def test_a_reply_is_asked_for_only_where_it_can_be() -> None:
    """An engine that decides on turns is told what was typed, and replies by itself."""
    ours, theirs = Rig(), Rig(TURNS_THEIRS)
    for rig in (ours, theirs):
        rig.told(order.CommitSpeech(), order.AskEngine(response_id=1, text="[DTMF: 1]"))
        rig.told(order.AskEngine(response_id=1, continues=True, may_call=False), order.AwaitReply(response_id=2))
        assert rig.commits == 1
    typed = ("type", "[DTMF: 1]")
    respond = [("respond", 1, "", True), ("respond", 1, "", False)]
    assert ours.session.asked == [("commit",), typed, *respond]
    assert theirs.session.asked == [typed]


def test_the_first_words_are_asked_for_where_the_engine_does_not_say_them() -> None:
    """Word by word as the author wrote them."""
    ours, theirs = Rig(), Rig(TURNS_THEIRS)
    for rig in (ours, theirs):
        rig.told(order.Greet(response_id=1, text="Hello."))
    assert ours.session.asked == [("respond", 1, "Hello.", True)]
    assert theirs.session.asked == []


def test_a_tool_is_answered_once() -> None:
    """A second, better answer comes too late for an engine."""
    rig = Rig()
    rig.takes(s2s.ReplyOpened(reply="r"), s2s.ToolCalled(reply="r", call="c", name="book"))
    rig.told(order.AcceptReply(response_id=1, vendor_id="r"))
    tool = rig.facts(fact.ToolCallRequested)[0].tool_call_id
    for result in ("1", "2"):
        rig.told(order.ReturnToolResult(tool_call_id=tool, result=result))
    rig.told(order.ReturnToolResult(tool_call_id="tool_99", result="3"))
    assert rig.session.asked == [("tool", "c", "1")]


def test_an_order_of_somebody_elses_is_not_taken() -> None:
    """The loop goes on to the next performer."""
    assert not Rig().converse.perform(order.PausePlayback(response_id=1))


def test_what_waits_for_a_session_is_bounded() -> None:
    """A second of sound where nobody spoke, more of what was said, and a few requests."""
    theirs = replace(PLAN, engine=EnginePlan(server_turns=True))
    for spoke, kept_ms in ((False, WAITING_MS), (True, UNTAKEN_MS)):
        rig = Rig(plan=theirs, adopt=False)
        rig.hears(2 * UNTAKEN_MS)
        for _ in range(REQUESTS + 5):
            rig.told(order.CommitSpeech())
        if spoke:
            rig.converse.speech_started(0)
        rig.converse.adopt(rig.session)
        assert kept_ms - 60 <= rig.session.samples / 16 <= kept_ms
        assert len(rig.session.asked) == REQUESTS


def test_where_turns_are_ours_only_voices_go_in() -> None:
    """With a little of what came before them; an engine that decides gets the silence too, and needs it."""
    plan = replace(PLAN, engine=EnginePlan())
    for server_turns, expected_ms in ((False, PRE_ROLL_MS + 100 + 400), (True, 3000)):
        rig = Rig(plan=replace(plan, engine=EnginePlan(server_turns=server_turns)))
        frame = np.ones(160, np.int16)
        for number in range(150):
            rig.converse.push(LineAudio(frame))
            if number == 54:
                rig.converse.speech_started(1000)  # it was noticed 100 ms later
            elif number == 74:
                rig.converse.speech_ended()
        assert abs(rig.session.samples / 16 - expected_ms) <= 30


# --- the session -----------------------------------------------------------------------------------------------------


class Running:
    """A Converse that runs in virtual time."""

    def __init__(self, *sessions: Session | Slow | Exception | None, abilities: EngineAbilities = TURNS_OURS) -> None:
        self.clock = CallClock(asyncio.get_running_loop())
        self.engine = Engine(*sessions, abilities=abilities)
        self.events: list[tuple[Ms, Event]] = []
        self.quiet = True
        self.said = "Hello."
        self.breakers = Breakers()
        self.converse = Converse(
            self.engine,
            setup=lambda: EngineSetup(system_prompt="", first_message=self.said),
            quiet=lambda: self.quiet,
            plan=lambda: PLAN,
            playback=self,
            post=lambda event: self.events.append((self.clock.now(), event)),
            now=self.clock.now,
            alarm=CallAlarm(self.clock),
            breakers=self.breakers,
        )

    def play(self, response_id: int, clause: int, payload: bytes) -> None: ...

    def end_clause(self, response_id: int, clause: int) -> int:
        return 0

    @property
    def kinds(self) -> list[type[Event]]:
        return [type(event) for _, event in self.events]


def held(
    *sessions: Session | Slow | Exception | None,
    then: Callable[[Running], Awaitable[None]] | None = None,
    seconds: float = 60.0,
    abilities: EngineAbilities = TURNS_OURS,
) -> Running:
    """Run one for a while, with what is done meanwhile."""

    async def story() -> Running:
        running = Running(*sessions, abilities=abilities)
        task = asyncio.create_task(running.converse.run())
        await asyncio.sleep(1)
        assert not running.engine.setups, "a session was opened before the plan held"
        running.converse.perform(order.OpenEngine())
        if then is not None:
            await then(running)
        await asyncio.wait({task}, timeout=seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return running

    return virtually(story())


def test_a_session_that_breaks_is_opened_again() -> None:
    """Its reply has failed; what it was saying is a matter of the past, and so are its tool calls."""
    first, second = Session(), Session()

    async def breaks(running: Running) -> None:
        await asyncio.sleep(1)
        for event in (s2s.ReplyOpened(reply="r"), sound(100), s2s.ToolCalled(reply="r", call="c", name="n")):
            first.due.put_nowait(event)
        await asyncio.sleep(0.1)
        running.converse.perform(order.AcceptReply(response_id=1, vendor_id="r"))
        first.due.put_nowait(Unavailable("gone", provider="toy"))
        await asyncio.sleep(5)
        running.converse.perform(order.ReturnToolResult(tool_call_id="tool_1", result="{}"))

    running = held(first, second, then=breaks)
    assert first.closed
    assert len(running.engine.setups) == 2
    assert not running.breakers.hindrance([(running.engine,)], 0.0, rung=False)
    failed = next(event for _, event in running.events if isinstance(event, fact.ResponseFailed))
    assert (failed.response_id, failed.provider, failed.message) == (1, "toy", "gone")
    assert second.asked == []


def test_what_was_said_without_an_engine_is_told_once() -> None:
    """To the session that is open; one that is being opened gets what it was not told at the beginning, and one that
    is opened later begins with all of it."""
    first, second = Session(), Session()
    slow = Slow(second, opens_after_s=1.0)

    def said(running: Running, text: str) -> None:
        running.said = f"{running.said} {text}"
        running.converse.perform(order.RemindEngine(role="colleague", text=text))

    async def story(running: Running) -> None:
        await asyncio.sleep(1)
        said(running, "One.")
        first.due.put_nowait(Unavailable("gone", provider="toy"))
        await asyncio.sleep(BACKOFF_S / 2)
        said(running, "Two.")
        await asyncio.sleep(BACKOFF_S)
        said(running, "Three.")
        await asyncio.sleep(2)
        said(running, "Four.")

    running = held(first, slow, then=story, seconds=1)
    assert first.asked == [("remind", "assistant", f"{COLLEAGUE}One.")]
    assert [each.first_message for each in running.engine.setups] == ["Hello.", "Hello. One. Two."]
    assert second.asked == [("remind", "assistant", f"{COLLEAGUE}{each}") for each in ("Three.", "Four.")]


def test_an_engine_that_cannot_be_told_is_not() -> None:
    """What was said without it is not asked of it."""
    rig = Rig(replace(TURNS_OURS, remind=False))
    rig.told(order.RemindEngine(role="colleague", text="One."))
    assert rig.session.asked == []


SHORT = replace(TURNS_OURS, session_s=10.0)


def test_a_session_that_may_not_last_longer_makes_way_for_another() -> None:
    """In a quiet moment, with all that was said; nobody hears of it, and what is asked then goes to the new one."""
    first, second = Session(), Session()

    async def story(running: Running) -> None:
        running.quiet = False
        await asyncio.sleep(12)
        assert len(running.engine.setups) == 2, "another is open before it is needed"
        assert not first.closed
        running.quiet = True
        await asyncio.sleep(1)
        assert first.closed
        running.converse.perform(order.AskEngine(response_id=4))
        second.due.put_nowait(s2s.ReplyOpened(reply="r", asked=4))

    running = held(first, second, Session(), then=story, seconds=5, abilities=SHORT)
    assert second.asked == [("respond", 4, "", True)]
    assert running.kinds == [fact.SpeechResponseOpened]
    assert second.closed


def test_a_session_that_was_not_told_all_takes_no_place() -> None:
    """What was said while it was opened is told to the next one."""
    first, stale, fresh = Session(), Session(), Session()

    async def story(running: Running) -> None:
        running.quiet = False
        await asyncio.sleep(12)
        running.said = "Hello. And more."
        running.quiet = True
        await asyncio.sleep(1)
        assert stale.closed
        assert first.closed

    running = held(first, stale, fresh, Session(), then=story, seconds=5, abilities=SHORT)
    assert [each.first_message for each in running.engine.setups[:3]] == ["Hello.", "Hello.", "Hello. And more."]
    assert running.kinds == []


def test_where_no_other_session_is_to_be_had_the_old_one_goes_on() -> None:
    """It is tried again later; until the old one breaks nobody notices."""
    first, second = Session(), Session()
    refused = Unavailable("busy", provider="toy")
    running = held(first, refused, second, Session(), seconds=32, abilities=SHORT)
    assert len(running.engine.setups) == 3
    assert first.closed
    assert running.kinds == []


def test_a_reply_that_was_asked_of_a_lost_session_has_failed() -> None:
    """The machine hears of it at once, not when it gives up."""
    first, second = Session(), Session()

    async def breaks(running: Running) -> None:
        await asyncio.sleep(1)
        running.converse.perform(order.AskEngine(response_id=4))
        first.due.put_nowait(Unavailable("gone", provider="toy"))
        await asyncio.sleep(0.05)
        assert running.kinds == [fact.EngineLost, fact.ResponseFailed]

    held(first, second, then=breaks)
    assert second.asked == []


@pytest.mark.parametrize("server_turns", [False, True], ids=["ours", "theirs"])
def test_what_no_session_made_an_item_of_is_given_to_the_next(server_turns: bool) -> None:
    """The caller speaks, and pauses, while the session breaks: the next one hears all of it, and is told that it is
    over where that is ours to say."""
    plan = replace(PLAN, engine=EnginePlan(server_turns=server_turns))
    rig = Rig(TURNS_THEIRS if server_turns else TURNS_OURS, plan)
    rig.hears(1000)
    rig.converse.speech_started(1000)
    rig.hears(2000)
    rig.converse.speech_ended()
    rig.hears(500)
    second = rig.breaks()
    assert abs(second.samples / 16 - (PRE_ROLL_MS + 2500)) <= 40
    rig.told(order.CommitSpeech())
    assert second.asked == ([] if server_turns else [("commit",)])
    if server_turns:
        rig.takes(s2s.TurnTaken(item="c1"))
    assert rig.breaks().samples / 16 <= WAITING_MS, "what is an item is not said twice"


def test_only_what_was_just_said_is_given_to_the_next() -> None:
    """Not a noise that the engine ignored long ago, and nothing that the machine will ask to hear again."""
    rig = Rig(TURNS_THEIRS, replace(PLAN, engine=EnginePlan(server_turns=True)))
    rig.converse.speech_started(0)
    rig.hears(400)
    rig.converse.speech_ended()
    rig.hears(PAUSE_MS + 1000)
    rig.converse.speech_started(PAUSE_MS + 1400)
    rig.hears(600)
    rig.converse.speech_ended()
    assert abs(rig.breaks().samples / 16 - (PRE_ROLL_MS + 600)) <= 40
    rig.hears(FORGOTTEN_MS + 100)
    assert rig.breaks().samples == 0


def test_a_reply_that_a_lost_session_owed_has_failed() -> None:
    """It took a turn and would have replied by itself, whether the session is lost before or after we wait for that."""
    rig = Rig(TURNS_THEIRS, replace(PLAN, engine=EnginePlan(server_turns=True)))
    rig.told(order.AwaitReply(response_id=1))
    rig.converse.lost("gone")
    rig.told(order.AwaitReply(response_id=2))
    assert [each.response_id for each in rig.facts(fact.ResponseFailed)] == [1, 2]


def test_a_reply_that_begins_before_it_is_waited_for_is_not_owed() -> None:
    """The vendor is quick: its turn and its reply come together, and the order to wait comes after both."""
    rig = Rig(TURNS_THEIRS, replace(PLAN, engine=EnginePlan(server_turns=True)))
    rig.takes(s2s.TurnTaken(item="c1"), s2s.ReplyOpened(reply="r"))
    rig.told(order.AwaitReply(response_id=1))
    rig.accepts()
    rig.takes(sound(100), s2s.ReplyFinished(reply="r"))
    rig.passes(QUIET_MS)
    rig.converse.lost("gone")
    assert rig.facts(fact.ResponseFailed) == []


def test_what_was_asked_before_the_first_session_is_asked_when_it_is_open() -> None:
    """A vendor that has to be tried twice still greets."""
    session = Session()

    async def greets(running: Running) -> None:
        running.converse.perform(order.Greet(response_id=1, text="Hello."))

    running = held(Unavailable("busy", provider="toy"), session, then=greets, seconds=3)
    assert session.asked == [("respond", 1, "Hello.", True)]
    assert running.events == []


@pytest.mark.parametrize("failure", [Unavailable("down", provider="toy"), OSError("no route"), None], ids=repr)
def test_an_engine_that_cannot_be_reached_is_given_up(failure: Exception | None) -> None:
    """After its tries, one that never answers too, the call is told once."""
    running = held(*[failure] * (REOPENS + 1))
    assert running.kinds == [fact.ListenFailed]
    assert len(running.engine.setups) == REOPENS + 1
    assert running.events[0][0] <= 1000 + (OPEN_S * 1000 + 700) * (REOPENS + 1)
    named = not isinstance(failure, OSError)  # ours are; an author's engine may raise anything
    assert bool(running.breakers.hindrance([(running.engine,)], 0.0, rung=False)) == named


@pytest.mark.parametrize("failure", [Unauthorized("bad key", provider="toy"), PatterError("odd")], ids=repr)
def test_what_cannot_help_is_not_tried_again(failure: Exception) -> None:
    """A refused key is refused the next time too."""
    running = held(failure, Session())
    assert running.kinds == [fact.ListenFailed]
    assert len(running.engine.setups) == 1


def test_an_engine_that_answers_is_well_again() -> None:
    """For all calls; a session that was opened, or has heard somebody, tells no more than that."""
    down, session = Unavailable("down", provider="toy"), Session()

    async def answers(running: Running) -> None:
        for _ in range(OPEN_AFTER - 1):
            running.breakers.failed(running.engine, down, 0.0)
        await asyncio.sleep(1)
        assert running.breakers.hindrance([(running.engine,)], 0.0, rung=False)
        session.due.put_nowait(s2s.TurnTaken(item="c1"))
        await asyncio.sleep(0.1)
        assert running.breakers.hindrance([(running.engine,)], 0.0, rung=False), "it has only listened so far"
        for event in (s2s.ReplyOpened(reply="r"), sound(100)):
            session.due.put_nowait(event)
        await asyncio.sleep(0.1)
        assert not running.breakers.hindrance([(running.engine,)], 0.0, rung=False)

    held(down, session, then=answers, seconds=1)


def test_an_engine_that_falls_silent_is_taken_for_dead() -> None:
    """Its connection stands, and nothing comes after a reply was asked for, or no more than that the turn was taken."""
    mute, taciturn, well = Session(), Session(), Session()

    async def asks(running: Running) -> None:
        running.converse.perform(order.AskEngine(response_id=1))
        await asyncio.sleep(ANSWER_S + 1)
        assert running.kinds == [fact.EngineLost, fact.ResponseFailed]
        running.converse.perform(order.CommitSpeech())
        running.converse.perform(order.AskEngine(response_id=2))
        await asyncio.sleep(0.5)
        taciturn.due.put_nowait(s2s.TurnTaken(item="c1"))
        await asyncio.sleep(ANSWER_S + 1)
        running.converse.perform(order.AskEngine(response_id=3))
        await asyncio.sleep(ANSWER_S - 0.5)
        well.due.put_nowait(s2s.ReplyOpened(reply="r", asked=3))

    running = held(mute, taciturn, well, then=asks)
    assert [each.response_id for _, each in running.events if isinstance(each, fact.ResponseFailed)] == [1, 2]
    assert (mute.closed, taciturn.closed, len(running.engine.setups)) == (True, True, 3)
    assert running.kinds[-1] is fact.SpeechResponseOpened


def test_a_busy_engine_is_asked_again_when_it_says() -> None:
    """Within what a caller may be made to wait."""
    refused = [RateLimited("busy", provider="toy", retry_after_s=seconds) for seconds in (1.5, 60.0)]
    session = Session()

    async def greets(running: Running) -> None:
        running.converse.perform(order.Greet(response_id=1, text="Hello."))
        await asyncio.sleep(1.5 + LONGEST_WAIT_S - 0.1)
        assert session.asked == []
        await asyncio.sleep(0.2)
        assert session.asked == [("respond", 1, "Hello.", True)]

    held(*refused, session, then=greets, seconds=1)


def test_an_engine_that_leaves_is_not_called_back() -> None:
    """What it said is over, and the machine is told why there is no more."""
    session = Session()
    for event in (s2s.ReplyOpened(reply="r"), sound(100), s2s.EngineLeft(reason="end_call")):
        session.due.put_nowait(event)

    async def accepts(running: Running) -> None:
        await asyncio.sleep(1)
        running.converse.perform(order.AcceptReply(response_id=1, vendor_id="r"))

    running = held(session, then=accepts, abilities=TURNS_THEIRS)
    assert running.kinds == [
        fact.SpeechResponseOpened,
        fact.EngineLeft,
        fact.SpanOpened,
        fact.ResponseFinished,
    ]
    assert session.closed


def test_the_scripted_peer_keeps_the_contract_on_a_real_loop() -> None:
    """Asked for a greeting it opens a reply, brings sound and words, and ends."""

    async def story() -> list[Event]:
        clock = CallClock(asyncio.get_running_loop())
        events: list[Event] = []
        running = Running()
        converse = Converse(
            SpeechPeer(["Hello there."]),
            setup=lambda: EngineSetup(system_prompt=""),
            plan=lambda: PLAN,
            playback=running,
            post=events.append,
            now=clock.now,
            alarm=CallAlarm(clock),
        )
        task = asyncio.create_task(converse.run())
        converse.perform(order.OpenEngine())
        converse.perform(order.AskEngine(response_id=1))
        await asyncio.sleep(1)
        converse.perform(order.AcceptReply(response_id=1, vendor_id="r1"))
        converse.perform(order.AcceptSpan(response_id=1, item="r1.0", clause=0))
        task.cancel()
        return events

    events = virtually(story())
    words = "".join(each.text for each in events if isinstance(each, fact.SpanWords))
    assert words == "Hello there."
    assert fact.ResponseFinished(response_id=1) in events


# --- the contract ----------------------------------------------------------------------------------------------------


def test_turns_are_ours_wherever_they_can_be() -> None:
    """Our endpointing and our barge-in hold with every engine that lets them."""
    assert not engine_plan(TURNS_OURS).server_turns
    assert engine_plan(TURNS_THEIRS).server_turns


def test_a_new_session_is_told_words_and_no_tool_calls() -> None:
    """Ids of another session mean nothing to it."""
    call = ToolCall(id="1", name="book")
    lines = [
        ChatMessage(role="system", text="Be brief."),
        ChatMessage(role="user", text="A table."),
        ChatMessage(role="assistant", tool_calls=(call,)),
        ChatMessage(role="tool", text="{}", tool_call_id="1"),
        ChatMessage(role="assistant", text="Done."),
    ]
    assert [each.text for each in spoken_history(lines)] == ["A table.", "Done."]
