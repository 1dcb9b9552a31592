"""A standard call of three turns through one vendor of the lab, who is killed at a point of it: once, or for good.

Theory of operation. The vendor's messages of a healthy call are counted. A point is a place between two of them where
something changes: before and behind the first message of a run of one kind, and before its last. A call is held for
each point; there the vendor's connection breaks, and with it, for good, all that it has and will be asked for. The
other parts of the call are quick and never fail, and nobody stands in.

The caller says a line, waits until it is answered, and says it again when something else was said and then nothing
more. What they waited is measured on the line.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from patter_cli import Agent, RulesLLM, Turn
from patter_cli.audio.frame import Samples
from patter_cli.audio.g711 import decode_ulaw, encode_ulaw
from patter_cli.core.plan import SystemPhrases
from patter_cli.engine.hooks import Hooks
from patter_cli.providers.elevenlabs_convai import ElevenLabsConvAI
from patter_cli.providers.gemini_live import GeminiLive
from patter_cli.providers.openai_realtime import OpenAIRealtime
from patter_cli.providers.ultravox import Ultravox
from patter_cli.simulate.playout import AgentStarted, AgentStopped
from patter_cli.testing.vendors.elevenlabs_convai import ConvAIVendor
from patter_cli.testing.vendors.gemini_live import GeminiVendor
from patter_cli.testing.vendors.llm.said import Said
from patter_cli.testing.vendors.openai_realtime import RealtimeVendor
from patter_cli.testing.vendors.server import Answer, Cut, Request, Talk, serve
from patter_cli.testing.vendors.sockets import LabSocket
from patter_cli.testing.vendors.tones import SpokenWord
from patter_cli.testing.vendors.tones import spoken as spoken_words
from patter_cli.testing.vendors.ultravox import UltravoxVendor
from tests.contract.rows import KEY as MODEL_KEY
from tests.contract.rows import MODELS
from tests.contract.speech_rows import EARS as EARS_ROWS
from tests.contract.speech_rows import VOICES as VOICE_ROWS
from tests.e2e.conftest import EARS, LETTERS, PATIENT, VOICE, Caller, answering, spoken, tone, understood

GREETING = "hello there."
ASKED = ("What are your opening hours?", "How much is a cleaning?", "Can you put me through?")
SPELT = ("i want to book a table", "for two people", "tomorrow evening please")
"""The same three in words that scripted recognisers know."""
ANSWERS = ("we are open from nine to five.", "a cleaning is eighty dollars.", "nobody is here today, i am afraid.")
QUIET_MS = 1600
"""After so much silence a caller who was not answered says it again."""
MOST_S = 12.0
"""A caller waits no longer for anything."""
LINES = SystemPhrases()


def answer_to(words: str) -> str:
    """What the agent says, whoever thinks for it."""
    low = words.lower()
    for asked, spelt, answer in zip(ASKED, SPELT, ANSWERS, strict=True):
        if asked.lower() in low or spelt in low or spelt.split()[-1] in low.split():
            return answer
    return "sorry?"


def _rules(turn: Turn) -> str:
    return answer_to(turn.text)


def letters(text: str, rate_hz: int = 8000, letter_ms: int = 20) -> Samples:
    """A voice that says each letter at a pitch of its own."""
    times = np.arange(rate_hz * letter_ms // 1000) / rate_hz
    each = [(8000 * np.sin(2 * np.pi * (400 + 75 * LETTERS.find(ch)) * times)).astype(np.int16) for ch in text.lower()]
    return np.concatenate([np.zeros(0, np.int16), *each])


class LetterPeerVoice:
    """The same behind a vendor's wire, with its words' times."""

    def say(self, text: str, rate_hz: int) -> tuple[Samples, list[SpokenWord]]:
        words, at = [], 0
        for word in text.split():
            at = text.find(word, at)
            words.append(SpokenWord(word, at * 0.02, (at + len(word)) * 0.02))
            at += len(word)
        return letters(text, rate_hz), words


@dataclass(frozen=True, slots=True, kw_only=True)
class KillRow:
    """One vendor. peer: a scripted one. made: the agent's arguments, with it at this address. said: a turn as sound."""

    leg: str
    name: str
    peer: Callable[[], Any]
    made: Callable[[str], dict[str, Any]]
    said: Callable[[int], Samples]

    def __str__(self) -> str:
        return f"{self.leg} {self.name}"


def _asked(turn: int) -> Samples:
    return spoken(ASKED[turn])


def _spelt(turn: int) -> Samples:
    return spoken_words(SPELT[turn], 8000)[0]


def _vendor_voice(text: str) -> Samples:
    nothing = np.zeros(40 * 8, np.int16)
    return np.concatenate([part for ch in text.lower() for part in (tone(400 + 75 * LETTERS.find(ch), 20), nothing)])


def _short_voice(text: str) -> Samples:
    """The same for a vendor whose sound is resampled, and comes some milliseconds later: each letter keeps to a frame
    of the line's."""
    before, after = np.zeros(2 * 8, np.int16), np.zeros(46 * 8, np.int16)
    return np.concatenate(
        [part for ch in text.lower() for part in (before, tone(400 + 75 * LETTERS.find(ch), 12), after)]
    )


def _realtime() -> RealtimeVendor:
    return RealtimeVendor(
        answer_to,
        hears=lambda sound: understood(decode_ulaw(sound)),
        voice=lambda text: encode_ulaw(_vendor_voice(text)),
    )


ROWS: tuple[KillRow, ...] = (
    *(
        KillRow(
            leg="stt",
            name=row.name,
            peer=row.vendor,
            made=lambda url, row=row: {"stt": row.make(url), "tts": VOICE, "llm": RulesLLM(_rules)},
            said=_spelt,
        )
        for row in EARS_ROWS
    ),
    *(
        KillRow(
            leg="llm",
            name=row.name,
            peer=lambda row=row: row.vendor(lambda body: Said(answer_to(_last_asked(body))), key=MODEL_KEY),
            made=lambda url, row=row: {"stt": EARS, "tts": VOICE, "llm": row.make(url)},
            said=_asked,
        )
        for row in MODELS
    ),
    *(
        KillRow(
            leg="tts",
            name=row.name,
            peer=lambda row=row: row.vendor(voice=LetterPeerVoice()),
            made=lambda url, row=row: {"stt": EARS, "tts": row.make(url), "llm": RulesLLM(_rules)},
            said=_asked,
        )
        for row in VOICE_ROWS
    ),
    *(
        KillRow(
            leg="engine",
            name=f"openai, {turns}",
            peer=_realtime,
            made=lambda url, turns=turns: {"engine": OpenAIRealtime("sk-lab", base_url=url, turns=turns)},
            said=_asked,
        )
        for turns in ("ours", "server_vad")
    ),
    KillRow(
        leg="engine",
        name="elevenlabs",
        peer=lambda: ConvAIVendor(answer_to, hears=understood, voice=_vendor_voice),
        made=lambda url: {"engine": ElevenLabsConvAI("sk-lab", "agent_lab", base_url=url)},
        said=_asked,
    ),
    KillRow(
        leg="engine",
        name="google",
        peer=lambda: GeminiVendor(answer_to, hears=understood, voice=_short_voice),
        made=lambda url: {"engine": GeminiLive("sk-lab", base_url=url)},
        said=_asked,
    ),
    KillRow(
        leg="engine",
        name="ultravox",
        peer=lambda: UltravoxVendor(answer_to, hears=understood, voice=_vendor_voice, late_words=True),
        made=lambda url: {"engine": Ultravox("sk-lab", base_url=url)},
        said=_asked,
    ),
)


def _last_asked(body: dict[str, Any]) -> str:
    text = json.dumps(body)
    return max(ASKED, key=text.rfind)


_WORDS = re.compile(r'"(?:transcript|text)": ?"[^"]')


class Killer:
    """A vendor whose messages are counted, and who is killed before the one of this number. at: None for never."""

    def __init__(self, peer: Any, *, at: int | None, for_good: bool) -> None:
        self._peer = peer
        self._at = at
        self._for_good = for_good
        self._open: set[LabSocket] = set()
        self.armed = False
        """Counting begins with the call: what is made ready before it is not a part of it."""
        self.kinds: list[str] = []
        self.words = ""
        """All that it has said of what it says: sound whose words died with it has none in the history."""
        self.on_kill: Callable[[], None] = lambda: None
        self.killed = False

    @property
    def dead(self) -> bool:
        return self.killed and self._for_good

    def __call__(self, request: Request) -> Answer | Talk:
        if self.dead:
            return Answer(before=(Cut(),))
        answer = self._peer(request)
        if not isinstance(answer, Answer):
            return lambda socket: self._talk(answer, socket)
        if not self.armed or (request.method == "GET" and not answer.steps):
            return answer
        pieces = [f"{request.path} piece" for _ in answer.steps]
        first = len(self.kinds)
        self.kinds += [f"{request.path} head", *pieces]
        if self._at is None or not first <= self._at < len(self.kinds):
            return answer
        self._die()
        if self._at == first:
            return Answer(before=(Cut(),))
        return Answer(
            status=answer.status,
            headers=answer.headers,
            chunked=answer.chunked,
            before=answer.before,
            steps=(*answer.steps[: self._at - first - 1], Cut()),
        )

    async def _talk(self, talk: Talk, socket: LabSocket) -> None:
        counted = _Counted(socket, self)
        self._open.add(socket)
        try:
            await talk(counted)
        finally:
            self._open.discard(socket)

    def note(self, socket: LabSocket, message: str | bytes) -> bool:
        """Whether this message may be sent."""
        if self.dead:
            return False
        if self.armed:
            number = len(self.kinds)
            self.kinds.append(_kind(message))
            if number == self._at:
                self._die()
                for each in tuple(self._open) if self._for_good else (socket,):
                    each.cut()
                return False
        self.words += _told(message)
        return True

    def _die(self) -> None:
        self.killed = True
        self.on_kill()


class _Counted(LabSocket):
    """The same socket, each of whose messages is told to a Killer."""

    def __init__(self, socket: LabSocket, killer: Killer) -> None:
        super().__init__(socket._reader, socket._writer, socket.gone, socket._protocol)
        self._messages = socket._messages
        self._reading = socket._reading
        self._inner, self._killer = socket, killer

    async def send(self, message: str | bytes) -> None:
        if self._killer.note(self._inner, message):
            await super().send(message)
        else:
            await asyncio.Event().wait()


def _text(message: str | bytes) -> str:
    """A message that is written; "" for sound. Some vendors write in bytes."""
    if isinstance(message, str):
        return message
    try:
        return message.decode() if message.startswith(b"{") and isinstance(json.loads(message), dict) else ""
    except ValueError:
        return ""  # sound whose first sample looks like the beginning of an object


def _kind(message: str | bytes) -> str:
    message = _text(message)
    if not message:
        return "bytes"
    try:
        value = json.loads(message)
    except ValueError:
        return "text"
    content = value.get("serverContent")
    if isinstance(content, dict):
        return " ".join(content)
    named = next((value[each] for each in ("type", "message", "event") if isinstance(value.get(each), str)), "")
    if "delta" in str(named):
        return "delta"  # sound and words of a reply alternate
    said = [str(named), *sorted(name for name, each in value.items() if each is True or (not named and each))]
    return " ".join((*said, "with words" if _WORDS.search(message) else ""))


def _told(message: str | bytes) -> str:
    """The words of a reply in a message of an engine's."""
    message = _text(message)
    if not any(name in message for name in ("transcript", "agent_response", "outputTranscription")):
        return ""
    value = json.loads(message)
    if "serverContent" in value:
        return str((value["serverContent"].get("outputTranscription") or {}).get("text", ""))
    whole = (value.get("agent_response_event") or {}).get("agent_response", "")
    return whole or value.get("delta") or value.get("text") or value.get("transcript") or ""


def points(kinds: list[str]) -> list[int]:
    """The places at which something changes, as numbers of messages: see above."""
    found: set[int] = set()
    for at, kind in enumerate(kinds):
        starts = at == 0 or kinds[at - 1] != kind
        ends = at + 1 == len(kinds) or kinds[at + 1] != kind
        if starts:
            found |= {at, at + 1}
        if ends:
            found.add(at)
    return sorted(each for each in found if each < len(kinds))


@dataclass(slots=True, kw_only=True)
class Held:
    """One call. killed_ms: when, None if it was not. wait_ms: the longest that nothing was heard where the agent was to
    speak, from then on. settled_ms: from the kill to the end of what the agent said next, be it an answer or that the
    caller should say it again; where the call did not go on, to its end."""

    kinds: list[str]
    killed_ms: float | None = None
    wait_ms: float = 0.0
    settled_ms: float = 0.0
    answered: int = 0
    over: str = ""
    lost: list[str] = field(default_factory=list)
    """What was heard and stands not in the history, or stands there and was never heard."""


Killed: TypeAlias = tuple[int, bool, Held]
"""(before which message, whether for good, what became of the call)."""


async def killed_everywhere(row: KillRow, *, at_once: int = 6, every: int = 1) -> tuple[Held, list[Killed]]:
    """The healthy call, and one for each point, once and for good. every: only each so-manieth point."""
    gate = asyncio.Semaphore(at_once)

    async def one(at: int, for_good: bool) -> Killed:
        async with gate:
            return at, for_good, await hold(row, at=at, for_good=for_good)

    healthy = await hold(row)
    where = points(healthy.kinds)[::every]
    return healthy, await asyncio.gather(*(one(at, good) for at in where for good in (False, True)))


async def hold(row: KillRow, *, at: int | None = None, for_good: bool = False) -> Held:
    """One call of the row's vendor, killed there."""
    killer = Killer(row.peer(), at=at, for_good=for_good)
    async with serve(killer, path="") as lab:
        agent = Agent("Be brief.", GREETING, turns=PATIENT, echo_cancellation=False, **row.made(lab.url))
        async with answering({"desk": (agent, Hooks())}) as phone:
            await _settled(lab, killer)
            async with Caller(phone, "desk") as caller:
                return await _played(row, killer, caller)


async def _settled(lab: Any, killer: Killer) -> None:
    """Once nothing more is made ready ahead of the call."""
    before = -1
    while before != len(lab.requests):
        before = len(lab.requests)
        await asyncio.sleep(0.4)
    killer.armed = True


async def _played(row: KillRow, killer: Killer, caller: Caller) -> Held:
    held = Held(kinds=killer.kinds)
    answers: list[float] = []

    def killed() -> None:
        held.killed_ms = caller.line.now_ms

    killer.on_kill = killed
    line = caller.line
    await line.wait_for(lambda: _heard(caller, GREETING) or stopped(caller, 0.0, QUIET_MS), MOST_S)
    for turn in range(3):
        if not await _asked_until_answered(row, caller, turn):
            break
        held.answered += 1
        answers.append(line.now_ms)
    if held.killed_ms is not None and line.ended is None and held.answered < 3:
        await line.wait_for(lambda: line.ended is not None, MOST_S)
    if line.ended is not None:
        await _until(lambda: caller.over() is not None)
    over = caller.over()
    held.over = over.reason if over is not None else ""
    if held.killed_ms is not None:
        end = line.ended.at_ms if line.ended is not None else line.now_ms
        spoke_again = _spoke_again(caller, held.killed_ms) if held.answered == 3 else []
        held.settled_ms = min((each for each in (*answers, *spoke_again) if each >= held.killed_ms), default=end)
        held.settled_ms -= held.killed_ms
        held.wait_ms = _longest_wait(caller, held.killed_ms, end if line.ended is not None else None)
    told = killer.words if row.leg == "engine" else "".join(ANSWERS)
    await _until(lambda: not _lost(caller, told))  # the line says a moment later that it was heard
    held.lost = _lost(caller, told)
    return held


async def _asked_until_answered(row: KillRow, caller: Caller, turn: int) -> bool:
    line = caller.line
    for _ in range(3):
        said = line.say(row.said(turn))
        await line.wait_for(lambda said=said: line.now_ms >= said.end_ms or line.ended is not None, MOST_S)
        await line.wait_for(
            lambda said=said: (
                _heard(caller, ANSWERS[turn])
                or line.ended is not None
                or stopped(caller, said.last_voiced_ms, QUIET_MS)
            ),
            MOST_S,
        )
        if _heard(caller, ANSWERS[turn]):
            return True
        if line.ended is not None:
            return False
    return False


async def _until(condition: Callable[[], bool]) -> None:
    """What the server notes a moment after the line is gone."""
    for _ in range(100):
        if condition():
            return
        await asyncio.sleep(0.02)


def _squeezed(text: str) -> str:
    return "".join(ch for ch in text.lower() if ch.isalnum())


def _heard(caller: Caller, words: str) -> bool:
    return _squeezed(words) in _squeezed(caller.ear.text)


def stopped(caller: Caller, since_ms: float, quiet_ms: float) -> bool:
    """The agent has said something since, and then nothing for so long."""
    talks = [each for each in caller.facts if isinstance(each, AgentStarted | AgentStopped)]
    if not talks or not isinstance(talks[-1], AgentStopped) or talks[-1].at_ms < since_ms:
        return False
    return caller.line.now_ms - talks[-1].at_ms > quiet_ms


def _longest_wait(caller: Caller, since_ms: float, end_ms: float | None) -> float:
    """From the last sound on the line to the agent's next one, wherever the next one was the agent's."""
    starts = [each.at_ms for each in caller.facts if isinstance(each, AgentStarted)]
    stops = [each.at_ms for each in caller.facts if isinstance(each, AgentStopped)]
    spoken_until = [each.last_voiced_ms for each in caller.line.mouth.said]
    waits = []
    silent = len(stops) >= len(starts)
    for start in (*starts, *(() if end_ms is None or not silent else (end_ms,))):
        if start > since_ms:
            before = [each for each in (*stops, *spoken_until) if each < start]
            waits.append(start - max(before, default=0.0))
    return max(waits, default=0.0)


def _spoke_again(caller: Caller, since_ms: float) -> list[float]:
    """When what the agent began to say after that was over."""
    talks = [each for each in caller.facts if isinstance(each, AgentStarted | AgentStopped)]
    return [
        after.at_ms
        for before, after in itertools.pairwise(talks)
        if isinstance(before, AgentStarted) and isinstance(after, AgentStopped) and before.at_ms > since_ms
    ]


def _lost(caller: Caller, told: str) -> list[str]:
    """told: the words that anybody knows of what was said."""
    history = _squeezed(" ".join(text for role, text in caller.transcript() if role == "assistant"))
    ear = _squeezed(caller.ear.text)
    heard = [each for each in ANSWERS if _squeezed(each) in ear and _squeezed(each) in _squeezed(told)]
    lost = [each for each in heard if _squeezed(each) not in history]
    for role, text in caller.transcript():
        words = text.rstrip("… ").split()[:-1]
        whole = _squeezed(" ".join(words))
        ours = any(_squeezed(line)[:12] in _squeezed(text) or whole in _squeezed(line) for line in LINES.texts())
        if role == "assistant" and whole and not ours and not _in_order(words, ear):
            lost.append(text)
    return lost


def _in_order(words: list[str], ear: str) -> bool:
    """Whether they were heard one after the other; what broke off within a word may stand between. Two thirds of a word
    are one, as for the history."""
    at = 0
    for word in map(_squeezed, words):
        enough = word[: math.ceil(len(word) * 2 / 3)]
        found = ear.find(enough, at)
        if found < 0:
            return False
        at = found + len(word if ear.startswith(word, found) else enough)
    return True
