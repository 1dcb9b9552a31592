"""Speech to speech: what the engine relies on from a vendor that hears, thinks and speaks in one.

Theory of operation. Such an engine gets the caller's samples and sends back its own, with words beside them. Vendors
differ in who has the floor, so each declares what it can do:

- One that can leave turns to us (`commit`) makes what it heard an item when told, and replies when asked. One that
  cannot decides alone when the caller has finished, opens its replies itself, and stops them when it hears a voice.
- What nobody heard of a reply is forgotten where the vendor can `truncate`; else it believes that all of it was.
- After its tools have answered it goes on by itself (`continues`), or when asked.
- The end of a reply is told (`tells_end`), or is there when no sound came for a while or the next one begins.

Names of replies, items and tool calls are the vendor's, opaque to us. What belongs to a reply comes after its opening,
samples in order; words may come at any time, before or after the samples that they are said in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from patter_cli.audio.frame import Samples
from patter_cli.contracts.llm import ChatMessage, ToolSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineAbilities:
    """What an engine can do; what is False is not asked of it."""

    server_turns: bool
    """It can decide by itself when the caller has finished, and reply unasked."""
    commit: bool = False
    """It can leave that to us: `commit` ends what the caller said, `respond` asks for a reply."""
    greets: bool = False
    """It says the first message unasked, once the session is open."""
    cancel: bool = False
    """A reply under way can be stopped."""
    truncate: bool = False
    """What was not heard of a reply can be taken out of its memory."""
    input_transcript: bool = False
    """It says what it understood of the caller."""
    word_times: bool = False
    """It says when the words of a reply are spoken."""
    tools: bool = False
    """It can call tools."""
    continues: bool = False
    """It goes on by itself once its tools have answered."""
    instruct: bool = False
    """It can be told another prompt, and another language, in the middle of a session."""
    remind: bool = False
    """It can be told in the middle of a session what was said without it."""
    tells_end: bool = True
    """It says when all of a reply has come."""
    session_s: float | None = None
    """How long one session may last before another must have taken its place; None: as long as a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSetup:
    """What one session is to be.

    server_turns: whether it decides on turns; only where it can. history: what was said before, if this session takes
    the place of one that broke; then nobody greets.
    """

    system_prompt: str
    first_message: str = ""
    language: str = "en"
    server_turns: bool = False
    tools: tuple[ToolSpec, ...] = ()
    history: tuple[ChatMessage, ...] = ()


# --- what comes of it -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyOpened:
    """A reply begins. asked: the `respond` that it answers, None where the vendor does not say."""

    reply: str
    asked: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyAudio:
    """The next sound of a reply, int16 at the recipe's `out_rate_hz`. item: the part of it that can be truncated."""

    reply: str
    samples: Samples
    item: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyWords:
    """More of what an item says, cut anywhere. over: it says no more than that."""

    reply: str
    text: str
    item: str = ""
    over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyWordTimes:
    """When the first words of an item are spoken, ms from its first sample; replaces what was said before."""

    reply: str
    starts_ms: tuple[int, ...]
    ends_ms: tuple[int, ...]
    item: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemVoiced:
    """All sound of an item has come."""

    reply: str
    item: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCalled:
    """A reply wants a tool to be run. arguments: the text it wrote for a JSON object."""

    reply: str
    call: str
    name: str
    arguments: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyUsed:
    """What a reply took, in tokens: of input_tokens, which are text, cached_tokens came from the vendor's cache, of
    audio_input_tokens cached_audio_tokens."""

    reply: str
    model: str
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    audio_input_tokens: int = 0
    cached_audio_tokens: int = 0
    audio_output_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyFinished:
    """All of a reply has come, its words and tool calls too. failed: why it is not all that it should be."""

    reply: str
    failed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyInterrupted:
    """An engine that decides on turns has given this reply up for the caller: what is not played is not to be."""

    reply: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTaken:
    """What the caller said up to here is an item. In the order in which the items stand in its memory."""

    item: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerWords:
    """What an item of the caller's says, as far as it is understood; once it is final that holds.

    May come long after its TurnTaken, also when the reply to it was heard.
    """

    item: str
    text: str
    final: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLeft:
    """It has ended the conversation for a reason of its own, as with a tool that hangs up; nothing follows."""

    reason: str = ""


EngineEvent: TypeAlias = (
    ReplyOpened
    | ReplyAudio
    | ReplyWords
    | ReplyWordTimes
    | ItemVoiced
    | ToolCalled
    | ReplyUsed
    | ReplyFinished
    | ReplyInterrupted
    | TurnTaken
    | CallerWords
    | EngineLeft
)


# --- what is asked of it ----------------------------------------------------------------------------------------------


class EngineSession(Protocol):
    """One call's. No method blocks or raises for a vendor's failure: that is raised from `events`, as ProviderError.

    Each is only called where the abilities say so.
    """

    def push(self, samples: Samples) -> None:
        """The caller's next samples, at the recipe's `in_rate_hz`. Any length.

        Where it decides on turns, silence too; where turns are ours, only what the detector calls speech.
        """

    def commit(self) -> None:
        """What was pushed since the last time is an item; answered by TurnTaken, in order."""

    def respond(self, asked: int, *, say: str = "", may_call: bool = True) -> None:
        """Ask for a reply. say: these words and no others. may_call False: in words, without tools."""

    def type_text(self, text: str) -> None:
        """The caller did not say this but typed it; an engine that decides on turns replies to it."""

    def cancel(self, reply: str) -> None:
        """Stop a reply; fine if it is over."""

    def truncate(self, reply: str, item: str, heard_ms: int) -> None:
        """So much of an item was heard; 0: as if it had never been said."""

    def instruct(self, setup: EngineSetup) -> None:
        """From now on prompt and language are these; the rest of the setup stays as it was."""

    def remind(self, line: ChatMessage) -> None:
        """This was said without it, and is part of the conversation from now on; nobody asks for a reply to it.

        role: assistant, of a line that somebody said in its place; system, of a note that nobody said aloud.
        """

    def return_tool(self, call: str, result: str) -> None:
        """A tool's answer, JSON text, once for each call."""

    def events(self) -> AsyncIterator[EngineEvent]:
        """What it sends, as it comes; ends after `aclose` or EngineLeft."""

    async def aclose(self) -> None:
        """Let go of everything, at once; twice is fine."""


class SpeechEngine(Protocol):
    """A recipe: frozen, shared by all calls, holds no socket. `open` gives one call its session."""

    @property
    def abilities(self) -> EngineAbilities:
        """What its sessions can do."""

    @property
    def in_rate_hz(self) -> int:
        """The rate of the samples that its sessions want."""

    @property
    def out_rate_hz(self) -> int:
        """The rate of the samples that they send."""

    async def open(self, setup: EngineSetup) -> EngineSession:
        """Begin one call's; returns when samples may be pushed. Raises ProviderError, ConfigError."""


def spoken_history(lines: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
    """The lines that a new session can be told of: words, and no tool calls, whose ids mean nothing to it."""
    return tuple(each for each in lines if each.role in ("user", "assistant") and each.text)


def retold(line: ChatMessage) -> str:
    """A line as a text, for an engine that takes no lines of its own side in the middle of a session."""
    return line.text if line.role == "system" else f"(On your side of this call it was just said: {line.text})"
