"""A scripted speech-to-speech vendor: a recipe that keeps the contract, on any clock, and can be broken in many ways.

It is two vendors in one. With turns that are ours it makes an item of what it heard when told, and replies when asked:
sound and words side by side, much faster than they are heard, with an end. With turns of its own it replies half a
second after a voice, interrupts itself for the next one, sends all words at once, and tells no end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.contracts import s2s
from patter_cli.contracts.llm import ChatMessage
from patter_cli.contracts.s2s import EngineAbilities, EngineEvent, EngineSetup
from patter_cli.errors import ProviderError, Unavailable

TURNS_OURS = EngineAbilities(
    server_turns=True,
    commit=True,
    cancel=True,
    truncate=True,
    input_transcript=True,
    tools=True,
    instruct=True,
    remind=True,
)
"""As OpenAI Realtime: everything but word times."""
TURNS_THEIRS = EngineAbilities(
    server_turns=True, greets=True, input_transcript=True, tools=True, continues=True, remind=True, tells_end=False
)
"""As ElevenLabs' agents: nothing can be cut short, and nothing says where a reply ends."""

RATE_HZ = 8000
CHUNK_MS = 200
"""Sound in one message."""
SPEED = 8
"""How much faster than it is heard it comes."""


class PeerFault(Enum):
    """What can be wrong with it."""

    HANGS = "it opens no reply"
    SILENT = "it opens its replies, and nothing of them comes"
    STALLS = "half a reply comes, and no end of it"
    DROPS = "the session breaks in the middle of a reply"
    REFUSES = "no session is opened"
    FAILS = "every reply fails after half of it"
    OPENS_TWICE = "it opens a second reply beside the one that was asked for"
    STRAY_SOUND = "it sends sound of a reply that was never opened"
    LATE_WORDS = "the words of a reply come after its sound"
    NO_WORDS = "a reply has no words at all"
    LATE_TRANSCRIPT = "what the caller said is known four seconds later"
    NO_TRANSCRIPT = "what the caller said is never known"
    DEAF = "it never notices that the caller speaks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One scripted reply, or one step of it. items: what it says, one item each; calls: (name, arguments)."""

    items: tuple[str, ...] = ()
    calls: tuple[tuple[str, str], ...] = ()
    leaves: bool = False
    """It hangs up afterwards, with a tool of its own."""


Script: TypeAlias = Callable[[str], str | Said] | Sequence[str | Said]
"""Its replies in turn, the last one for ever, or a function of what it heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerLatency:
    """How quick it is, in ms."""

    open_ms: int = 80
    turn_ms: int = 500
    """Silence that ends a turn of the caller's."""
    taken_ms: int = 20
    transcript_ms: int = 300
    first_ms: int = 250
    """From a turn's end, or from being asked, to a reply's opening."""
    sound_ms: int = 150
    """From there to its first sound."""
    ms_per_char: int = 65


class SpeechPeer:
    """The recipe, and the record of all its sessions. later(ms, act): have something done then."""

    provider = "scripted"
    key_variable = ""
    in_rate_hz = RATE_HZ
    out_rate_hz = RATE_HZ

    def __init__(
        self,
        script: Script = ("All right.",),
        *,
        abilities: EngineAbilities = TURNS_OURS,
        faults: Iterable[PeerFault] = (),
        latency: PeerLatency | None = None,
        later: Callable[[int, Callable[[], None]], None] | None = None,
    ) -> None:
        self.abilities = abilities
        self.script = script
        self.faults = set(faults)
        self.latency = latency or PeerLatency()
        self.later = later or self._by_the_loop
        self._timers = 0
        self.texts: dict[str, str] = {}
        """What each item of its replies says in the end."""
        self.sessions: list[PeerSession] = []
        self.asked: list[str] = []
        """What the caller had said before each of its replies."""
        self.truncated: list[tuple[str, int]] = []
        """(item, ms heard), in order."""
        self.instructed: list[EngineSetup] = []
        """What sessions were told anew."""
        self.reminded: list[ChatMessage] = []
        """What was said without it."""
        self.cancelled: list[str] = []
        self.returned: dict[str, str] = {}
        """Tool calls and what they were answered."""
        self.typed: list[str] = []
        self.item_names = "s{session}c{item}"
        """How it calls what the caller said; without {session} the same again in each."""
        self.replies = 0

    def _by_the_loop(self, ms: int, act: Callable[[], None]) -> None:
        """A loop keeps no order among timers that are due together, and a vendor's messages come in theirs."""
        self._timers += 1
        asyncio.get_running_loop().call_later(ms / 1000 + self._timers * 1e-7, act)

    def check(self) -> None:
        """Nothing can be missing."""

    def length_ms(self, text: str) -> int:
        return len(text) * self.latency.ms_per_char

    def connect(self, setup: EngineSetup) -> PeerSession:
        """A session, at once. Raises Unavailable."""
        if PeerFault.REFUSES in self.faults:
            raise Unavailable("nobody is there", provider=self.provider)
        session = PeerSession(self, setup)
        self.sessions.append(session)
        return session

    async def open(self, setup: EngineSetup) -> PeerSession:
        await asyncio.sleep(self.latency.open_ms / 1000)
        return self.connect(setup)

    def next(self, heard: str) -> Said:
        """What is said to this."""
        self.asked.append(heard)
        script = self.script
        said = script(heard) if callable(script) else script[min(len(self.asked), len(script)) - 1]
        return Said(items=(said,)) if isinstance(said, str) else said


@dataclass(slots=True)
class _Reply:
    """One reply being made."""

    name: str
    stopped: bool = False
    due: set[str] = field(default_factory=set)
    """Tool calls that are not answered."""


class PeerSession:
    """One session. `listen` has its events handed over at once; without, they wait in `events`."""

    def __init__(self, peer: SpeechPeer, setup: EngineSetup) -> None:
        self._peer = peer
        self.setup = setup
        self._take: Callable[[EngineEvent | ProviderError], None] | None = None
        self._queue: asyncio.Queue[EngineEvent | ProviderError | None] = asyncio.Queue()
        self.samples = 0
        self.closed = False
        self._heard = ""
        self._answering = ""
        self._items = 0
        self._voice = 0
        """Counts voices, so that a pause that was none ends no turn."""
        self._reply: _Reply | None = None
        self._unheard: list[int] = []
        """What was sent and is still to be heard as it thinks, piece by piece, in ms."""
        if peer.abilities.greets and setup.first_message and not setup.history:
            self._later(peer.latency.first_ms, lambda: self._open(Said(items=(setup.first_message,)), None))

    def listen(self, take: Callable[[EngineEvent | ProviderError], None]) -> None:
        self._take = take

    async def events(self) -> AsyncIterator[EngineEvent]:
        while (event := await self._queue.get()) is not None:
            if isinstance(event, ProviderError):
                raise event
            yield event

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._queue.put_nowait(None)

    def send(self, event: EngineEvent | ProviderError) -> None:
        """Anything, also what it should not say."""
        if self.closed:
            return
        if self._take is not None:
            self._take(event)
        else:
            self._queue.put_nowait(event)

    # --- what it is asked ----------------------------------------------------------------------------------------

    def push(self, samples: Samples) -> None:
        self.samples += len(samples)

    def commit(self) -> None:
        self._take_turn()

    def respond(self, asked: int, *, say: str = "", may_call: bool = True) -> None:
        said = Said(items=(say,)) if say else None
        self._later(self._peer.latency.first_ms, lambda: self._open(said, asked))

    def type_text(self, text: str) -> None:
        self._peer.typed.append(text)
        self._answering = f"{self._answering} {text}".strip()
        if self.setup.server_turns:
            self._later(self._peer.latency.first_ms, lambda: self._open(None, None))

    def cancel(self, reply: str) -> None:
        self._peer.cancelled.append(reply)
        if self._reply is not None and self._reply.name == reply and not self._reply.stopped:
            self._reply.stopped = True
            self.send(s2s.ReplyFinished(reply=reply))

    def truncate(self, reply: str, item: str, heard_ms: int) -> None:
        self._peer.truncated.append((item, heard_ms))

    def instruct(self, setup: EngineSetup) -> None:
        self._peer.instructed.append(setup)

    def remind(self, line: ChatMessage) -> None:
        self._peer.reminded.append(line)

    def return_tool(self, call: str, result: str) -> None:
        assert call not in self._peer.returned, "a tool call was answered twice"
        self._peer.returned[call] = result
        reply = self._reply
        if reply is not None and call in reply.due:
            reply.due.remove(call)
            if not reply.due and self._peer.abilities.continues and not reply.stopped:
                self._later(self._peer.latency.first_ms, lambda: self._open(None, None))

    # --- what it hears -------------------------------------------------------------------------------------------

    def voice_started(self) -> None:
        """With turns of its own it stops for a voice, as far as it thinks that it is still heard."""
        self._voice += 1
        reply = self._reply
        if not self.setup.server_turns or PeerFault.DEAF in self._peer.faults or reply is None:
            return
        if not reply.stopped and self._unheard:
            reply.stopped = True
            self._unheard.clear()
            self.send(s2s.ReplyInterrupted(reply=reply.name))

    def hear(self, word: str) -> None:
        self._heard = f"{self._heard} {word}".strip()

    def voice_ended(self) -> None:
        voice = self._voice
        if self.setup.server_turns and PeerFault.DEAF not in self._peer.faults:
            self._later(self._peer.latency.turn_ms, lambda: self._end_of_voice(voice))

    def _end_of_voice(self, voice: int) -> None:
        if voice == self._voice and self._heard:
            self._take_turn()
            self._later(self._peer.latency.first_ms, lambda: self._open(None, None))

    def _take_turn(self) -> None:
        peer, words = self._peer, self._heard
        self._heard = ""
        self._answering = f"{self._answering} {words}".strip()
        self._items += 1
        item = peer.item_names.format(session=len(peer.sessions), item=self._items)
        self._later(peer.latency.taken_ms, lambda: self.send(s2s.TurnTaken(item=item)))
        if peer.abilities.input_transcript and PeerFault.NO_TRANSCRIPT not in peer.faults:
            late_ms = 4000 if PeerFault.LATE_TRANSCRIPT in peer.faults else 0
            due = peer.latency.transcript_ms + late_ms
            self._later(due, lambda: self.send(s2s.CallerWords(item=item, text=words)))

    # --- what it says --------------------------------------------------------------------------------------------

    def _open(self, said: Said | None, asked: int | None) -> None:
        peer = self._peer
        if self.closed or PeerFault.HANGS in peer.faults:
            return
        heard, self._answering = self._answering, ""
        said = peer.next(heard) if said is None else said
        peer.replies += 1
        name = f"r{peer.replies}"
        reply = self._reply = _Reply(name)
        self.send(s2s.ReplyOpened(reply=name, asked=asked))
        if PeerFault.OPENS_TWICE in peer.faults and asked is not None:
            self._later(30, lambda: self._open_second(asked))
        if PeerFault.STRAY_SOUND in peer.faults:
            self.send(s2s.ReplyAudio(reply="never", samples=np.zeros(RATE_HZ, np.int16)))
        if PeerFault.SILENT not in peer.faults:
            self._say(reply, said)

    def _open_second(self, asked: int) -> None:
        self.send(s2s.ReplyOpened(reply="second", asked=asked))
        self.send(s2s.ReplyAudio(reply="second", samples=np.ones(RATE_HZ, np.int16)))
        self.send(s2s.ReplyFinished(reply="second"))

    def _say(self, reply: _Reply, said: Said) -> None:
        """Lay out when which message goes out."""
        peer, faults = self._peer, self._peer.faults
        whole = not self.setup.server_turns
        due = peer.latency.sound_ms
        for number, text in enumerate(said.items):
            item = f"{reply.name}.{number}"
            peer.texts[item] = text
            words = "" if PeerFault.NO_WORDS in faults else text
            late = PeerFault.LATE_WORDS in faults
            if not whole and not late and words:
                self._bring(0, reply, s2s.ReplyWords(reply=reply.name, item=item, text=words, over=True))
            length_ms = peer.length_ms(text)
            for at in range(0, length_ms, CHUNK_MS):
                if at * 2 >= length_ms and self._breaks(due, reply):
                    return
                if whole and not late and words:
                    piece = words[len(words) * at // length_ms : len(words) * (at + CHUNK_MS) // length_ms]
                    self._bring(due, reply, s2s.ReplyWords(reply=reply.name, item=item, text=piece))
                self._bring(due, reply, self._sound(reply.name, item, min(CHUNK_MS, length_ms - at)))
                due += CHUNK_MS // SPEED
            if whole:
                self._bring(due, reply, s2s.ItemVoiced(reply=reply.name, item=item))
            if late and words:
                due += 600
            if whole or late:
                text = words if late else ""
                self._bring(due, reply, s2s.ReplyWords(reply=reply.name, item=item, text=text, over=True))
        self._end(due, reply, said)

    def _breaks(self, due: int, reply: _Reply) -> bool:
        """Half of it has come: what a fault makes of the rest."""
        faults, name = self._peer.faults, reply.name
        if PeerFault.DROPS in faults:
            faults.discard(PeerFault.DROPS)
            self._later(due, lambda: self.send(Unavailable("the socket is gone", provider="scripted")))
        elif PeerFault.FAILS in faults:
            self._bring(due, reply, s2s.ReplyFinished(reply=name, failed="server_error"))
        return PeerFault.STALLS in faults or PeerFault.FAILS in faults or self.closed

    def _end(self, due: int, reply: _Reply, said: Said) -> None:
        for number, (name, arguments) in enumerate(said.calls):
            call = f"{reply.name}.call{number}"
            reply.due.add(call)
            self._bring(due, reply, s2s.ToolCalled(reply=reply.name, call=call, name=name, arguments=arguments))
        if self._peer.abilities.tells_end:
            self._bring(due, reply, s2s.ReplyFinished(reply=reply.name))
        if said.leaves:
            self._bring(due, reply, s2s.EngineLeft(reason="end_call"))

    def _sound(self, reply: str, item: str, length_ms: int) -> EngineEvent:
        samples = np.full(length_ms * RATE_HZ // 1000, 1000, np.int16)
        return s2s.ReplyAudio(reply=reply, item=item, samples=samples)

    def _bring(self, due: int, reply: _Reply, event: EngineEvent) -> None:
        """Send it then, unless the reply was stopped before."""

        def act() -> None:
            if reply.stopped:
                return
            if isinstance(event, s2s.ReplyAudio):
                self._unheard.append(len(event.samples) * 1000 // RATE_HZ)
                if len(self._unheard) == 1:
                    self._later(self._unheard[0], self._heard_out)
            self.send(event)

        self._later(due, act)

    def _heard_out(self) -> None:
        """It thinks that sound is heard as it is sent, one piece after the other."""
        del self._unheard[:1]
        if self._unheard:
            self._later(self._unheard[0], self._heard_out)

    def _later(self, ms: int, act: Callable[[], None]) -> None:
        self._peer.later(ms, act)
