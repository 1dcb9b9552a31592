"""A call that was held on the bench: what is known of it, and whether it came out as its scenario says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from patter_cli.core import events as fact
from patter_cli.core.journal import Entry
from patter_cli.core.outcome import Outcome
from patter_cli.errors import PatterError, ProviderError
from patter_cli.observe.summary import CallSummary
from patter_cli.simulate.fuzz.case import Fault
from patter_cli.simulate.overheard import HeardReplies, Overheard
from patter_cli.simulate.played import CallFacts, Judgement, PlayedCall
from patter_cli.simulate.score import Verdict, judge
from patter_cli.simulate.script import StepDone
from patter_cli.simulate.steps import describe
from patter_cli.simulate.virtual.vendors import VIRTUAL
from patter_cli.simulate.words_heard import WordsHeard
from patter_cli.simulate.written import Scenario


@dataclass(slots=True)
class CallFolds:
    """Everything that is folded from a call's journal while it lasts. Feed it the entries in order."""

    summary: CallSummary = field(default_factory=CallSummary)
    replies: HeardReplies = field(default_factory=HeardReplies)
    facts: CallFacts = field(default_factory=CallFacts)
    words: WordsHeard = field(default_factory=WordsHeard)
    fault: str = ""
    """The last that a provider was heard to say of its own failure."""
    answered: bool = False
    """Some answer began; our own lines are none."""

    def feed(self, entry: Entry) -> None:
        """Take one journal entry."""
        for each in (self.summary, self.replies, self.facts, self.words):
            each.feed(entry)
        match entry.event:
            case fact.ResponseFailed(message=message) | fact.ListenFailed(message=message):
                self.fault = message
            case fact.FirstToken():
                self.answered = True
            case fact.CallConnected(plan=plan) if plan.engine is not None:
                self.answered = True  # as far as can be told: its replies begin without a word to us
            case _:
                pass


@dataclass(slots=True, kw_only=True)
class HeldCall:
    """One call after it. Times are ms of call time."""

    scenario: Scenario
    url: str = ""
    """Somebody else's server; then the summary is empty."""
    folds: CallFolds = field(default_factory=CallFolds)
    overheard: list[Overheard] = field(default_factory=list)
    """What a url's agent said, as it was recognised."""
    steps: list[StepDone] = field(default_factory=list)
    begun_ms: list[float] = field(default_factory=list)
    waits_ms: list[int | None] = field(default_factory=list)
    transfers: dict[str, str] = field(default_factory=dict)
    """As the caller noticed them; see PlayedCall."""
    cut_off: int = 0
    """How often the caller noticed that the agent took back what it was saying."""
    silence_ms: int = 0
    duration_ms: int = 0
    failure: str = ""
    """Why the script was not played to its end."""
    typed: bool = False
    """It had no sound, and its times mean nothing."""
    judgements: dict[tuple[int | None, str], Judgement] = field(default_factory=dict)
    always: Sequence[Fault] | None = None
    """What of all that must hold for every call did not; None: nobody has looked."""
    max_ttfa_ms: int | None = None
    kept: bool = True
    """Whether all of the call could be written down, its sound among it."""
    errors: list[str] = field(default_factory=list)
    """What the log said meanwhile of the agent's own code, where nobody else shows it."""
    skipped: str = ""
    """Why it was not held; "" if it was."""
    error: PatterError | None = None
    """Why it could not be held, or failed on our side."""
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def heard(self) -> list[Overheard]:
        """What the agent said, as far as it was heard."""
        return self.overheard if self.url else self.folds.replies.heard

    def played(self) -> PlayedCall:
        """All that an expectation may be about."""
        summary, facts = self.folds.summary, self.folds.facts
        return PlayedCall(
            steps=self.steps,
            heard=self.heard,
            begun_ms=self.begun_ms,
            outcome=summary.outcome,
            reason=summary.reason,
            failure=self.failure,
            waits_ms=self.waits_ms,
            tools=facts.tools,
            keys=facts.keys,
            transfers=self.transfers if self.url else facts.transfers,
            interruptions=self.cut_off if self.url else facts.interruptions,
            silence_ms=self.silence_ms,
            duration_ms=self.duration_ms if self.url else summary.duration_ms,
            cost_usd=self._cost_usd(),
            untimed="a call by keyboard has no times" if self.typed else "",
            judgements=self.judgements,
        )

    def _cost_usd(self) -> float | None:
        """What it cost; None where that is not known. Ears and voices of virtual time cost nobody anything."""
        if self.url:
            return None
        known = [each.usd for each in self.folds.summary.cost.uses if each.provider != VIRTUAL]
        return None if None in known else sum(filter(None, known))

    def judge(self) -> list[Verdict]:
        """Hold it against its scenario, now that everything is known."""
        verdicts = judge(self.scenario, self.played()) if self.scenario.name else []
        if self.scenario.expected.always:
            verdicts += self._always()
        if self.max_ttfa_ms is not None:
            verdicts.append(self._longest_wait(self.max_ttfa_ms))
        self.verdicts = verdicts
        return verdicts

    def _always(self) -> list[Verdict]:
        """What must hold for every call: a verdict each for what did not, or one."""
        line = self.scenario.expected.lines.get("always")
        if self.always is None:
            why = "it is played with its sound; add --text"
            return [Verdict(step=None, expected="always", heard="", passed=True, skipped=why, line=line)]
        if not self.always:
            return [Verdict(step=None, expected="always", heard="", passed=True, line=line)]
        return [
            Verdict(step=None, expected=f"always: {each.rule}", heard=each.what, passed=False, line=line)
            for each in self.always
        ]

    def _longest_wait(self, limit_ms: int) -> Verdict:
        waits = [each for each in self.waits_ms if each is not None]
        return Verdict(
            step=None,
            expected=f"the agent's voice within {limit_ms} ms",
            heard="" if self.typed else f"{max(waits)} ms" if waits else "nothing was answered",
            passed=self.typed or (bool(waits) and max(waits) <= limit_ms),
            skipped="a call by keyboard has no times" if self.typed else "",
            line=self.scenario.expected.lines.get("max_ttfa_ms"),
        )

    def own_failure(self) -> PatterError | None:
        """A call that failed on our side, unless the scenario is about that."""
        if self.url:
            return self._unanswered()
        summary, expected = self.folds.summary, self.scenario.expected
        meant = expected.outcome is Outcome.FAILED or expected.reason == summary.reason
        gave_up = summary.outcome is Outcome.FAILED
        unanswered = bool(self.folds.fault) and not self.folds.answered  # and the caller left before we gave up
        if meant or not (gave_up or unanswered):
            return None
        return ProviderError(
            f"{'the call failed' if gave_up else 'nothing was answered'}: {self.folds.fault or summary.reason}",
            provider="agent",
            hint=f"mend what is named, or see what the agent is made of: patter agents show {summary.agent or 'AGENT'}",
        )

    def _unanswered(self) -> PatterError | None:
        """Of somebody else's agent only its sound is known: it hung up before the caller had said a word, or was never
        heard. What a scenario wanted, its expectations say."""
        hung_up = next((each.note for each in self.steps if each.note), "") if not self.waits_ms else ""
        silent = bool(self.waits_ms) and not self.overheard and all(each is None for each in self.waits_ms)
        if self.scenario.name or not (hung_up or silent):
            return None
        return ProviderError(
            f"nothing was answered: {hung_up or 'the agent was not heard'}",
            provider="agent",
            hint="see the log of the server that was called",
        )

    @property
    def failed(self) -> list[Verdict]:
        return [each for each in self.verdicts if not each.passed]

    @property
    def notes(self) -> list[str]:
        """What of the script did not go as written, with its step."""
        return [f"{each.note}: {describe(each.step)}" for each in self.steps if each.note]

    @property
    def passed(self) -> bool:
        """Held, on our side without failure, and every expectation holds."""
        return not (self.skipped or self.error or self.failed) and self.kept

    def render(self) -> dict[str, Any]:
        """JSON values; see `patter simulate --help`."""
        facts: dict[str, Any] = {"url": self.url} if self.url else self.folds.summary.render()
        if self.url:
            facts["agent"] = [{"at_ms": each.at_ms, "text": each.text} for each in self.overheard]
        if self.typed:
            facts["turns"] = [{**turn, "latency": None} for turn in facts["turns"]]  # nobody spoke, nobody waited
        facts["caller_waited_ms"] = self.waits_ms
        facts["notes"] = [step.note for step in self.steps if step.note]
        facts["expectations"] = [each.render() for each in self.verdicts]
        return facts


def not_held(scenario: Scenario, why: str = "", error: PatterError | None = None) -> HeldCall:
    """A call that could not be held, or that nobody could hold here."""
    return HeldCall(scenario=scenario, skipped=why, error=error)
