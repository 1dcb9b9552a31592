"""Why a turn was slow: each thing that took longer than usual, what it cost the caller, and what would change it.

Nothing is guessed: whatever looks slow is taken away and the turn is run again (rerun.py). What then does not come
sooner was not the cause, however long it took.

What is usual is the middle of the call's other turns, and of the agent's calls before if there are too few; but never
more than BUDGET_MS, so that a vendor who is slow all the time is still told of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median, median_low
from typing import Any

from patter_cli.core import events as fact
from patter_cli.core.end_of_turn import UNFINISHED
from patter_cli.core.endpointing import EndpointRule, Silence, endpoint_rule
from patter_cli.core.journal import Entry
from patter_cli.core.machine import TurnMachine
from patter_cli.observe.rerun import UNCHANGED, Change, rerun
from patter_cli.observe.waits import AnsweredTurn, CallWaits, Wait, Waited, find_waits

LEAST_MS = 130
"""What is given back must be so much: less nobody hears, and as much comes of chance."""
SPREADS = 4.0
"""So many spreads from the middle is no chance any more."""
FEW = 3
"""Of fewer other turns the middle is none."""
EXACT_MS = 40
"""The run with nothing changed may differ by so much from the call."""

TYPICAL_MS: Mapping[Wait, int] = {
    Wait.VOICE_END: 220, Wait.WORDS: 150, Wait.PREDICTION: 100, Wait.FIRST_WORDS: 450, Wait.CLAUSE: 80, Wait.RULE: 10,
    Wait.TOOL: 300, Wait.SOUND: 180, Wait.HANDOVER: 10,
}  # fmt: skip
"""Where nothing else is known."""
BUDGET_MS: Mapping[Wait, int] = {
    Wait.VOICE_END: 300, Wait.WORDS: 400, Wait.PREDICTION: 200, Wait.FIRST_WORDS: 900, Wait.CLAUSE: 300, Wait.RULE: 80,
    Wait.TOOL: 800, Wait.SOUND: 400, Wait.HANDOVER: 80,
}  # fmt: skip
"""More is slow, also if it is so every time."""
STAGES: Mapping[Wait, str] = {
    Wait.VOICE_END: "endpointing", Wait.WORDS: "stt", Wait.PREDICTION: "endpointing", Wait.FIRST_WORDS: "llm",
    Wait.CLAUSE: "clause", Wait.RULE: "guardrail", Wait.TOOL: "tool", Wait.SOUND: "tts", Wait.HANDOVER: "handover",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One thing that made a turn slow. excess_ms: how much longer it took than usual; gives_back_ms: how much less the
    caller would have waited without that."""

    stage: str
    """endpointing, stt, llm, clause, guardrail, tool, tts, handover or loop."""
    why: str
    setting: str
    """The one thing to change."""
    excess_ms: int
    gives_back_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedTurn:
    """A turn that was answered, and what made it slow: the most first, nothing where it was not."""

    number: int
    words: str
    waited_ms: int
    causes: tuple[Cause, ...]
    exact: bool
    """The machine of today does with this turn what it did then; else what is given back is an estimate."""

    def render(self) -> dict[str, Any]:
        """JSON values: {number, words, waited_ms, causes: [{stage, why, setting, excess_ms, gives_back_ms}], exact}."""
        facts = asdict(self)
        facts["causes"] = [asdict(each) for each in self.causes]
        return facts


def explain(
    entries: Sequence[Entry], *, turn: int | None = None, before: Mapping[Wait, Sequence[int]] | None = None
) -> list[ExplainedTurn]:
    """Why the call's turns were slow, or that one. before: what such waits took in the agent's other calls, in ms."""
    found = find_waits(entries)
    wanted = [each for each in found.turns if turn is None or each.number == turn]
    usual = _Usual(found, before or {})
    machine, done, told = TurnMachine(), 0, []
    for each in wanted:
        for entry in entries[done : each.first]:
            machine.handle(entry.event, entry.at)
        done = each.first
        told.append(_Turn(each, found, usual, machine).explain())
    return told


class _Usual:
    """What waits of a kind take."""

    def __init__(self, found: CallWaits, before: Mapping[Wait, Sequence[int]]) -> None:
        self._before = before
        self._all = [(id(turn), each) for turn in found.turns for each in turn.waits]

    def of(self, turn: AnsweredTurn, wait: Waited) -> tuple[int, int]:
        """(usual, limit): what it takes, and from where on it took too long, in ms."""
        kind = wait.kind
        others = [
            each.own_ms
            for owner, each in self._all
            if owner != id(turn) and each.kind is kind and (kind is not Wait.TOOL or each.name == wait.name)
        ]
        if len(others) < FEW and kind is not Wait.TOOL:
            others += list(self._before.get(kind, ()))
        if len(others) < FEW:
            usual = min([TYPICAL_MS[kind], *others]) if len(others) == FEW - 1 else TYPICAL_MS[kind]
            return usual, usual + max(LEAST_MS, BUDGET_MS[kind] - usual)
        middle = median_low(others)
        spread = 1.4826 * median(abs(each - middle) for each in others)
        usual = min(middle, BUDGET_MS[kind])
        return usual, round(usual + max(LEAST_MS, min(SPREADS * spread, BUDGET_MS[kind])))


class _Turn:
    def __init__(self, turn: AnsweredTurn, found: CallWaits, usual: _Usual, machine: TurnMachine) -> None:
        self._turn = turn
        self._found = found
        self._usual = usual
        self._machine = machine
        self._base: int | None = None

    def explain(self) -> ExplainedTurn:
        turn = self._turn
        suspects = [*self._waits(), *self._rules(), *self._loop()]
        if suspects:
            self._base = rerun(self._machine, turn, self._found.entries, UNCHANGED)
        exact = not suspects or (self._base is not None and abs(self._base - turn.waited_ms) <= EXACT_MS)
        causes = []
        for cause, change in suspects:
            gives_back = self._gives_back(change, cause.excess_ms, exact=exact)
            if gives_back >= LEAST_MS:
                causes.append(replace(cause, gives_back_ms=gives_back))
        causes.sort(key=lambda each: -each.gives_back_ms)
        return ExplainedTurn(
            number=turn.number, words=turn.words, waited_ms=turn.waited_ms, causes=tuple(causes), exact=exact
        )

    def _gives_back(self, change: Change, excess_ms: int, *, exact: bool) -> int:
        if not exact or self._base is None:
            return min(excess_ms, self._turn.waited_ms)
        without = rerun(self._machine, self._turn, self._found.entries, change)
        return 0 if without is None else self._base - without

    # --- suspects ------------------------------------------------------------------------------------------------

    def _waits(self) -> Iterable[tuple[Cause, Change]]:
        """Waits that took too long; those of one kind, a reply's steps or clauses, are one suspect."""
        slow: dict[tuple[Wait, str], list[tuple[Waited, int]]] = {}
        for each in self._turn.waits:
            usual, limit = self._usual.of(self._turn, each)
            if each.own_ms > limit:
                slow.setdefault((each.kind, each.name if each.kind is Wait.TOOL else ""), []).append((each, usual))
        for (kind, _), found in slow.items():
            worst, usual = max(found, key=lambda each: each[0].own_ms - each[1])
            why, setting = self._words(worst, usual)
            excess = sum(each.own_ms - usual for each, usual in found)
            cuts = {(kind, each.key): each.own_ms - usual for each, usual in found}
            yield (
                Cause(stage=STAGES[kind], why=why, setting=setting, excess_ms=excess, gives_back_ms=0),
                Change(cuts=cuts),
            )

    def _words(self, wait: Waited, usual: int) -> tuple[str, str]:
        """(why, setting) of a wait that was too long."""
        took = f"took {wait.own_ms} ms, and usually takes {usual}"
        providers = self._found.providers
        match wait.kind:
            case Wait.VOICE_END:
                return f"to be sure that the voice had ended {took}: noise that sounds like one", "audio_filter="
            case Wait.PREDICTION:
                return f"the end-of-turn model {took}", "turns=TurnPolicy(end_of_turn=None)"
            case Wait.WORDS:
                return f"the final words from {providers.get('stt', 'recognition')} {took}", "stt="
            case Wait.FIRST_WORDS:
                who = providers.get("llm", "the agent's own code")
                step = "" if wait.key.endswith(".0") else " after its tools"
                setting = "llm=" if "llm" in providers else "on_message"
                return f"the first words from {who}{step} {took}", setting
            case Wait.CLAUSE:
                who = providers.get("llm", "the agent's own code")
                return f"a whole first clause from {who} {took}", "aggressive_first_flush=True"
            case Wait.RULE:
                return f"the check of guardrail {wait.name!r} {took}", f"guardrails=, the check of {wait.name}"
            case Wait.TOOL:
                return f"tool {wait.name} {took}", f"tools=, what {wait.name} waits for"
            case Wait.SOUND:
                who = providers.get("tts", "the voice")
                if self._turn.voice_queued:
                    return f"the first sound from {who} {took}: it waited for this machine's processors", "--max-calls"
                return f"the first sound from {who} {took}", "tts="
            case Wait.HANDOVER:
                return f"the line {took} to begin the sound", "carrier="

    def _rules(self) -> Iterable[tuple[Cause, Change]]:
        """A silence that the caller's words, or a model that hears, made longer."""
        plan, turn = self._machine.plan, self._turn
        pace = plan.pace
        rule = self._rule()
        excess = pace.endpoint_unfinished_ms - pace.endpoint_ms
        if excess <= 0:
            return
        shorter = Change(plan=replace(plan, pace=replace(pace, endpoint_unfinished_ms=pace.endpoint_ms)))
        if rule.silence is Silence.UNFINISHED:
            why = f'{pace.endpoint_unfinished_ms} ms of silence were asked for, since {rule.why}: "{rule.words}"'
        elif turn.prediction is not None and turn.prediction <= UNFINISHED and rule.silence is Silence.PLAIN:
            why = (
                f"{pace.endpoint_unfinished_ms} ms of silence were asked for, since the end-of-turn model took "
                f'"{turn.words[-40:]}" for unfinished ({turn.prediction:.2f})'
            )
        else:
            return
        setting = f"turns=TurnPolicy(endpoint_unfinished_ms={pace.endpoint_ms})"
        yield Cause(stage="endpointing", why=why, setting=setting, excess_ms=excess, gives_back_ms=0), shorter

    def _rule(self) -> EndpointRule:
        """What the words of the turn's last segment asked for."""
        entries = self._found.entries[: self._turn.last + 1]
        words = ""
        for entry in entries[self._turn.first :]:
            if isinstance(entry.event, fact.TranscriptFinal | fact.TranscriptPartial):
                words = entry.event.text
        return endpoint_rule(words or self._turn.words)

    def _loop(self) -> Iterable[tuple[Cause, Change]]:
        """The loop was held: nothing could come meanwhile, and no deadline was kept."""
        turn = self._turn
        held = [each for each in turn.held if each.begun < turn.answered_at]
        lost = sum(min(each.ended, turn.answered_at) - max(each.begun, turn.voiced_until) for each in held)
        if lost < LEAST_MS:
            return
        cuts: dict[tuple[Wait, str], int] = {}
        for wait in turn.waits:
            usual, _ = self._usual.of(turn, wait)
            if wait.held_ms:
                cuts[wait.kind, wait.key] = min(wait.held_ms, max(0, wait.ended - wait.begun - usual))
        longest = max(held, key=lambda each: each.ended - each.begun)
        if longest.by == "gc":
            why, setting = "Python's garbage collector", "--max-calls, or fewer objects in the agent's code"
        elif longest.by:
            why, setting = longest.by, f"{longest.by}: await what it waits for, or make it a plain def"
        else:
            why, setting = "code of this process, or a machine with too much to do", "--max-calls"
        cause = Cause(
            stage="loop", why=f"the event loop stood still for {lost} ms: {why}", setting=setting, excess_ms=lost,
            gives_back_ms=0,
        )  # fmt: skip
        yield cause, Change(cuts=cuts, unheld=True)
