"""Every fact the machine hears: frozen, JSON-able, in the past tense. Times are call time in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeAlias

from patter_cli.core.carrier_events import (
    Answered,
    BeepHeard,
    CallPlaced,
    CancelRequested,
    DialFailed,
    DialRequested,
    DtmfFailed,
    DtmfSent,
    MachineDetected,
    OffRecordRequested,
    RecordingFailed,
    RecordingPaused,
    RecordingReady,
    Ringing,
    TransferAnswered,
    TransferLeftLine,
    TransferRinging,
)
from patter_cli.core.conversation import Message
from patter_cli.core.outcome import Direction, TransferOutcome
from patter_cli.core.plan import CallPlan

Ms: TypeAlias = int
"""Call time: milliseconds since the stream started, or since an outbound call was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallConnected:
    """The carrier's stream is up: the first fact of an inbound call. wall_time: Unix seconds at call time 0.

    Of an outbound call DialRequested was first, and its plan and wall_time hold.
    """

    call_id: str
    caller: str
    callee: str
    direction: Direction
    carrier: str
    carrier_call_id: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    plan: CallPlan
    wall_time: float
    earlier: tuple[Message, ...] = ()
    """What was said before, in a call that goes on with this one: its stream broke off, or a transfer failed."""
    returned: TransferOutcome | None = None
    """The caller comes back from a transfer, which had come to this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPrepared:
    """on_call_start has answered, failed or timed out; this is the plan that holds now.

    A prompt is long, and most often the one that CallConnected brought: `prepared` then leaves it out, `plan_after`
    puts it back.
    """

    plan: CallPlan
    same_prompt: bool = False

    def plan_after(self, connected: CallPlan) -> CallPlan:
        """The whole plan; connected: the one before."""
        return replace(self.plan, system_prompt=connected.system_prompt) if self.same_prompt else self.plan


def prepared(connected: CallPlan, plan: CallPlan) -> CallPrepared:
    """The plan that holds now, after `connected`."""
    if plan.system_prompt != connected.system_prompt:
        return CallPrepared(plan=plan)
    return CallPrepared(plan=replace(plan, system_prompt=""), same_prompt=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentChanged:
    """The agent's author changed it while the call goes on; this is what it has become."""

    plan: CallPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    """The detector is sure of a voice; at_ms is when it began, somewhat earlier."""

    at_ms: Ms


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechEnded:
    """The voice has been silent for the detector's hangover; at_ms is the end of the last voiced window."""

    at_ms: Ms
    hummed: bool = False
    """It sounded like an "mm-hm", whatever a recogniser makes of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptPartial:
    """What a segment sounds like so far."""

    segment: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptFinal:
    """The answer to one FinalizeTranscript; replaces what the segment was thought to say."""

    segment: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOfTurnPredicted:
    """A model's guess, 0..1, that the caller has finished, made in the pause after a voice."""

    segment: int
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenFailed:
    """Recognition is gone for good: retries and fallbacks are used up."""

    provider: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DtmfReceived:
    """The caller pressed a key: 0-9, *, #, A-D."""

    digit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstToken:
    """The reply's first words have arrived from the model or the agent's own code."""

    response_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseReady:
    """A speakable stretch of the reply is there, in order."""

    response_id: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseJudged:
    """A code guardrail's verdict on a clause. replacement None: it may be spoken as it is."""

    response_id: int
    clause: int
    rule: str
    replacement: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallRequested:
    """The model wants a tool to be run. tool_call_id: unique in the call. arguments: the JSON text it wrote.

    seal: what the model's vendor wants back with it, unread.
    """

    response_id: int
    tool_call_id: str
    name: str
    arguments: str
    seal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFinished:
    """The answer to one RunTool, also when it failed. result: JSON text, what the model is told."""

    response_id: int
    tool_call_id: str
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUsed:
    """What a request to the model took, in tokens; cached_tokens and written_tokens, of its cache, are part of
    input_tokens.

    estimated: it was broken off before the vendor said, so we counted ourselves.
    """

    response_id: int
    model: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    provider: str = ""
    estimated: bool = False
    written_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingUsed:
    """So much of the caller was sent to recognition since this was last said; once a turn and at the end."""

    provider: str
    model: str
    audio_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceUsed:
    """So much text was sent to the voice since this was last said; once a turn and at the end."""

    provider: str
    model: str
    characters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineUsed:
    """What a speech-to-speech engine took since this was last said; cached_tokens are part of input_tokens,
    cached_audio_tokens of audio_input_tokens."""

    provider: str
    model: str
    session_ms: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    audio_input_tokens: int = 0
    cached_audio_tokens: int = 0
    audio_output_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LineUsed:
    """How long the carrier's line was held: the last that is said of a call."""

    carrier: str
    direction: Direction
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseFinished:
    """All clauses of the reply have been delivered, and its tool calls if the model made any."""

    response_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseFailed:
    """The reply broke off; what came before still counts. hopeless: so would every other, as with a refused key."""

    response_id: int
    provider: str
    message: str
    hopeless: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRequested:
    """The agent wants to hang up once this reply has been heard."""

    response_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRequested:
    """The agent wants to connect the caller elsewhere once this reply has been heard."""

    response_id: int
    number: str
    about: str = ""
    """What whoever answers is to be told first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferFinished:
    """The carrier has taken the caller over; nothing more is ours to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferFailed:
    """The carrier could not connect the caller; they are back with us. message: its own words, if it had any."""

    message: str
    outcome: TransferOutcome = TransferOutcome.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstAudio:
    """The voice has delivered a clause's first samples."""

    response_id: int
    clause: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WordsTimed:
    """The voice knows when the first words of a clause are spoken, ms from its beginning; replaces what it said before.

    One start and one end for every word; words are what blanks separate.
    """

    response_id: int
    clause: int
    starts_ms: tuple[int, ...]
    ends_ms: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseVoiced:
    """A clause has been synthesised to its end."""

    response_id: int
    clause: int
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceLate:
    """The voice is at work on a clause, behind other calls' work, and the line has nothing to play. Told again and
    again while it is so."""

    response_id: int
    clause: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakFailed:
    """A clause could not be voiced, retries and fallbacks included."""

    response_id: int
    clause: int
    provider: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayoutStarted:
    """A clause's first audio has been handed to the carrier."""

    response_id: int
    clause: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkReached:
    """The carrier says that a clause has been played to its end, and it was not our clear that said so."""

    response_id: int
    clause: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackStopped:
    """Where the caller's ear was when playback was paused or cleared, or the line closed.

    Clauses before `clause` were played whole, those after it not at all; played_ms of it were heard.
    """

    response_id: int
    clause: int
    played_ms: int
    line_closed: bool = False
    """It did not stop at our word: there is no line any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechResponseOpened:
    """A speech-to-speech engine begins a reply, by a name of its own; answered by AcceptReply or RejectReply.

    asked: the response_id that it was asked for, None where it does not say.
    """

    vendor_id: str
    asked: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanOpened:
    """Sound of an accepted reply has begun to come, of this item of the engine's; its number is AcceptSpan's."""

    response_id: int
    item: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanGrew:
    """So much sound of a span has come by now; told about once a second."""

    response_id: int
    clause: int
    received_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanWords:
    """More of what a span says, cut anywhere. over: it says no more than that."""

    response_id: int
    clause: int
    text: str
    over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBroken:
    """A reply's words have broken a guardrail while its sound was held; the rest of it is dropped already."""

    response_id: int
    replacement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInterrupted:
    """An engine that decides on turns gave its reply up, because it heard the caller."""

    response_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineTurnTaken:
    """The engine has made what the caller said an item of its memory; items come in their order."""

    item: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineTranscript:
    """What an item of the caller's says, perhaps long after it was answered. final: that holds."""

    item: str
    text: str
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLost:
    """The engine's session broke: what it was told is forgotten, and its names mean nothing to the next one."""

    provider: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLeft:
    """The engine has ended the conversation, as its own tools allow it to; nothing more comes of it."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CostReached:
    """What the call has cost so far is this much of what it may cost at most."""

    percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainRequested:
    """The server is going down: say goodbye and end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUpRequested:
    """Whoever looks on wants this call to end: say goodbye and end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MuteRequested:
    """Whoever looks on wants the agent to hear silence, or the caller again."""

    muted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SayRequested:
    """Whoever looks on wants the agent to say this, next."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PutThroughRequested:
    """Whoever looks on wants the caller connected to this number, whatever the agent may do by itself."""

    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenedIn:
    """Somebody who looks on hears the call from now on, or no longer."""

    listens: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOverRequested:
    """A colleague talks with the caller in the agent's place from now on, or gives them back. lost: they did not mean
    to, they are gone."""

    taken: bool
    lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ColleagueSaid:
    """Whoever has taken the call over said this, as it was recognised."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineClosed:
    """The stream is gone. cause: carrier_stop, carrier_close, media_timeout, carrier_stalled, internal_error, ..."""

    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoFound:
    """The line returns our own voice, so late; from now on it is cancelled."""

    delay_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopHeld:
    """This process did nothing for any call in between; what came meanwhile was late. by: whose doing it was, "gc" or
    an author's function with its place; "" if that is not known."""

    from_ms: Ms
    to_ms: Ms
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Nothing happened but time: a deadline has come."""


Event: TypeAlias = (
    CallConnected
    | CallPrepared
    | AgentChanged
    | SpeechStarted
    | SpeechEnded
    | TranscriptPartial
    | TranscriptFinal
    | EndOfTurnPredicted
    | ListenFailed
    | DtmfReceived
    | FirstToken
    | ClauseReady
    | ClauseJudged
    | ToolCallRequested
    | ToolFinished
    | ModelUsed
    | HearingUsed
    | VoiceUsed
    | EngineUsed
    | LineUsed
    | ResponseFinished
    | ResponseFailed
    | EndRequested
    | TransferRequested
    | TransferFinished
    | TransferFailed
    | FirstAudio
    | WordsTimed
    | ClauseVoiced
    | SpeakFailed
    | VoiceLate
    | PlayoutStarted
    | MarkReached
    | PlaybackStopped
    | EchoFound
    | LoopHeld
    | SpeechResponseOpened
    | SpanOpened
    | SpanGrew
    | SpanWords
    | RuleBroken
    | EngineInterrupted
    | EngineTurnTaken
    | EngineTranscript
    | EngineLost
    | EngineLeft
    | CostReached
    | DrainRequested
    | HangUpRequested
    | MuteRequested
    | SayRequested
    | PutThroughRequested
    | ListenedIn
    | TakeOverRequested
    | ColleagueSaid
    | LineClosed
    | Tick
    | DialRequested
    | CallPlaced
    | Ringing
    | Answered
    | DialFailed
    | CancelRequested
    | MachineDetected
    | BeepHeard
    | TransferRinging
    | TransferAnswered
    | TransferLeftLine
    | DtmfSent
    | DtmfFailed
    | RecordingReady
    | OffRecordRequested
    | RecordingPaused
    | RecordingFailed
)
