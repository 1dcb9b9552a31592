"""What the machine must know of an agent for one call: plain data, filled in and checked before the call starts."""

from __future__ import annotations

from dataclasses import dataclass, field

_RECORDED = ("record", "graba", "enregistr", "aufgezeichnet", "registrat", "gravad")
"""One of these says it, in the languages that we have our phrases in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemPhrases:
    """What is said when nobody wrote the words for it. Every one of them is spoken, so none may be empty."""

    filler: str = "One moment, please."
    apology: str = "I'm sorry, something went wrong on my side. Could you say that again?"
    trouble: str = "I'm sorry, I'm having technical trouble and have to end the call. Please try again later."
    still_working: str = "I'm still on it, thank you for waiting."
    repeat: str = "Sorry, I didn't catch that. Could you say it again?"
    no_answer: str = "I'm sorry, I have no answer to that. Could you ask me in another way?"
    resumed: str = "Sorry about that, I'm back. Please go on."
    recording_notice: str = "This call is recorded."
    goodbye: str = "Thank you for calling. Goodbye."
    still_there: str = "Are you still there?"
    idle_goodbye: str = "I can't hear you, so I'll hang up now. Goodbye."
    drain_goodbye: str = "I'm sorry, I have to end this call now. Goodbye."
    go_on: str = "Shall I go on?"
    anything_else: str = "Is there anything else I can do for you?"
    time_warning: str = "We have about a minute left on this call."
    time_goodbye: str = "I'm sorry, our time is up. Thank you for calling. Goodbye."
    cost_warning: str = "We'll have to finish soon."
    cost_goodbye: str = "I'm sorry, I have to finish here. Thank you for calling. Goodbye."
    no_transfer: str = "I'm sorry, I couldn't put you through. Can I help you with anything else?"

    caller_for_you: str = "Hello, I have a caller for you."
    connecting: str = "I'll connect you now."

    def told_of_recording(self, greeting: str) -> str:
        """A greeting that says first that the call is recorded, unless it does so in its own words."""
        said = any(each in greeting.casefold() for each in _RECORDED)
        return greeting if said else f"{self.recording_notice} {greeting}".rstrip()

    def texts(self) -> tuple[str, ...]:
        """All of them, for whoever prepares their audio ahead of time."""
        return tuple(getattr(self, name) for name in self.__dataclass_fields__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTiming:
    """How the conversation is timed, in milliseconds of call time.

    Defaults of endpointing from tests.bench.latency, tests.bench.turns and LiveKit's and Deepgram's published settings
    (300-500 ms); those of a stalled reply keep the caller from ever hearing nothing for more than four seconds.
    """

    endpoint_ms: int = 400
    """Silence that ends a turn whose words tell nothing."""
    endpoint_complete_ms: int = 320
    """Silence that ends a turn whose words are a finished question or a short complete answer."""
    endpoint_unfinished_ms: int = 1000
    """Silence that ends a turn whose last word asks for more ("and", "um", half a number)."""
    transcript_wait_ms: int = 2500
    """How long past the end of a turn we wait for its words before we answer what we have."""
    barge_in_threshold_ms: int = 300
    """Sustained caller voice before the agent yields; 0 switches barge-in off."""
    hold_max_ms: int = 700
    """Sustained voice past the threshold that takes the floor even before any word was recognised."""
    backchannel_tail_ms: int = 700
    """An "okay" this close to the end of what we say is an answer, not a backchannel."""
    prepare_ms: int = 2000
    """Deadline of on_call_start."""
    filler_ms: int = 2000
    """A reply that is not audible by then is bridged by a spoken line."""
    filler_again_ms: int = 2800
    """The longest silence before a filler."""
    filler_later_ms: int = 8000
    """Silence between one filler and the next: the caller knows by then that they are waited for."""
    tool_filler_ms: int = 1500
    """A tool that takes longer is bridged by a spoken line, once the caller hears nothing else."""
    give_up_ms: int = 15000
    """A reply that is not audible by then is given up with an apology."""
    mark_grace_ms: int = 1500
    """How long past its computed end a clause may stay unconfirmed before we take it as played."""
    keys_ms: int = 450
    """Keys pressed in quicker succession than this are one entry."""
    idle_ms: int = 10000
    """A caller silent for so long is asked whether they are there: twice, then the call ends."""
    idle_asks: int = 2
    goodbye_ms: int = 8000
    """The last words get this long before we hang up whether or not they were confirmed."""
    max_duration_ms: int = 3_600_000
    time_warning_ms: int = 60_000
    """The caller is warned this long before the maximum duration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockedTerms:
    """Words that must not be spoken, and what is said instead."""

    name: str
    terms: tuple[str, ...]
    replacement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTool:
    """A tool that the model may call, and how long it may take."""

    name: str
    timeout_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginePlan:
    """An engine that hears and speaks by itself answers, and what the machine must know of it."""

    server_turns: bool = False
    """It decides when the caller has finished and replies unasked; else the machine does, and asks."""
    transcribes: bool = True
    """It says what it understood of the caller, sooner or later."""
    truncates: bool = False
    """It can be told what was not heard of a reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlan:
    """One agent, ready for one call: variables are filled in, overrides applied."""

    agent: str
    system_prompt: str
    first_message: str = ""
    language: str = "en"
    """In which the call goes on now, BCP-47."""
    languages: tuple[str, ...] = ()
    """Those that the agent may change to while it talks; () for none."""
    wraps_up: bool = False
    """The call is to come to its end soon: the model is told so."""
    pace: TurnTiming = field(default_factory=TurnTiming)
    lines: SystemPhrases = field(default_factory=SystemPhrases)
    blocked: tuple[BlockedTerms, ...] = ()
    checks: tuple[str, ...] = ()
    """Names of guardrails whose check is code: each clause waits for a ClauseJudged before it is spoken."""
    tools: tuple[PlannedTool, ...] = ()
    """What the model may call, besides end_call and transfer_call."""
    transfer_numbers: tuple[str, ...] = ()
    """Where a caller may be transferred to, E.164; every other number is refused, whoever asks for it."""
    attends: bool = False
    """Whoever a caller is put through to can be told first what it is about."""
    hands_over: bool = False
    """Of the call in which they are told: when they have heard it, they are connected with the caller who waits."""
    drafts: bool = False
    """Answers may be begun before the turn is surely over: starting one changes nothing in the world."""
    predicts_end_of_turn: bool = False
    """There is a model that hears whether somebody has finished."""
    engine: EnginePlan | None = None
    """Who hears, thinks and speaks in one; None: recognition, model and voice do, one after the other."""
    records: bool = False
    """The carrier records both sides, from the first word on."""
    screens_machines: bool = False
    """Of an outbound call: somebody says whether a machine answered, the carrier or our own ear."""
    voicemail_message: str = ""
    """What an answering machine is told; blank: it is hung up on."""
