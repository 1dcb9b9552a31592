"""A speech-to-speech engine in a virtual call: the real shell of one, with a scripted vendor behind it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from patter_cli.contracts.llm import ChatMessage
from patter_cli.contracts.s2s import EngineEvent, EngineSetup
from patter_cli.core import commands as order
from patter_cli.core.events import Ms
from patter_cli.core.plan import CallPlan
from patter_cli.engine.converse import BACKOFF_S, REOPENS, Converse
from patter_cli.errors import ProviderError
from patter_cli.testing.ears import Utterance
from patter_cli.testing.line import Line
from patter_cli.testing.speech_peer import PeerSession, SpeechPeer
from patter_cli.testing.world import World

BYTES_PER_MS = 8
"""Of the line, mu-law at 8 kHz."""


class _Alarm:
    """Rings in the world's time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._set = 0

    def set(self, at: Ms, act: Callable[[], None]) -> None:
        self._set += 1
        mine = self._set
        self._world.at(at, lambda: act() if mine == self._set else None)

    def cancel(self) -> None:
        self._set += 1


class _Playback:
    """Wire audio as stretches of time on the line."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def play(self, response_id: int, clause: int, payload: bytes) -> None:
        self._line.stream(response_id, clause, len(payload) // BYTES_PER_MS)

    def end_clause(self, response_id: int, clause: int) -> int:
        return self._line.end_stream(response_id, clause)


class VirtualEngine:
    """Opens the peer's sessions, again when they break, and lets it hear the caller."""

    def __init__(self, world: World, line: Line, peer: SpeechPeer, plan: Callable[[], CallPlan]) -> None:
        self._world = world
        self._line = line
        self._peer = peer
        self._plan = plan
        peer.later = lambda ms, act: world.at(world.now + ms, act)
        self._session: PeerSession | None = None
        self._failures = 0
        self.converse = Converse(
            peer,
            setup=self._setup,
            plan=plan,
            playback=_Playback(line),
            post=lambda event: world.after(0, event),
            now=lambda: world.now,
            alarm=_Alarm(world),
        )

    def perform(self, command: order.Command) -> bool:
        match command:
            case order.OpenEngine():
                self._world.at(self._world.now + self._peer.latency.open_ms, self._open)
            case order.AcceptSpan(response_id=response_id, item=item, clause=clause):
                text = self._peer.texts.get(item, "")
                self._line.expect(response_id, clause, text, self._peer.length_ms(text))
        return self.converse.perform(command)

    def hears(self, utterance: Utterance, detected_ms: int) -> None:
        """The caller says this. detected_ms: how long a voice must last to be noticed."""
        world, session = self._world, self._now_open
        if utterance.end - utterance.start >= detected_ms:
            world.at(utterance.start + detected_ms, lambda: session(PeerSession.voice_started))
        for when, word in utterance.words:
            world.at(when, partial(session, partial(_hear, word)))
        world.at(utterance.end, lambda: session(PeerSession.voice_ended))

    def _now_open(self, act: Callable[[PeerSession], None]) -> None:
        """Do something with the session that is open then, if one is."""
        if self._session is not None:
            act(self._session)

    def _setup(self) -> EngineSetup:
        plan = self._plan()
        history = (ChatMessage(role="assistant", text=plan.first_message),) if self._peer.sessions else ()
        return EngineSetup(
            system_prompt=plan.system_prompt,
            first_message=plan.first_message,
            server_turns=plan.engine is not None and plan.engine.server_turns,
            history=history,
        )

    def _open(self) -> None:
        try:
            session = self._peer.connect(self._setup())
        except ProviderError as error:
            self._failed(error)
            return
        self._session = session
        session.listen(self._take)
        self.converse.adopt(session)

    def _take(self, event: EngineEvent | ProviderError) -> None:
        if isinstance(event, ProviderError):
            self._failed(event)
        else:
            self._failures = 0
            self.converse.take(event)

    def _failed(self, error: ProviderError) -> None:
        self._failures += 1
        if self._session is not None:
            self._session.close()
        self._session = None
        self.converse.lost(str(error))
        if self._failures > REOPENS:
            self.converse.gone(str(error))
        else:
            self._world.at(self._world.now + int(BACKOFF_S * 1000) * self._failures, self._open)


def _hear(word: str, session: PeerSession) -> None:
    session.hear(word)
