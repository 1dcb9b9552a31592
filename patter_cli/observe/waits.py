"""What each turn of a call waited for, piece by piece: from the end of the caller's voice to the answer's first sound.

Theory of operation. A journal has facts and the orders they led to. Most facts are the answer to an order: a final
transcript to FinalizeTranscript, a model's first words to StartResponse, sound to Speak. The time between the two is a
wait on somebody outside the machine. `explain` compares each wait with what is usual, and `rerun` asks the machine
what would have happened had one of them been as long as usual.

A clock that comes late (a Tick long after its deadline) and a loop that was held (LoopHeld) are stretches in which
nobody could act: what came to its end with one may have been there before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import DialRequested, DtmfFailed, DtmfSent
from patter_cli.core.events import Ms
from patter_cli.core.journal import Entry
from patter_cli.core.machine import TurnMachine
from patter_cli.core.plan import CallPlan

LATE_MS = 40
"""A deadline that is kept so much late shows that the loop was held; a timer alone is late by a few."""
AFTER_MS = 30
"""What comes so soon after a held loop was waiting for it."""


class Wait(Enum):
    """Who was waited for."""

    VOICE_END = "voice_end"
    """The detector, to be sure that the voice had ended."""
    WORDS = "words"
    """Recognition, for the final words."""
    PREDICTION = "prediction"
    FIRST_WORDS = "first_words"
    """The model or the author's code, for the first sign of a reply or of its next step."""
    CLAUSE = "clause"
    """The same, from there to a clause that can be spoken."""
    RULE = "rule"
    """A guardrail that is code."""
    TOOL = "tool"
    SOUND = "sound"
    """The voice, for the first sound of a clause."""
    HANDOVER = "handover"
    """The line, to take it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A stretch in which the loop did nothing for this call. by: whose doing it was, "" if that is not known."""

    begun: Ms
    ended: Ms
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """One wait. key: tells it from others of its kind in the turn. name: of the tool, the rule, the words.

    held_ms: how much of it the loop was held, so that nothing could come.
    """

    kind: Wait
    key: str
    begun: Ms
    ended: Ms
    name: str = ""
    held_ms: int = 0

    @property
    def own_ms(self) -> int:
        """How long whoever was waited for took, as far as anybody can tell."""
        return max(0, self.ended - self.begun - self.held_ms)


@dataclass(slots=True, kw_only=True)
class AnsweredTurn:
    """A turn of the caller's that was answered aloud."""

    number: int
    """Of what the caller said, from 1, as in `logs show`."""
    words: str
    first: int
    """Index of the entry with which its silence began."""
    last: int
    """Of the entry with the answer's first sound."""
    response_id: int
    voiced_until: Ms
    answered_at: Ms
    waits: list[Waited] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    voice_queued: bool = False
    """The voice said that it waited for this machine's processors."""
    prediction: float | None = None

    @property
    def waited_ms(self) -> int:
        return self.answered_at - self.voiced_until


@dataclass(slots=True, kw_only=True)
class CallWaits:
    """A call's turns, and who did what in it."""

    entries: Sequence[Entry]
    turns: list[AnsweredTurn] = field(default_factory=list)
    providers: dict[str, str] = field(default_factory=dict)
    """Who was used, by leg: stt, llm, tts, engine."""
    agrees: bool = True
    """Today's engine decides as the one did that held the call."""
    plan: CallPlan | None = None


def find_waits(entries: Sequence[Entry]) -> CallWaits:
    """All turns that were answered. Replays the journal once."""
    found = CallWaits(entries=entries)
    machine = TurnMachine()
    held: list[Held] = []
    voiced: tuple[int, Ms] | None = None
    user_turns, words = 0, ""
    open_turn: AnsweredTurn | None = None
    clauses: set[tuple[int, int]] = set()
    for index, entry in enumerate(entries):
        deadline = machine.next_deadline()
        if isinstance(entry.event, fact.Tick) and deadline is not None and entry.at - deadline > LATE_MS:
            held.append(Held(begun=deadline, ended=entry.at))
        if isinstance(entry.event, fact.LoopHeld):
            held.append(Held(begun=entry.event.from_ms, ended=entry.event.to_ms, by=entry.event.by))
        found.agrees &= tuple(machine.handle(entry.event, entry.at)) == entry.commands
        _note_provider(found.providers, entry.event)
        match entry.event:
            case fact.SpeechEnded(at_ms=at_ms):
                voiced = (index, at_ms)
            case fact.DtmfReceived():
                voiced = None
            case fact.PlayoutStarted(response_id=response_id, clause=clause) if (
                open_turn is not None and response_id == open_turn.response_id and (response_id, clause) not in clauses
            ):
                open_turn.last, open_turn.answered_at = index, entry.at
                open_turn.held = [each for each in held if each.ended > open_turn.voiced_until]
                found.turns.append(open_turn)
                open_turn, voiced = None, None
            case _:
                pass
        for command in entry.commands:
            match command:
                case order.ReportTranscript(role="user", text=text):
                    user_turns, words = user_turns + 1, text
                case order.StartResponse(response_id=response_id) | order.AdoptResponse(response_id=response_id):
                    if voiced is not None:
                        open_turn = AnsweredTurn(
                            number=user_turns, words=words, first=voiced[0], last=index, response_id=response_id,
                            voiced_until=voiced[1], answered_at=entry.at,
                        )  # fmt: skip
                case order.Speak(response_id=response_id, clause=clause, text=text) if is_filler(text, machine.plan):
                    clauses.add((response_id, clause))
                case _:
                    pass
    found.plan = machine.plan
    for turn in found.turns:
        _measure(turn, entries)
    return found


def sounds_ms(entries: Iterable[Entry], started: fact.PlayoutStarted) -> Ms:
    """How long a clause sounds that begins in these entries."""
    for entry in entries:
        match entry.event:
            case fact.ClauseVoiced(response_id=response_id, clause=clause, duration_ms=duration_ms) if (
                response_id,
                clause,
            ) == (started.response_id, started.clause):
                return duration_ms
            case _:
                pass
    return 0


def is_filler(text: str, plan: CallPlan) -> bool:
    """A line that bridges a wait."""
    return text in (plan.lines.filler, plan.lines.still_working)


def _note_provider(providers: dict[str, str], event: fact.Event) -> None:
    match event:
        case fact.HearingUsed(provider=provider):
            providers["stt"] = provider
        case fact.ModelUsed(provider=provider, model=model):
            providers["llm"] = f"{provider} {model}".strip()
        case fact.VoiceUsed(provider=provider):
            providers["tts"] = provider
        case fact.EngineUsed(provider=provider, model=model):
            providers["engine"] = f"{provider} {model}".strip()
        case _:
            pass


class _Open:
    """Orders whose answer has not come, by kind and key."""

    def __init__(self, turn: AnsweredTurn) -> None:
        self._turn = turn
        self._begun: dict[tuple[Wait, str], tuple[Ms, str]] = {}

    def begin(self, kind: Wait, key: str, at: Ms, name: str = "") -> None:
        self._begun[kind, key] = (at, name)

    def end(self, kind: Wait, key: str, at: Ms) -> None:
        """The first answer counts."""
        found = self._begun.pop((kind, key), None)
        if found is None:
            return
        begun, name = found
        held_ms = sum(
            each.ended - max(each.begun, begun)
            for each in _merged(self._turn.held)
            if begun < each.ended <= at <= each.ended + AFTER_MS
        )
        self._turn.waits.append(Waited(kind=kind, key=key, begun=begun, ended=at, name=name, held_ms=held_ms))


def _merged(held: Iterable[Held]) -> list[Held]:
    """Without those that lie in another."""
    found: list[Held] = []
    for each in sorted(held, key=lambda each: (each.begun, -each.ended)):
        if found and each.begun <= found[-1].ended:
            by = found[-1].by or each.by
            found[-1] = Held(begun=found[-1].begun, ended=max(found[-1].ended, each.ended), by=by)
        else:
            found.append(each)
    return found


def _measure(turn: AnsweredTurn, entries: Sequence[Entry]) -> None:
    """Find the turn's waits between its first entry and its last."""
    turn.held = _merged(turn.held)
    waits = _Open(turn)
    finals = asked = 0
    steps: dict[int, int] = {}
    voice: dict[tuple[int, int], str] = {}
    line_free: Ms = 0
    """Until then the line plays something that bridges the wait, and nothing else can begin."""
    waits.begin(Wait.VOICE_END, "", turn.voiced_until)
    for entry in entries[turn.first : turn.last + 1]:
        at, event = entry.at, entry.event
        match event:
            case fact.SpeechEnded():
                waits.end(Wait.VOICE_END, "", at)
            case fact.TranscriptFinal():
                waits.end(Wait.WORDS, str(finals), at)
                finals += 1
            case fact.EndOfTurnPredicted(segment=segment, probability=probability):
                waits.end(Wait.PREDICTION, str(segment), at)
                turn.prediction = probability
            case fact.FirstToken(response_id=response) | fact.ToolCallRequested(response_id=response):
                key = f"{response}.{steps.get(response, 0)}"
                waits.end(Wait.FIRST_WORDS, key, at)
                waits.begin(Wait.CLAUSE, key, at)
            case fact.ClauseReady(response_id=response):
                key = f"{response}.{steps.get(response, 0)}"
                waits.end(Wait.FIRST_WORDS, key, at)
                waits.end(Wait.CLAUSE, key, at)
            case fact.ClauseJudged(response_id=response, clause=clause, rule=rule):
                waits.end(Wait.RULE, f"{response}.{clause}.{rule}", at)
            case fact.ToolFinished(tool_call_id=tool) | DtmfSent(tool_call_id=tool) | DtmfFailed(tool_call_id=tool):
                waits.end(Wait.TOOL, tool, at)
            case fact.VoiceLate():
                turn.voice_queued = True
            case fact.FirstAudio(response_id=response, clause=clause):
                key = voice.get((response, clause), "")
                waits.end(Wait.SOUND, key, at)
                waits.begin(Wait.HANDOVER, key, max(at, line_free))
            case fact.PlayoutStarted(response_id=response, clause=clause):
                waits.end(Wait.HANDOVER, voice.get((response, clause), ""), at)
                line_free = at + sounds_ms(entries[turn.first : turn.last + 200], event)
            case _:
                pass
        for command in entry.commands:
            match command:
                case order.FinalizeTranscript():
                    waits.begin(Wait.WORDS, str(asked), at)
                    asked += 1
                case order.PredictEndOfTurn(segment=segment):
                    waits.begin(Wait.PREDICTION, str(segment), at)
                case (
                    order.StartResponse(response_id=response)
                    | order.DraftResponse(response_id=response)
                    | order.ReadOut(response_id=response)
                ):
                    steps[response] = 0
                    waits.begin(Wait.FIRST_WORDS, f"{response}.0", at)
                case order.ContinueResponse(response_id=response):
                    steps[response] = steps.get(response, 0) + 1
                    waits.begin(Wait.FIRST_WORDS, f"{response}.{steps[response]}", at)
                case order.JudgeClause(response_id=response, clause=clause, rule=rule):
                    waits.begin(Wait.RULE, f"{response}.{clause}.{rule}", at, rule)
                case order.RunTool(tool_call_id=tool, name=name):
                    waits.begin(Wait.TOOL, tool, at, name)
                case order.SendDtmf(tool_call_id=tool):
                    waits.begin(Wait.TOOL, tool, at, "press_keys")
                case order.Speak(response_id=response, clause=clause, text=text):
                    voice[response, clause] = text
                    waits.begin(Wait.SOUND, text, at, text)
                case _:
                    pass


def began_by(entries: Iterable[Entry]) -> str:
    """The agent that held the call; "" if its beginning is lost."""
    for entry in entries:
        if isinstance(entry.event, fact.CallConnected | DialRequested):
            return entry.event.plan.agent
    return ""
