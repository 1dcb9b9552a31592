"""Speech to speech: one engine's session as the machine knows it. What it sends becomes facts, orders become requests.

Theory of operation. Everything that a vendor sends comes through `take`, everything that the machine orders through
`perform`; both are synchronous. The caller's sound goes in all the time where the engine decides on turns, else only
their voice does; what comes back goes through the replies (s2s_replies.py) to the line.

The session is opened when the plan holds, and again when it breaks, with what was said so far. A reply that was under
way then has failed, and so has one that was asked for or waited for; the machine apologises. What the caller was saying
when it broke, or had said without becoming an item of its memory, is given to the next one: nobody need say it again.
A session that may not last longer makes way for another while nobody says anything, and nobody notices. Lines of ours
(apologies, fillers) are not the engine's to say: the house voice says them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.audio.resample import Resampler
from patter_cli.audio.wire import ULAW_8K_WIRE, LineAudio, WireCodec
from patter_cli.contracts import s2s
from patter_cli.contracts.llm import ChatMessage
from patter_cli.contracts.provider import name_of
from patter_cli.contracts.s2s import EngineAbilities, EngineEvent, EngineSession, EngineSetup, SpeechEngine
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.commands import Command
from patter_cli.core.events import Event, Ms
from patter_cli.core.plan import CallPlan, EnginePlan
from patter_cli.engine.dialogue import told_line
from patter_cli.engine.fallback import Breakers
from patter_cli.engine.s2s_replies import Alarm, Playback, SpeechReplies
from patter_cli.errors import PatterError, ProviderError, TimedOut, Unavailable

log = logging.getLogger(__name__)

REOPENS = 2
"""How often a session that failed is opened again before the call is told that it is deaf."""
BACKOFF_S = 0.2
LONGEST_WAIT_S = 2.0
"""What a vendor's "come back later" may cost the caller before it is asked again."""
ANSWER_S = 4.0
"""So long after it was asked for a reply an engine may send nothing at all; then its session is taken for dead, though
its connection stands."""
OPEN_S = 5.0
CLOSE_S = 2.0
PRE_ROLL_MS = 320
"""Of the sound before a voice, for its first consonant. The recogniser's figure."""
WAITING_MS = 1000
"""Of the caller's sound, so much waits for a session where nobody has spoken."""
UNTAKEN_MS = 6000
"""So much of what the caller said, and no session has made an item of, is kept for the next one."""
FORGOTTEN_MS = 3000
"""After so much silence it is not: the machine asks to hear it again soon. Less than silence.SILENCE_MS."""
PAUSE_MS = 1500
"""Two voices with less between them are one thing that is said."""
REPLAYED_MS = 200
"""What was kept is given in pieces of this: vendors take no message of any length."""
LOOK_S = 0.25
"""How often a session that may not last longer looks for a moment in which nobody says anything."""
RENEW_AGAIN_S = 20.0
"""After a session to take its place could not be opened."""
REQUESTS = 32
"""Requests that wait for a session; more are dropped."""


def engine_plan(can: EngineAbilities) -> EnginePlan:
    """What the machine must know of an engine. Turns are ours wherever it can leave them to us."""
    return EnginePlan(server_turns=not can.commit, transcribes=can.input_transcript, truncates=can.truncate)


class Converse:
    """One call's engine."""

    def __init__(
        self,
        engine: SpeechEngine,
        *,
        setup: Callable[[], EngineSetup],
        plan: Callable[[], CallPlan],
        playback: Playback,
        post: Callable[[Event], None],
        now: Callable[[], Ms],
        alarm: Alarm,
        wire: WireCodec = ULAW_8K_WIRE,
        committed: Callable[[], None] = lambda: None,
        quiet: Callable[[], bool] = lambda: True,
        breakers: Breakers | None = None,
    ) -> None:
        """setup: what a session is to be, asked when one is opened. plan: the call's, as it is now. committed: is
        called with every commit, for whoever counts the caller's segments. quiet: whether nobody has the floor, and
        nothing is under way. breakers: told how it goes, for calls that have not begun."""
        self._engine = engine
        self._name = name_of(engine)
        self._can = engine.abilities
        self._setup = setup
        self._plan = plan
        self._post = post
        self._wire = wire
        self._committed = committed
        self._quiet = quiet
        self._breakers = breakers or Breakers()
        self._next: EngineSession | None = None
        """Has taken the place of the one whose events are still read."""
        self._wanted = asyncio.Event()
        self._session: EngineSession | None = None
        self._resampler = Resampler(wire.rate_hz, engine.in_rate_hz)
        self._recent: deque[Samples] = deque()
        """The caller's last sound, UNTAKEN_MS of it."""
        self._recent_samples = 0
        self._heard_samples = 0
        self._given = 0
        """Up to this sample the session has it, or needs it no more."""
        self._untaken: int | None = None
        """From this sample on the caller says something that is no item yet."""
        self._voice_until: int | None = None
        """Where their voice ended; None while it lasts."""
        self._only_voices = True
        """Turns are ours: silence is no business of the engine's, and would be paid for."""
        self._listens = False
        self._asked = False
        """A session that only replies when it is asked has been, and has not begun."""
        self._patience: asyncio.Timeout | None = None
        """Of the session at work: runs while a reply that it was asked for has not begun, anew with all that comes."""
        self._requests: list[Callable[[EngineSession], None]] = []
        self._untold: list[ChatMessage] = []
        """What was said without an engine since the session that is being opened was told the conversation."""
        self._replies = SpeechReplies(engine, plan=plan, playback=playback, post=post, now=now, alarm=alarm, wire=wire)

    def use(self, engine: SpeechEngine) -> None:
        """Open the next session with this one, which does no less; before the first, that is the call's."""
        self._engine = engine

    # --- the caller's sound ----------------------------------------------------------------------------------

    def push(self, audio: LineAudio) -> None:
        """The caller's next samples, at the line's rate."""
        samples = audio.samples
        self._heard_samples += len(samples)
        self._recent.append(samples)
        self._recent_samples += len(samples)
        while self._recent_samples > self._samples(UNTAKEN_MS):
            self._recent_samples -= len(self._recent.popleft())
        if self._session is not None and self._listens:
            self._session.push(self._resampler.process(samples))
            self._given = self._heard_samples

    def speech_started(self, onset_ms: int) -> None:
        """A voice began at this media time: it goes in, with what came shortly before."""
        self._listens = True
        onset = self._samples(onset_ms - PRE_ROLL_MS)
        paused = self._voice_until is not None and onset - self._voice_until > self._samples(PAUSE_MS)
        if self._untaken is None or paused:
            self._untaken = onset
        self._voice_until = None
        self._let_through(onset)

    def speech_ended(self) -> None:
        self._listens = not self._only_voices
        self._voice_until = self._heard_samples

    def _let_through(self, start: int) -> None:
        """Give the session what it has not got yet, from this sample on."""
        if self._session is None:
            return
        left = self._heard_samples - max(start, self._given)
        self._given = self._heard_samples
        kept = np.concatenate([np.zeros(0, np.int16), *self._recent])
        kept = kept[max(0, len(kept) - left) :] if left > 0 else kept[:0]
        size = self._samples(REPLAYED_MS)
        for at in range(0, len(kept), size):
            self._session.push(self._resampler.process(kept[at : at + size]))

    def _samples(self, ms: int) -> int:
        return ms * self._wire.rate_hz // 1000

    # --- what is ordered -------------------------------------------------------------------------------------

    def perform(self, command: Command) -> bool:
        replies = self._replies
        match command:
            case order.OpenEngine():
                self._wanted.set()
            case order.Greet(response_id=response_id, text=text):
                replies.asked = response_id
                if not self._can.greets:
                    self._request(lambda session: self._respond(session, response_id, say=text))
            case order.AskEngine():
                self._ask(command)
            case order.AwaitReply(response_id=response_id):
                replies.wait_for(response_id)
            case order.AcceptReply(response_id=response_id, vendor_id=vendor_id):
                replies.accept(vendor_id, response_id)
            case order.RejectReply(vendor_id=vendor_id):
                replies.reject(vendor_id)
            case order.AcceptSpan(response_id=response_id, item=item, clause=clause):
                replies.number(response_id, item, clause)
            case order.MuteReply(response_id=response_id):
                replies.mute(response_id)
            case order.TruncateSpan(response_id=response_id, clause=clause, heard_ms=heard_ms):
                replies.truncate(response_id, clause, heard_ms)
            case order.RemindEngine(role=role, text=text):
                self._remind(told_line(role, text))
            case order.CommitSpeech():
                if self._can.commit:
                    self._request(self._commit)
                self._committed()
            case order.ReturnToolResult(tool_call_id=tool_call_id, result=result):
                replies.return_tool(tool_call_id, result)
            case _:
                return False
        return True

    def instruct(self) -> None:
        """Prompt or language have changed: tell the session, where it can be told."""
        if self._can.instruct:
            self._request(lambda session: session.instruct(self._setup()))

    def _request(self, act: Callable[[EngineSession], None]) -> None:
        """Ask the session, now or when there is one."""
        if self._session is not None:
            act(self._session)
        elif len(self._requests) < REQUESTS:
            self._requests.append(act)

    def _remind(self, line: ChatMessage) -> None:
        """Once: a session that is opened later is told all of the conversation."""
        if not self._can.remind:
            return
        if self._session is not None:
            self._session.remind(line)
        elif len(self._untold) < REQUESTS:
            self._untold.append(line)

    def _commit(self, session: EngineSession) -> None:
        session.commit()
        self._untaken = None

    def _ask(self, command: order.AskEngine) -> None:
        asked, text, may_call = command.response_id, command.text, command.may_call
        self._replies.asked = asked
        if text:
            self._request(lambda session: session.type_text(text))
        if self._can.commit and not (command.continues and self._can.continues):
            self._request(lambda session: self._respond(session, asked, may_call=may_call))

    def _respond(self, session: EngineSession, asked: int, *, say: str = "", may_call: bool = True) -> None:
        session.respond(asked, say=say, may_call=may_call)
        self._asked = True
        self._await_reply()

    def _await_reply(self) -> None:
        self._asked = self._asked and self._replies.asked is not None
        if self._patience is not None:
            self._patience.reschedule(asyncio.get_running_loop().time() + ANSWER_S if self._asked else None)

    # --- what it sends ---------------------------------------------------------------------------------------

    def take(self, event: EngineEvent) -> None:
        """One message of the session's."""
        match event:
            case s2s.TurnTaken(item=item):
                if not self._only_voices:
                    self._untaken = None
                self._post(fact.EngineTurnTaken(item=item))
            case s2s.CallerWords(item=item, text=text, final=final):
                self._post(fact.EngineTranscript(item=item, text=text, final=final))
            case s2s.EngineLeft(reason=reason):
                self._replies.finish_all()
                self._post(fact.EngineLeft(reason=reason))
            case _:
                self._replies.take(event)

    # --- the session -----------------------------------------------------------------------------------------

    def adopt(self, session: EngineSession) -> None:
        """A session is open: it gets what waited for it."""
        self._session = self._replies.session = session
        self._asked = False
        self._resampler = Resampler(self._wire.rate_hz, self._engine.in_rate_hz)
        engine = self._plan().engine
        self._only_voices = engine is not None and not engine.server_turns
        self._listens = self._listens or not self._only_voices
        if self._untaken is not None:
            self._let_through(self._untaken)
        elif self._listens:
            self._let_through(self._heard_samples - self._samples(WAITING_MS))
        untold, self._untold = self._untold, []
        for line in untold:
            session.remind(line)
        requests, self._requests = self._requests, []
        for act in requests:
            act(session)

    def lost(self, why: str) -> None:
        """The session is gone, if there was one, and with it all that it was asked for."""
        if self._session is not None:
            self._session = None
            silent = 0 if self._voice_until is None else self._heard_samples - self._voice_until
            if silent > self._samples(FORGOTTEN_MS):
                self._untaken = None
            elif self._untaken is not None:
                self._given = min(self._given, self._untaken)
            self._post(fact.EngineLost(provider=self._name, message=why))
            self._replies.lost(why)

    def gone(self, why: str) -> None:
        """There will be no session any more."""
        self._post(fact.ListenFailed(provider=self._name, message=why))

    async def run(self) -> None:
        """Hold a session until cancelled, or until the engine has left or is gone for good."""
        await self._wanted.wait()
        failures, answered = 0, False
        session: EngineSession | None = None
        adopted = False
        """Whether it has taken the place of another already."""
        while True:
            try:
                if session is None:
                    self._untold.clear()  # it is part of what this session begins with
                    async with asyncio.timeout(OPEN_S):
                        session = await self._engine.open(self._setup())
                    adopted = False
                renewal = asyncio.create_task(self._renew(session))
                try:
                    async with asyncio.timeout(None) as self._patience:
                        if not adopted:
                            self.adopt(session)
                        async for event in session.events():
                            failures = 0
                            if isinstance(event, s2s.ReplyAudio | s2s.ToolCalled) and not answered:
                                answered = True
                                self._breakers.succeeded(self._engine)
                            self.take(event)
                            self._await_reply()
                            if isinstance(event, s2s.EngineLeft):
                                return
                    if self._next is None:
                        raise Unavailable("the session ended by itself", provider=self._name)
                except TimeoutError as error:
                    if self._patience is None or not self._patience.expired():
                        raise
                    silent = f"nothing came for {ANSWER_S:g} s after a reply was asked for"
                    raise TimedOut(silent, provider=self._name) from error
                finally:
                    self._patience = None
                    renewal.cancel()
                    await self._close(session)
                session, self._next, adopted = self._next, None, True
            except (PatterError, TimeoutError, OSError) as error:
                session, self._next = None, None
                failures += 1
                why = str(error) or type(error).__name__
                log.warning("%s failed (%d of %d): %s", self._name, failures, REOPENS + 1, why)
                late = isinstance(error, TimeoutError) and not isinstance(error, PatterError)
                known = TimedOut(f"no session was opened within {OPEN_S:g} s", provider=self._name) if late else error
                self._breakers.failed(self._engine, known, asyncio.get_running_loop().time())
                answered = False
                self.lost(why)
                final = isinstance(error, PatterError) and not (isinstance(error, ProviderError) and error.retryable)
                if failures > REOPENS or final:
                    self.gone(why)
                    return
                come_back_s = error.retry_after_s if isinstance(error, ProviderError) else None
                await asyncio.sleep(max(BACKOFF_S * failures, min(come_back_s or 0.0, LONGEST_WAIT_S)))

    async def _renew(self, session: EngineSession) -> None:
        """Once this session has lasted as long as it may, have another take its place in a quiet moment."""
        lasts_s = self._can.session_s
        if lasts_s is None:
            return
        await asyncio.sleep(lasts_s)
        while self._next is None:
            told = self._setup()
            try:
                async with asyncio.timeout(OPEN_S):
                    fresh = await self._engine.open(told)
            except (PatterError, TimeoutError, OSError) as error:
                log.warning("%s opens no session to take the place of an old one: %s", self._name, error)
                await asyncio.sleep(RENEW_AGAIN_S)
                continue
            try:
                while not self._quiet():  # noqa: ASYNC110 (whoever speaks tells nobody when they stop)
                    await asyncio.sleep(LOOK_S)
                if self._setup() == told:
                    log.info("%s: another session goes on with the call", self._name)
                    self._next = fresh
                    self._replies.hand_over(fresh)
                    self.adopt(fresh)
            finally:
                if self._next is not fresh:
                    await self._close(fresh)  # more was said than it was told, or the call is over
        await self._close(session)

    async def _close(self, session: EngineSession) -> None:
        try:
            async with asyncio.timeout(CLOSE_S):
                await session.aclose()
        except (PatterError, TimeoutError, OSError) as error:
            log.warning("the session of %s did not close: %s", self._name, error)

    def close(self) -> None:
        """The call is over: nothing more is handed out."""
        self._replies.close()
