"""A scenario made of a call that was held: its caller's words at their moments, and what the agent answered.

Theory of operation. A scripted caller speaks once the agent has answered and has been quiet for SETTLE_MS. What the
caller of the call waited beyond that is a step of silence before their words; words that came while the agent spoke
are an interruption, at the words that had been heard by then; words that came before any answer belong to those
before them. What the agent was heard to answer is expected sentence by sentence, without the lines that bridge a wait
or mend a misunderstanding: those are the call's luck, not the agent's answer. So are dates, which are others tomorrow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from patter_cli.agent import HangUp, Interrupt, Press, Say
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import DialRequested
from patter_cli.core.events import Ms
from patter_cli.core.journal import Entry
from patter_cli.core.outcome import Outcome, TransferOutcome
from patter_cli.core.plan import CallPlan
from patter_cli.errors import InputError
from patter_cli.observe.utterances import AGENT, CALLER, Utterance, UtteranceFold
from patter_cli.simulate.played import CallFacts, UsedTool
from patter_cli.simulate.script import sayable
from patter_cli.simulate.steps import ScriptStep, StaySilent
from patter_cli.simulate.words_heard import WordsHeard
from patter_cli.simulate.written import Expected, Scenario, ScenarioStep, WantedTool, WrittenHuman
from patter_cli.text.compare import has_words, normalised_words
from patter_cli.text.redact import STRUCK
from patter_cli.text.stand_ins import StandIns

SETTLE_MS: Final = 700
"""How long the agent is quiet before a scripted caller speaks: see simulate.script."""
LEAST_MS: Final = 300
"""A pause that is longer by less is none."""
CUT_WORDS: Final = 3
"""So many words that were heard say where the agent was interrupted."""
HUNG_UP: Final = ("carrier_stop", "carrier_close", "media_timeout")
"""How a caller's hanging up looks from here, whichever carrier it is."""
_SENTENCE: Final = re.compile(r"(?<=[.!?…])\s+")
_MONTHS: Final = "January|February|March|April|May|June|July|August|September|October|November|December"
_DATED: Final = re.compile(
    rf"\b[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}|\b(?:{_MONTHS}) (?:the )?(?:[0-9]|(?:first|second|third|\w+th|\w+ty)\b)"
    r"|\bthe [0-9]{1,2}(?:st|nd|rd|th)\b"
)
_UNKNOWN: Final = re.compile(r"[x\W\d]*x[x\W\d]*")
"""Words of which only their length was kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeScenario:
    """replaced: how many personal details have stand-ins. left_out: what of the agent's answers is not expected, for it
    would be another the next time; a sentence each."""

    scenario: Scenario
    replaced: int
    left_out: tuple[str, ...]


@dataclass(slots=True)
class _Call:
    """What is read of the journal."""

    plan: CallPlan
    said: UtteranceFold = field(default_factory=UtteranceFold)
    facts: CallFacts = field(default_factory=CallFacts)
    heard: WordsHeard = field(default_factory=WordsHeard)
    parameters: Mapping[str, str] = field(default_factory=dict)
    outbound: bool = False
    refusals: dict[str, TransferOutcome] = field(default_factory=dict)
    outcome: Outcome | None = None
    reason: str = ""


def scenario_of(entries: Sequence[Entry]) -> MadeScenario:
    """entries: a whole call's. Raises InputError for one that no caller can play again."""
    call = _read(entries)
    spoken = sorted(call.said.found, key=lambda each: each.begin)
    if not any(each.who == CALLER for each in spoken):
        raise InputError("nothing of what its caller said is known", hint="choose another: patter logs list")
    if any(STRUCK in each.text or _UNKNOWN.fullmatch(each.text) for each in spoken if each.who == CALLER and each.text):
        raise InputError(
            "its words were struck out when it was kept, so nobody can say them again", hint="redact in patter.toml"
        )
    people = StandIns(kept=call.plan.transfer_numbers)
    for tool in call.facts.tools:
        people.learn_arguments(tool.arguments)
    for each in spoken:
        if each.who == CALLER:
            people.learn_said(each.text)
    left_out: list[str] = []
    steps = list(_steps(call, spoken, people, left_out))
    greeting = [each for each in spoken if each.who == AGENT and not each.turn]
    says = () if call.parameters else tuple(_sentences(greeting, call.plan, people, left_out))
    expected = Expected(
        outcome=call.outcome,
        reason="" if call.reason in HUNG_UP else call.reason,
        says=says,
        transfer=next((number for number, why in call.facts.transfers.items() if not why), None),
    )
    scenario = Scenario(
        agent=call.plan.agent, steps=tuple(steps), humans=tuple(_humans(call)), expected=_possible(expected)
    )
    return MadeScenario(scenario=scenario, replaced=people.count, left_out=tuple(dict.fromkeys(left_out)))


def _read(entries: Sequence[Entry]) -> _Call:
    first = next((each.event for each in entries if isinstance(each.event, fact.CallConnected | DialRequested)), None)
    if first is None:
        raise InputError("its journal has no beginning", hint="choose another: patter logs list")
    call = _Call(plan=first.plan, parameters=first.parameters, outbound=isinstance(first, DialRequested))
    transfers: list[str] = []
    for entry in entries:
        if isinstance(entry.event, fact.CallPrepared):
            call.plan = entry.event.plan_after(call.plan)
        elif isinstance(entry.event, fact.TransferFailed) and transfers:
            call.refusals[transfers[-1]] = entry.event.outcome
        for each in (call.said, call.facts, call.heard):
            each.feed(entry)
        transfers = list(call.facts.transfers)
        for command in entry.commands:
            if isinstance(command, order.FinishCall):
                call.outcome, call.reason = command.outcome, command.reason
    return call


# --- the caller ------------------------------------------------------------------------------------------------------


def _steps(call: _Call, spoken: Sequence[Utterance], people: StandIns, left_out: list[str]) -> Iterator[ScenarioStep]:
    """What the caller did, each with what was answered to it."""
    since: Ms = 0
    agent = [each for each in spoken if each.who == AGENT]
    callers = _joined([each for each in spoken if each.who == CALLER], agent)
    for place, words in enumerate(callers):
        until = callers[place + 1].begin if place + 1 < len(callers) else call.said.ended + 1
        before = [each for each in agent if since <= each.begin < words.begin]
        does = _does(call, words, before, people)
        pause = 0 if isinstance(does, Interrupt) else _pause(words.begin, before)
        if pause > LEAST_MS:
            yield ScenarioStep(does=StaySilent(pause))
        answers = [each for each in agent if words.begin < each.begin < until]
        tools = [each for each in call.facts.tools if words.begin < each.at_ms < until]
        yield ScenarioStep(
            does=does,
            expect=tuple(_sentences(answers, call.plan, people, left_out)),
            tools=tuple(_wanted(each, people, left_out) for each in tools),
        )
        since = words.end
    if call.reason in HUNG_UP and callers:
        after = [each for each in agent if each.begin > callers[-1].begin]
        pause = _pause(call.said.ended, after) if after and not after[-1].cut_off else 0
        if pause > LEAST_MS:
            yield ScenarioStep(does=StaySilent(pause))
        yield ScenarioStep(does=HangUp())


def _joined(callers: Sequence[Utterance], agent: Sequence[Utterance]) -> list[Utterance]:
    """Words that followed each other with no answer between them are said in one go."""
    found: list[Utterance] = []
    for each in callers:
        last = found[-1] if found else None
        alone = last is None or any(last.begin < other.begin < each.begin for other in agent)
        if last is None or alone or bool(last.keys) != bool(each.keys):
            found.append(each)
        else:
            text = f"{last.text.rstrip()} {each.text}"
            found[-1] = replace(last, end=each.end, text=text, keys=last.keys + each.keys)
    return found


def _does(call: _Call, words: Utterance, before: Sequence[Utterance], people: StandIns) -> ScriptStep:
    if words.keys:
        return Press(people.replace_keys("".join(each for each in words.keys if each in "0123456789*#")))
    text = _plain(people.replace(words.text))
    if not normalised_words(text) or not sayable(text):
        raise InputError(
            f"turn {words.turn} is nothing that the built-in voice can say", hint="it speaks English: see patter logs"
        )
    if not before or before[-1].end <= words.begin or not before[-1].cut_off:
        return Say(text)
    cut = before[-1]
    heard = people.replace(call.heard.since(cut.begin, words.begin)).split()
    at = _plain(" ".join(heard[-CUT_WORDS:])).strip(" .,;:?!-")
    if len(heard) >= CUT_WORDS and normalised_words(at):
        return Interrupt(text, after_words=at)
    return Interrupt(text, after_ms=max(100, words.begin - cut.begin))


def _pause(begin: Ms, before: Sequence[Utterance]) -> int:
    """How long the caller said nothing at their turn, in tenths of a second."""
    if not before:
        return 0
    turn = before[0].end
    for each in before[1:]:
        if each.begin - turn >= SETTLE_MS:
            break
        turn = max(turn, each.end)
    return max(0, round((begin - turn - SETTLE_MS) / 100) * 100)


# --- the agent -------------------------------------------------------------------------------------------------------


def _sentences(answers: Sequence[Utterance], plan: CallPlan, people: StandIns, left_out: list[str]) -> Iterator[str]:
    """What must be heard again. Of an answer that was cut off, the first half: it may be cut a word earlier."""
    luck = [*plan.lines.texts(), *(each for text in plan.lines.texts() for each in _SENTENCE.split(text))]
    for answer in answers:
        text = answer.text
        if answer.cut_off:
            words = text.split()
            text = " ".join(words[: len(words) // 2])
        for sentence in _SENTENCE.split(text):
            if not normalised_words(sentence) or any(has_words(each, sentence) for each in luck):
                continue
            shown = _plain(people.replace(sentence)).strip()
            if _DATED.search(sentence):
                left_out.append(shown)
            else:
                yield shown


def _wanted(tool: UsedTool, people: StandIns, left_out: list[str]) -> WantedTool:
    """A tool that must be called again, with the same arguments, but for dates."""
    arguments = {}
    for key, value in tool.arguments.items():
        if not key:
            continue
        if _DATED.search(str(value)):
            left_out.append(f"{tool.name}: {key} = {value}")
        else:
            arguments[key] = _bare(people.replace_value(value))
    return WantedTool(name=tool.name, arguments={key: each for key, each in arguments.items() if each is not None})


def _humans(call: _Call) -> Iterator[WrittenHuman]:
    """Who could be reached, as in the call."""
    for number, why in call.facts.transfers.items():
        if not why:
            yield WrittenHuman(number=number, says=("Hello, how can I help you?",))
        else:
            busy = call.refusals.get(number) in (TransferOutcome.BUSY, TransferOutcome.DECLINED)
            yield WrittenHuman(number=number, refuses="busy" if busy else "no answer")


def _possible(expected: Expected) -> Expected:
    """Without what only the first call can have: that it was interrupted by the end of its process."""
    if expected.outcome in (Outcome.INTERRUPTED, Outcome.FAILED):
        return replace(expected, outcome=None, reason="")
    return expected


def _plain(text: str) -> str:
    """Braces stand for variables in a scenario."""
    return " ".join(text.replace("{", "(").replace("}", ")").split())


def _bare(value: Any) -> Any:
    """The same in JSON values, without nulls, which TOML has not."""
    if isinstance(value, str):
        return value.replace("{", "(").replace("}", ")")
    if isinstance(value, list):
        return [_bare(each) for each in value if each is not None]
    if isinstance(value, Mapping):
        return {key: _bare(each) for key, each in value.items() if each is not None}
    return value
