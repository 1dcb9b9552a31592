"""A detector, a recogniser, a voice and models of a virtual call: as quick as its world, and as broken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from patter_cli.audio.frame import ULAW_8K, AudioFormat
from patter_cli.audio.vad import Piece, VoiceEdge, VoiceStarted, VoiceStopped
from patter_cli.audio.wire import Decode
from patter_cli.contracts.llm import ChatMessage, Delta, LanguageModel, ToolSpec, Usage
from patter_cli.contracts.provider import Keyless
from patter_cli.contracts.stt import Final, Partial, Recognised
from patter_cli.contracts.tts import Voiced
from patter_cli.errors import Unavailable
from patter_cli.simulate.virtual.line import BYTES_PER_MS, Stamps
from patter_cli.simulate.virtual.world import Trouble, World

RATE_HZ = 8000
VIRTUAL = "virtual"
"""The provider of ears and voice here; they cost nobody anything."""
REPLAYED_MS = 2000
"""What of the open turn a session hears again that takes a broken one's place."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One stretch of the caller's voice. words: each with the time of its last letter."""

    start: int
    end: int
    words: tuple[tuple[int, str], ...]


class VirtualEars(Keyless):
    """The caller's voice, the detector that notices it, and the recogniser that understands it, as a recipe."""

    provider = VIRTUAL
    rate_hz = RATE_HZ
    speech_only = False

    def __init__(self, world: World) -> None:
        self.world = world
        self._on_edge: Callable[[VoiceEdge], None] = lambda edge: None
        self._words: list[tuple[int, str]] = []
        self._session: _HearingSession | None = None
        self.committed_ms = -1
        self.utterances: list[Utterance] = []

    # --- the caller ----------------------------------------------------------------------------------------------

    def hear(self, text: str, length_ms: int) -> Utterance:
        """The caller says this from now on, evenly over length_ms; "" is a noise like a voice."""
        world, pace = self.world, self.world.pace
        start = world.now
        words: list[tuple[int, str]] = []
        position = 0
        for word in text.split():
            position = text.index(word, position) + len(word)
            words.append((start + length_ms * position // len(text), word))
        said = Utterance(start, start + length_ms, tuple(words))
        self.utterances.append(said)
        self._words += words
        if length_ms >= pace.onset_ms:
            world.at(start + pace.onset_ms, partial(self._edge, VoiceStarted(onset_ms=start)))
            world.at(said.end + pace.hangover_ms, partial(self._edge, VoiceStopped(last_voiced_ms=said.end)))
        for when, _ in words:
            world.at(when + pace.partial_ms, self._partial)
        return said

    def words(self, since: int, until: int) -> str:
        """What was said in (since, until], ms."""
        return " ".join(word for when, word in self._words if since < when <= until)

    def _edge(self, edge: VoiceEdge) -> None:
        if isinstance(edge, VoiceStopped) and any(
            each.start <= self.world.now and each.end > edge.last_voiced_ms for each in self.utterances
        ):
            return  # the caller has begun again
        self._on_edge(edge)

    def _partial(self) -> None:
        if self._session is not None:
            self._session.partial()

    # --- the detector --------------------------------------------------------------------------------------------

    def listen(self, on_edge: Callable[[VoiceEdge], None], decode: Decode) -> _NoEar:
        self._on_edge = on_edge
        return _NoEar()

    # --- the recogniser ------------------------------------------------------------------------------------------

    async def warm(self) -> None:
        """Nothing to load."""

    async def open(self) -> _HearingSession:
        self._session = _HearingSession(self, self._session is not None)
        return self._session


class _NoEar:
    def push(self, piece: Piece, *, masked: bool = False) -> None:
        pass

    def close(self) -> None:
        pass


class _HearingSession:
    """One session of the recogniser."""

    def __init__(self, ears: VirtualEars, again: bool) -> None:
        self._ears = ears
        now = ears.world.now
        self._since = max(ears.committed_ms, now - REPLAYED_MS) if again else -1
        self._segment = 0
        self._final_ms = -1
        """Up to here all was told for good."""
        self._results: asyncio.Queue[Recognised | Exception] = asyncio.Queue()
        if Trouble.EARS_FAIL in ears.world.broken:
            ears.world.at(now + 1000, self._break)

    def push(self, samples: object) -> None:
        """There is no sound."""

    def partial(self) -> None:
        world = self._ears.world
        deaf = {Trouble.EARS_HANG, Trouble.EARS_LATE, Trouble.EARS_EMPTY} & world.broken
        words = self._ears.words(self._since, max(self._final_ms, world.now - world.pace.partial_ms))
        if words and not deaf:
            self._results.put_nowait(Partial(segment=self._segment, text=words))

    def finalize(self) -> None:
        world = self._ears.world
        if Trouble.EARS_HANG in world.broken:
            return
        if Trouble.EARS_FAIL in world.broken:
            world.at(world.now + 1000, self._break)
            return
        self._final_ms = world.now
        text = "" if Trouble.EARS_EMPTY in world.broken else self._ears.words(self._since, world.now)
        late_ms = 3000 if Trouble.EARS_LATE in world.broken else 0
        final = Final(segment=self._segment, text=text)
        world.at(world.now + world.pace.final_ms + late_ms, lambda: self._results.put_nowait(final))

    def commit(self) -> None:
        self._segment += 1
        self._since = self._ears.committed_ms = self._ears.world.now

    async def results(self) -> AsyncIterator[Recognised]:
        while True:
            result = await self._results.get()
            if isinstance(result, Exception):
                raise result
            yield result

    async def aclose(self) -> None:
        """Nothing is held."""

    def _break(self) -> None:
        self._results.put_nowait(Unavailable("recognition broke off", provider=VIRTUAL))


class VirtualVoice(Keyless):
    """Recipe and session in one: there is one call."""

    provider = VIRTUAL
    rate_hz = RATE_HZ
    wire_formats = frozenset({ULAW_8K})

    def __init__(self, world: World, stamps: Stamps) -> None:
        self._world = world
        self._stamps = stamps
        self.at_once = False
        """Lines are made ahead of the call, which takes none of its time."""

    async def warm(self) -> None:
        """Nothing to load."""

    async def open(self) -> VirtualVoice:
        return self

    async def open_on(self, format: AudioFormat) -> VirtualVoice:
        return self

    async def synthesize(self, text: str) -> AsyncIterator[Voiced]:
        """Speak one clause, in two pieces. Raises Unavailable."""
        pace, broken = self._world.pace, self._world.broken
        sound = self._stamps.sound(text) if any(each.isalnum() for each in text) else b""
        if self.at_once:
            yield sound
            return
        await asyncio.sleep(pace.voice_ms / 1000)
        if Trouble.VOICE_FAILS in broken:
            raise Unavailable("the voice is out of order", provider=VIRTUAL)
        if Trouble.VOICE_HANGS in broken:
            await asyncio.get_running_loop().create_future()
        if Trouble.VOICE_EMPTY in broken or not sound:
            return
        half = len(sound) // BYTES_PER_MS // 2 * BYTES_PER_MS
        yield sound[:half]
        await asyncio.sleep(half / BYTES_PER_MS / pace.voice_speed / 1000)
        if Trouble.VOICE_STALLS in broken:
            await asyncio.get_running_loop().create_future()
        yield sound[half:]

    async def aclose(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True, slots=True, eq=False)
class VirtualModel:
    """The agent's own model, in this world's time and with its troubles."""

    inner: LanguageModel
    world: World

    @property
    def provider(self) -> str:
        return self.inner.provider

    @property
    def model(self) -> str:
        return self.inner.model

    @property
    def key_variable(self) -> str:
        return ""

    def check(self) -> None:
        self.inner.check()

    async def warm(self) -> None:
        """Nothing to load."""

    async def stream(
        self, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec] = (), *, may_call: bool = True
    ) -> AsyncGenerator[Delta, None]:
        """One reply. Raises Unavailable."""
        broken = self.world.broken
        await asyncio.sleep(self.world.pace.model_ms / 1000)
        if Trouble.MODEL_FAILS in broken:
            raise Unavailable("the model is out of order", provider=self.provider)
        if Trouble.MODEL_HANGS in broken:
            await asyncio.get_running_loop().create_future()
        if Trouble.MODEL_EMPTY in broken:
            return
        deltas = self.inner.stream(messages, tools, may_call=may_call)
        try:
            async for delta in deltas:
                yield delta
                if isinstance(delta, Usage):
                    continue
                if Trouble.MODEL_BREAKS_OFF in broken:
                    raise Unavailable("the model broke off", provider=self.provider)
                if Trouble.MODEL_STALLS in broken:
                    await asyncio.get_running_loop().create_future()
        finally:
            await deltas.aclose()
