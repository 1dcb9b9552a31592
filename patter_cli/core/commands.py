"""Every order the machine gives: frozen, JSON-able, imperative. A command starts work; the answer is an event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from patter_cli.core.outcome import AnsweredBy, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceCall:
    """Have the carrier ring callee; answered by CallPlaced or DialFailed.

    ring_timeout_ms: None leaves it to the carrier. detect_machine: have it find out who answers. A HangUp may come
    before the answer: then it is to be undone.
    """

    caller: str
    callee: str
    ring_timeout_ms: int | None
    detect_machine: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareCall:
    """Run on_call_start; answered by CallPrepared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalizeTranscript:
    """Ask for the words of the open segment; answered by exactly one TranscriptFinal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitTranscript:
    """The caller's turn is over: the next audio opens a new segment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictEndOfTurn:
    """Ask the end-of-turn model; answered by EndOfTurnPredicted, or not at all."""

    segment: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftResponse:
    """Begin to answer words that may still change: nothing of it is heard before it is adopted.

    text: what the caller has said and the history does not hold yet.
    """

    response_id: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptResponse:
    """The caller's turn is over and its words are the draft's: the draft is the answer."""

    response_id: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartResponse:
    """Have the agent answer the caller's turn; the history is the machine's `history`."""

    response_id: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTool:
    """Run a tool beside the conversation; answered by ToolFinished within timeout_ms."""

    response_id: int
    tool_call_id: str
    name: str
    arguments: str
    timeout_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinueResponse:
    """Let the model go on with a reply now that its tools have answered; the results are in the history.

    said: the words of this reply so far. may_call: whether it may ask for more tools.
    """

    response_id: int
    said: str
    may_call: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOut:
    """Deliver a fixed text as a reply: clauses, then ResponseFinished."""

    response_id: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelResponse:
    """Stop thinking and voicing this reply; nothing of it is wanted any more."""

    response_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeClause:
    """Run a code guardrail; answered by ClauseJudged with the same clause number, which Speak need not have."""

    response_id: int
    clause: int
    rule: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Speak:
    """Voice a clause after those before it, and mark its end.

    overtakes: it is heard before the one that the voice is at. If something of that sounds already, or if it is not
    ready itself, it makes no sound.
    """

    response_id: int
    clause: int
    text: str
    overtakes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PausePlayback:
    """Silence the line at once but keep what was not heard; answered by PlaybackStopped."""

    response_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePlayback:
    """Go on from a little before where the ear was."""

    response_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearPlayback:
    """Silence the line at once and forget what was not heard; answered by PlaybackStopped if anything played."""

    response_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEngine:
    """The plan holds: begin the speech-to-speech engine's session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Greet:
    """Have the speech-to-speech engine say the first words, if it does not by itself; it opens a reply for them."""

    response_id: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskEngine:
    """Ask the engine for a reply to what it heard; answered by SpeechResponseOpened.

    text: what the caller typed and the engine has not heard. continues: the reply goes on after its tools, whose
    answers the engine has; may_call: whether it may ask for more of them.
    """

    response_id: int
    text: str = ""
    continues: bool = False
    may_call: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitReply:
    """The engine has taken the caller's turn and will reply by itself; that reply has this number."""

    response_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptReply:
    """What the engine opened has the floor, under this number; its sound may be heard once its spans are numbered."""

    response_id: int
    vendor_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectReply:
    """What the engine opened is not wanted: stop it, and drop what comes of it."""

    vendor_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptSpan:
    """An item of an accepted reply is this clause of it: play it in its turn, and mark its end."""

    response_id: int
    item: str
    clause: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MuteReply:
    """Stop what the engine makes of this reply, and drop what still comes."""

    response_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TruncateSpan:
    """Tell the engine that no more than this was heard of a span."""

    response_id: int
    clause: int
    heard_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RemindEngine:
    """Tell the engine what was said without it; it need not reply. role: assistant, of a line of ours; colleague; or
    system, of a note that nobody said aloud."""

    role: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitSpeech:
    """What the caller said up to now is an item of the engine's memory; answered by EngineTurnTaken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnToolResult:
    """Give the engine what a tool answered."""

    tool_call_id: str
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTranscript:
    """A line of the conversation is final: it is on disk, now tell whoever listens."""

    role: str
    text: str
    interrupted: bool
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Connect the caller to this number; answered by TransferFinished or TransferFailed.

    about: whoever answers is told this first, and only then connected; "": they are connected at once.
    """

    number: str
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelTransfer:
    """The caller is ours again, or is leaving: let it ring no longer where they were to be connected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayMusic:
    """Let the caller hear music from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopMusic:
    """And no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MuteCaller:
    """From now on nothing is heard of the caller, neither voice nor keys; not muted: as before."""

    muted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PassColleague:
    """From now on the caller hears the colleague who has taken the call over; not passes: no longer."""

    passes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """Whoever was rung has been told what it is about: connect them with the caller who waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchLanguage:
    """From here on the call is in this language: ears, voice, and how replies are cut. What is said already stays."""

    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruct:
    """What the model is told has changed with the plan: tell it anew if it was told once for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendDtmf:
    """Press these keys; answered by DtmfSent or DtmfFailed. digits: 0-9, *, #, A-D, and w for half a second's pause."""

    response_id: int
    tool_call_id: str
    digits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRecording:
    """Have the carrier record both sides; answered by RecordingReady, or RecordingFailed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseRecording:
    """Have the carrier's recording, if there is one, hold for now; or go on, paused=False. Answered by
    RecordingPaused."""

    paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TellPaused:
    """Tell the tool that wanted it what RecordingPaused says."""

    paused: bool
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp:
    """End the call at the carrier."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeFor:
    """Told, not done: whoever answered is taken for this from now on."""

    answered_by: AnsweredBy
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportMachine:
    """Tell the author's code who answered, once a screened call. raw: the word it came in, "" if there was none."""

    answered_by: AnsweredBy
    raw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepFloor:
    """Told, not done: this line interrupted us so often in a row that replies do not yield to it for now."""

    interruptions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishCall:
    """The conversation is over, nothing is ordered after this."""

    outcome: Outcome
    reason: str


Command: TypeAlias = (
    PlaceCall
    | PrepareCall
    | FinalizeTranscript
    | CommitTranscript
    | PredictEndOfTurn
    | DraftResponse
    | AdoptResponse
    | StartResponse
    | RunTool
    | ContinueResponse
    | ReadOut
    | CancelResponse
    | JudgeClause
    | Speak
    | PausePlayback
    | ResumePlayback
    | ClearPlayback
    | OpenEngine
    | Greet
    | AskEngine
    | AwaitReply
    | AcceptReply
    | RejectReply
    | AcceptSpan
    | MuteReply
    | TruncateSpan
    | RemindEngine
    | CommitSpeech
    | ReturnToolResult
    | ReportTranscript
    | Transfer
    | CancelTransfer
    | PlayMusic
    | StopMusic
    | MuteCaller
    | PassColleague
    | HandOver
    | SwitchLanguage
    | Instruct
    | SendDtmf
    | StartRecording
    | PauseRecording
    | TellPaused
    | HangUp
    | TakeFor
    | ReportMachine
    | KeepFloor
    | FinishCall
)
