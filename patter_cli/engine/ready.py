"""What a call needs to begin: who is on the phone, and an agent with everything resolved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from patter_cli.contracts.echo import AudioFilter, EchoCanceller
from patter_cli.contracts.eou import EndOfTurnModel
from patter_cli.contracts.llm import LanguageModel
from patter_cli.contracts.s2s import SpeechEngine
from patter_cli.contracts.stt import SpeechToText
from patter_cli.contracts.tts import TextToSpeech
from patter_cli.core.conversation import Message
from patter_cli.core.outcome import Direction, TransferOutcome
from patter_cli.core.plan import CallPlan
from patter_cli.engine.fallback import Breakers, Hindrance
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import ConfigError
from patter_cli.tools import Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallInfo:
    """Who is on the phone, by the carrier's word."""

    call_id: str
    caller: str
    callee: str
    direction: Direction
    carrier: str
    carrier_call_id: str = ""
    """What the carrier calls the call; "": nobody carries it."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    earlier: tuple[Message, ...] = ()
    """What was said before, of a call that goes on: its stream broke off, or a transfer failed."""
    returned: TransferOutcome | None = None
    """What had become of the transfer that the caller comes back from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTexts:
    """What one call that we make says, beside what its agent would. "" leaves it to the agent."""

    first_message: str = ""
    voicemail_message: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    detects_machines: bool = True
    """Somebody says whether a machine picked up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A guardrail that is the author's code. forbids: sync or async, a clause to whether it must not be spoken."""

    forbids: Callable[[str], Any]
    replacement: str
    blocks_on_error: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenIn:
    """Who hears and speaks a language, in their order."""

    ears: tuple[SpeechToText, ...]
    voices: tuple[TextToSpeech, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyAgent:
    """An agent with everything resolved: what one call needs to begin."""

    name: str
    plan: CallPlan
    stt: SpeechToText
    tts: TextToSpeech
    hooks: Hooks
    stt_fallbacks: tuple[SpeechToText, ...] = ()
    """Who listens when `stt` cannot, in their order."""
    tts_fallbacks: tuple[TextToSpeech, ...] = ()
    spoken: Mapping[str, SpokenIn] = field(default_factory=dict)
    """By language, where the agent may change to another while it talks."""
    max_usd: float | None = None
    """What one call may cost, as far as prices are known; None: whatever it does."""
    models: tuple[LanguageModel, ...] = ()
    """What answers where there is no on_message; each is asked when those before it failed."""
    engine: SpeechEngine | None = None
    """Who hears, thinks and speaks in one, in place of stt and models; tts says the lines that are ours."""
    tools: Mapping[str, Tool] = field(default_factory=dict)
    checks: Mapping[str, Check] = field(default_factory=dict)
    """Code guardrails by name."""
    echo_canceller: Callable[[int, Callable[[int], None]], EchoCanceller] | None = None
    """Makes one call's, for a line of this rate in Hz; one that has to find out whether there is an echo tells its
    delay in ms when it has."""
    audio_filter: AudioFilter | Callable[[], AudioFilter] | None = None
    end_of_turn: EndOfTurnModel | None = None
    aggressive_first_flush: bool = False
    texts: CallTexts = field(default_factory=lambda: CallTexts(detects_machines=False))
    """What the call says by the word of whoever makes it."""
    revise: Callable[[Mapping[str, Any], Mapping[str, str]], ReadyAgent]
    """(overrides of on_call_start, custom parameters) to the agent of this call. Raises PatterError."""
    for_call: Callable[[CallTexts], ReadyAgent]
    """The agent of one call that we make. Raises InputError for words with a {variable} that nobody fills."""
    breakers: Breakers = field(default_factory=Breakers)
    """What the agent's calls have found out about its providers; its revisions share them."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """What was chosen because nobody said, by stage ("speech", "llm"): a line each, for whoever starts it."""

    @property
    def ears(self) -> tuple[SpeechToText, ...]:
        """Who listens, in their order; nobody beside an engine."""
        return (self.stt, *self.stt_fallbacks) if self.engine is None else ()

    @property
    def every_ear(self) -> tuple[SpeechToText, ...]:
        """Whoever may listen in a call, in any language."""
        return (*self.ears, *(each for spoken in self.spoken.values() for each in spoken.ears))

    @property
    def every_voice(self) -> tuple[TextToSpeech, ...]:
        """Whoever may speak in a call, in any language."""
        others = (each for spoken in self.spoken.values() for each in spoken.voices)
        return (self.tts, *self.tts_fallbacks, *others)

    def hindrance(self, now_s: float, *, rung: bool = False) -> Hindrance | None:
        """Why a call that begins now would find nobody to hear, think or speak for it; None if it may begin. now_s: the
        event loop's. rung: we make the call."""
        pipeline = (self.ears, self.models, (self.tts, *self.tts_fallbacks))
        return self.breakers.hindrance(pipeline if self.engine is None else ((self.engine,),), now_s, rung=rung)

    def __post_init__(self) -> None:
        """Raises ConfigError for two that would both answer."""
        if self.engine is not None and self.hooks.on_message is not None:
            raise ConfigError(
                f"agent {self.name} has both an engine and on_message, and the engine answers by itself",
                hint="leave on_message out, and give the engine tools for what it did; or leave engine out, and your "
                "on_message answers between speech-to-text and a voice; see docs/migrating.md",
            )
