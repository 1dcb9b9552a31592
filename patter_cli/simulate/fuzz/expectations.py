"""What must hold for every call, whoever the agent is and whatever the caller, the line and the vendors do.

Each rule is a function from a played call to its faults. They judge by what the line heard and by the call's journal,
and know nothing of how the engine came to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.barge_in import Verdict, judge
from patter_cli.core.caller_turn import ENDLESS_VOICE_MS
from patter_cli.core.events import Ms
from patter_cli.core.tool_calls import END_CALL, PRESS_KEYS, TRANSFER_CALL
from patter_cli.engine.ready import ReadyAgent
from patter_cli.engine.tools import parse_arguments
from patter_cli.errors import BadArguments
from patter_cli.simulate.fuzz.case import Fault
from patter_cli.simulate.script import StepDone
from patter_cli.simulate.virtual.call import VirtualResult
from patter_cli.simulate.virtual.line import MUSIC, Sound, spoken_ms
from patter_cli.simulate.virtual.steps import Break, Mend, Wait
from patter_cli.simulate.virtual.vendors import Utterance
from patter_cli.simulate.virtual.world import Trouble
from patter_cli.text.compare import normalised_words

SILENCE_MS: Final = 4000
"""A caller hears something by then wherever it is the agent's turn. Source: SPEC, dead air."""
TOLD_MS: Final = 10_000
"""The same of one who was told to wait."""
STOPS_MS: Final = 700
"""An agent that is talked over is silent so long after its threshold."""
CUT_MS: Final = 200
"""What may be missing of a clause that was heard whole."""
HISTORY_WORDS: Final = 2
"""So many words about a cut may be counted otherwise than we do."""
EARS: Final = frozenset({Trouble.EARS_EMPTY, Trouble.EARS_FAIL, Trouble.EARS_HANG, Trouble.EARS_LATE})
VOICE: Final = frozenset({Trouble.VOICE_EMPTY, Trouble.VOICE_FAILS, Trouble.VOICE_HANGS, Trouble.VOICE_STALLS})
MODEL: Final = frozenset(
    {Trouble.MODEL_BREAKS_OFF, Trouble.MODEL_EMPTY, Trouble.MODEL_FAILS, Trouble.MODEL_HANGS, Trouble.MODEL_STALLS}
)
STOP_WORDS: Final = frozenset({"stop", "wait", "hello", "excuse", "no"})
"""Whoever begins with one of them, and goes on for a second, wants the floor."""
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"|[0-9]+")


@dataclass(frozen=True)
class Watched:
    """A played call, with what the rules ask of it. agent: as it was before on_call_start."""

    result: VirtualResult
    agent: ReadyAgent

    @cached_property
    def end(self) -> Ms:
        """Nothing is heard of the agent from here on."""
        moments = (self.result.handed_ms, self.result.ended_ms, self.result.over_ms)
        return min(each for each in moments if each is not None)

    @cached_property
    def speaks(self) -> list[tuple[Ms, order.Speak]]:
        return [(at, each) for at, each in self._orders if isinstance(each, order.Speak)]

    @cached_property
    def reports(self) -> list[tuple[Ms, order.ReportTranscript]]:
        return [(at, each) for at, each in self._orders if isinstance(each, order.ReportTranscript)]

    @cached_property
    def troubles(self) -> list[tuple[Trouble, Ms, Ms]]:
        """What was broken, from and to."""
        since: dict[Trouble, Ms] = {}
        found = []
        for done in self.result.steps:
            match done.step:
                case Break(trouble) if done.played:
                    since.setdefault(trouble, int(done.at_ms))
                case Mend(trouble) if trouble in since:
                    found.append((trouble, since.pop(trouble), int(done.at_ms)))
                case _:
                    pass
        return [*found, *((trouble, at, self.end) for trouble, at in since.items())]

    def troubled(self, kinds: frozenset[Trouble], start: Ms, end: Ms) -> bool:
        """Whether one of these was broken in a stretch."""
        return any(each in kinds and from_ms <= end and to_ms >= start for each, from_ms, to_ms in self.troubles)

    @cached_property
    def _orders(self) -> list[tuple[Ms, order.Command]]:
        return [(entry.at, each) for entry in self.result.entries for each in entry.commands]

    def ordered(self, kind: type[order.Command]) -> list[Ms]:
        """When an order of this kind was given."""
        return [at for at, each in self._orders if isinstance(each, kind)]

    @cached_property
    def last_words_ms(self) -> Ms:
        """From when on the agent says what nobody can stop: our own goodbye, or what precedes its hanging up."""
        hung_up = self.ordered(order.HangUp)
        if not hung_up:
            return self.end + 1
        last = [at for at, each in self.speaks if at <= hung_up[0]]
        return max(0, (last[-1] if last else hung_up[0]) - 15_000)

    def is_last(self, sound: Sound) -> bool:
        """This sound is the end of a reply that came whole."""
        if sound.played_ms < spoken_ms(sound.text) - CUT_MS:
            return False
        spoken = [at_each for at_each in self.speaks if at_each[1].text == sound.text and at_each[0] <= sound.start]
        if not spoken:
            return sound.number != MUSIC
        reply, clause = spoken[-1][1].response_id, spoken[-1][1].clause
        if any(each.response_id == reply and each.clause > clause for _, each in self.speaks):
            return False
        if any(isinstance(each, order.RunTool) and each.response_id == reply for _, each in self._orders):
            continued = [at for at, each in self._orders if isinstance(each, order.ContinueResponse)]
            if not any(at <= sound.start for at in continued):
                return False
        finished = fact.ResponseFinished, fact.ResponseFailed
        return any(isinstance(each.event, finished) and each.event.response_id == reply for each in self.result.entries)

    def floor_was_free(self, said: Utterance) -> bool:
        """The agent had said all it had to say, and nobody has said anything since."""
        sounds = [each for each in self.result.sounds if each.start < said.end]
        if not sounds or sounds[-1].end > said.start - 400 or not self.is_last(sounds[-1]):
            return False
        if self._still_made(sounds[-1], said.start):
            return False
        replies = order.StartResponse, order.AdoptResponse, order.ReadOut
        if any(isinstance(each, replies) and sounds[-1].start < at <= said.start for at, each in self._orders):
            return False  # something is being answered already
        others = [each.end for each in self.result.utterances if each.start < said.start]
        return all(at < sounds[-1].end for at in (*others, *(key for key in self.result.keys if key < said.end)))

    def _still_made(self, sound: Sound, at_ms: Ms) -> bool:
        """Whether more of the reply that a sound is of was to come at a moment."""
        its = self._clause_of(sound)
        finished = fact.ResponseFinished, fact.ResponseFailed
        return its is not None and any(
            isinstance(each.event, finished) and each.event.response_id == its[0] and each.at > at_ms
            for each in self.result.entries
        )

    @cached_property
    def instances(self) -> list[Sound]:
        """What was heard, a clause each: one that was resumed is one."""
        heard: list[Sound] = []
        for each in self.result.sounds:
            if each.number == MUSIC:
                continue
            last = heard[-1] if heard else None
            if last is not None and last.number == each.number and self._goes_on(last, each):
                into = max(last.played_ms, each.played_ms)
                heard[-1] = Sound(each.text, each.number, 0, last.start, last.start + into)
            else:
                heard.append(Sound(each.text, each.number, 0, each.start, each.start + each.played_ms))
        return heard

    def _goes_on(self, last: Sound, sound: Sound) -> bool:
        """Whether this is more of a clause that stopped; one that had hardly begun goes on from its beginning."""
        if sound.from_ms > 0:
            return sound.from_ms <= last.played_ms
        whole = last.played_ms >= spoken_ms(last.text) - CUT_MS
        return not whole and self._clause_of(last) == self._clause_of(sound) is not None

    def _clause_of(self, sound: Sound) -> tuple[int, int] | None:
        """Whose sound it is, reply and clause: of those with its text the one that began last before it."""
        its = {(each.response_id, each.clause) for _, each in self.speaks if each.text == sound.text}
        begun = [
            (entry.event.response_id, entry.event.clause)
            for entry in self.result.entries
            if isinstance(entry.event, fact.PlayoutStarted) and entry.at <= sound.start
        ]
        return next((each for each in reversed(begun) if each in its), None)


def dead_air(call: Watched) -> Iterator[Fault]:
    """Nobody is left in silence where it is the agent's turn."""
    result, lines = call.result, call.agent.plan.lines
    told = (lines.filler, lines.still_working)
    stretches: list[tuple[Ms, Ms, bool | None, str]] = [(at, at, True, "a key") for at in result.keys]
    for said in result.utterances:
        deaf = call.troubled(EARS, said.start - 2000, said.end + 3000) and not said.words
        words = " ".join(word for _, word in said.words)
        owes = True if any(map(str.isalnum, words)) and not deaf else None
        if call.troubled(frozenset({Trouble.EARS_EMPTY, Trouble.EARS_FAIL}), said.start - 2000, said.end + 3000):
            owes = None
        if said.end - said.start > ENDLESS_VOICE_MS and call.troubled(EARS, said.start, said.end):
            owes = None  # without a word it is a noise
        stretches.append((said.start, said.end, owes, f"the caller's {words[:40]!r}"))
    for sound in result.sounds:
        stretches.append((sound.start, sound.end, not call.is_last(sound), f"{sound.text[:40]!r}"))
    stretches += [(start, end, False, "ringing") for start, end in result.rings]
    hums = {
        f"the caller's {' '.join(word for _, word in each.words)[:40]!r}" for each in result.utterances if _hums(each)
    }
    greets = bool(call.agent.plan.first_message.strip())
    quiet_from, turn_end, owed, limit, after = 0, 0, greets, SILENCE_MS, "the beginning"
    over = (call.end, call.end, None, "the end")
    for start, end, owes, what in (*sorted((s for s in stretches if s[0] < call.end), key=lambda s: s[:2]), over):
        if owed and start - quiet_from > limit:
            kind = "told" if limit == TOLD_MS else "silence"
            seconds = (start - quiet_from) / 1000
            yield Fault(rule="silence", kind=kind, what=f"{seconds:.1f} s of silence after {after}", at_ms=quiet_from)
        quiet_from = max(quiet_from, end)
        if limit == TOLD_MS and what in hums:
            continue  # "one moment, please" - "okay"
        if owes is not None and end >= turn_end:
            turn_end, owed, after = end, owes, what
            limit = TOLD_MS if any(what == f"{each[:40]!r}" for each in told) else SILENCE_MS


def _hums(said: Utterance) -> bool:
    """It says that one listens, and asks for nothing."""
    return judge(" ".join(word for _, word in said.words)) is not Verdict.REAL


def it_ends(call: Watched) -> Iterator[Fault]:
    """The engine is done with a call soon after its line is closed, and hangs up on who is silent for ever."""
    result, pace = call.result, call.agent.plan.pace
    if not result.over:
        yield Fault(rule="end", kind="engine", what=f"the engine never finished: {result.reason}", at_ms=call.end)
    patience_ms = (pace.idle_ms + 6000) * (pace.idle_asks + 1) + 40_000
    for done in result.steps:
        waited = isinstance(done.step, Wait) and done.played and done.step.ms >= patience_ms
        if waited and isinstance(done.step, Wait) and done.at_ms <= call.end:
            what = f"a caller who said nothing for {done.step.ms / 1000:.0f} s is still on the line"
            yield Fault(rule="end", kind="silent caller", what=what, at_ms=int(done.at_ms))


def history_is_what_was_heard(call: Watched) -> Iterator[Fault]:
    """The history has the agent's words as far as they were heard, and no others."""
    heard: list[str] = []
    for each in call.instances:
        heard += each.words.split()
    told: list[str] = []
    for line in call.result.history:
        if line["role"] == "assistant":
            told += line["text"].split()
    for wrong, missing in _differences(told, heard):
        if len(wrong) > HISTORY_WORDS:
            yield Fault(rule="history", kind="unheard", what=f"nobody heard {' '.join(wrong)[:80]!r}", at_ms=call.end)
        if len(missing) > HISTORY_WORDS:
            what = f"it lacks what was heard: {' '.join(missing)[:80]!r}"
            yield Fault(rule="history", kind="lacks", what=what, at_ms=call.end)


def _differences(told: list[str], heard: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Where two lists of words differ: what the one has there, and the other. A clean pair costs one comparison."""
    if told == heard:
        return
    import difflib

    matcher = difflib.SequenceMatcher(None, told, heard, autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag != "equal":
            yield told[i1:i2], heard[j1:j2]


def last_words_are_heard(call: Watched) -> Iterator[Fault]:
    """The agent neither hangs up nor puts a caller through before what it said last was heard."""
    for kind, name in ((order.HangUp, "hung up"), (order.Transfer, "put the caller through")):
        for at in call.ordered(kind)[:1]:
            said = [each for each in call.speaks if each[0] <= at]
            if not said or call.troubled(VOICE, at - 20_000, at):
                continue
            talked_over = [each for each in call.result.utterances if each.start <= at and each.end >= said[-1][0]]
            if talked_over or any(said[-1][0] <= key <= at for key in call.result.keys):
                continue
            text = said[-1][1].text
            whole = any(
                each.text == text and each.played_ms >= spoken_ms(text) - CUT_MS and each.start >= said[-1][0]
                for each in call.instances
            )
            if not whole:
                yield Fault(rule="goodbye", kind=name, what=f"it {name} before {text[:60]!r} was heard", at_ms=at)


def it_stops_when_talked_over(call: Watched) -> Iterator[Fault]:
    """Who says "stop" or "wait" over the agent, and goes on, is not talked over."""
    threshold = call.agent.plan.pace.barge_in_threshold_ms
    if not threshold or call.ordered(order.KeepFloor):
        return
    lines = call.agent.plan.lines
    last = (
        lines.trouble,
        lines.goodbye,
        lines.idle_goodbye,
        lines.drain_goodbye,
        lines.time_goodbye,
        lines.cost_goodbye,
    )
    for said in call.result.utterances:
        if not _wants_floor(said) or said.end >= call.last_words_ms:
            continue
        silent_from = said.start + threshold + STOPS_MS
        for sound in call.result.sounds:
            if any(sound.text in each for each in last):
                continue  # who hangs up before the end of it has not heard that nobody can stop it
            if sound.number != MUSIC and sound.start < said.start and sound.end > max(silent_from, sound.start + 1):
                over_ms = min(sound.end, said.end) - said.start
                if sound.end > silent_from and over_ms > threshold + STOPS_MS:
                    what = f"it talked on for {over_ms} ms over the caller's {said.words[0][1]!r}"
                    yield Fault(rule="barge-in", kind="talks on", what=what, at_ms=said.start)


def _wants_floor(said: Utterance) -> bool:
    words = [word.strip(".,!?").lower() for _, word in said.words]
    return len(words) >= 3 and words[0] in STOP_WORDS and said.end - said.start >= 1200


def no_words_are_lost(call: Watched) -> Iterator[Fault]:
    """What the caller said is in the history, whoever was talking."""
    told = [
        word
        for line in call.result.history
        if line["role"] == "user"
        for word in normalised_words(line["text"])
    ]  # fmt: skip
    for said in call.result.utterances:
        spoken = " ".join(word for _, word in said.words)
        words = normalised_words(spoken)
        if any(spoken in line["text"] for line in call.result.history if line["role"] == "user"):
            continue  # what words with signs become depends on what stands beside them
        if len(words) < 2 or not (_wants_floor(said) or call.floor_was_free(said)):
            continue
        if call.troubled(EARS, said.start - 3000, said.end + 6000):
            continue
        if said.end + 5000 > min(call.end, call.last_words_ms):
            continue
        if any(start < said.end + 3000 and end > said.start - 6000 for start, end in call.result.rings):
            continue
        if not call.ordered(order.KeepFloor) and not _within(told, words):
            what = f"the caller's {' '.join(words)[:60]!r} are in no history"
            yield Fault(rule="lost words", kind="lost", what=what, at_ms=said.start)


def _within(all_words: list[str], words: list[str]) -> bool:
    return any(all_words[at : at + len(words)] == words for at in range(len(all_words) - len(words) + 1))


def nothing_is_said_twice(call: Watched) -> Iterator[Fault]:
    """One turn has one answer: the same sentence does not come again before the caller has said anything."""
    lines = set(call.agent.plan.lines.texts())
    turns = [at for at, each in call.reports if each.role == "user"]  # words may be known seconds after they were said
    for before, each in zip(call.instances, call.instances[1:], strict=False):
        long_enough = len(each.text.split()) > 2
        if before.text != each.text or not long_enough or any(each.text in line for line in lines):
            continue
        moved = [*call.result.keys, *(said.start for said in call.result.utterances)]
        moved += [said.end for said in call.result.utterances]
        moved += [at for at in turns if at > before.start]
        if not any(before.start - 1500 <= at <= each.start for at in moved) and each.start - before.end < 3000:
            yield Fault(rule="twice", kind="said", what=f"it said {each.text[:60]!r} twice", at_ms=each.start)


def tools_are_called_as_the_file_allows(call: Watched) -> Iterator[Fault]:
    """Each tool that is asked for exists, takes what it is given, runs once for each time it is asked, and one that
    does something is not asked for the same twice in one turn."""
    tools, result = call.agent.tools, call.result
    asked: dict[str, int] = {}
    turn: set[tuple[str, str]] = set()
    for entry in result.entries:
        for command in entry.commands:
            if isinstance(command, order.ReportTranscript) and command.role == "user":
                turn.clear()
            if not isinstance(command, order.RunTool) or command.name in (END_CALL, TRANSFER_CALL, PRESS_KEYS):
                continue
            name, arguments = command.name, command.arguments
            asked[name] = asked.get(name, 0) + 1
            tool = tools.get(name)
            if tool is None:
                yield Fault(rule="tool", kind=f"unknown {name}", what=f"there is no tool {name!r}", at_ms=entry.at)
                continue
            try:
                tool.accepts.check(parse_arguments(arguments))
            except BadArguments as error:
                what = f"{name} cannot be called with {arguments[:80]}: {error}"
                yield Fault(rule="tool", kind=f"arguments of {name}", what=what, at_ms=entry.at)
            if (name, arguments) in turn and not tool.idempotent:
                what = f"{name} was asked for twice in one turn with {arguments[:80]}"
                yield Fault(rule="tool", kind=f"again {name}", what=what, at_ms=entry.at)
            turn.add((name, arguments))
    runs: dict[str, int] = {}
    for run in result.tool_runs:
        runs[run.name] = runs.get(run.name, 0) + 1
        if runs[run.name] > asked.get(run.name, 0):
            what = f"{run.name} ran more often than it was asked for"
            yield Fault(rule="tool", kind=f"runs of {run.name}", what=what, at_ms=run.at_ms)


def guardrails_hold(call: Watched) -> Iterator[Fault]:
    """No blocked word is heard."""
    heard = [(each, normalised_words(each.words)) for each in call.instances] if call.agent.plan.blocked else []
    for rule in call.agent.plan.blocked:
        replaced = rule.replacement.casefold()
        terms = [(each, normalised_words(each)) for each in rule.terms]
        for each, words in heard:
            for term, its_words in terms:
                if _within(words, its_words) and each.text.casefold() not in replaced:
                    what = f"{term!r} was heard, which {rule.name} forbids"
                    yield Fault(rule="guardrail", kind=rule.name, what=what, at_ms=each.start)


def the_authors_code_works(call: Watched) -> Iterator[Fault]:
    """Callbacks, rules and tools raise nothing and come back in time; what is refused was not asked for."""
    for words in call.result.errors:
        kind = _QUOTED.sub("…", words)[:120]
        yield Fault(rule="code", kind=kind, what=words[:300], at_ms=call.end)
    for entry in call.result.entries:
        match entry.event:
            case fact.ResponseFailed(provider=provider, message=message):
                if provider != "virtual" and not call.troubled(MODEL, entry.at - 60_000, entry.at):
                    kind = f"reply: {_QUOTED.sub('…', message)[:100]}"
                    yield Fault(rule="code", kind=kind, what=f"no reply: {message[:200]}", at_ms=entry.at)
            case _:
                pass


def it_has_an_answer(call: Watched) -> Iterator[Fault]:
    """Whatever a caller says, the agent has words for it."""
    for each in call.instances:
        unwell = call.troubled(MODEL | VOICE, each.start - 40_000, each.start)
        if each.text in call.agent.plan.lines.no_answer and not unwell:
            yield Fault(rule="answer", kind="none", what="it had no words for what the caller said", at_ms=each.start)


RULES: Final[Mapping[str, Callable[[Watched], Iterator[Fault]]]] = {
    "code": the_authors_code_works,
    "tool": tools_are_called_as_the_file_allows,
    "guardrail": guardrails_hold,
    "end": it_ends,
    "silence": dead_air,
    "barge-in": it_stops_when_talked_over,
    "goodbye": last_words_are_heard,
    "history": history_is_what_was_heard,
    "lost words": no_words_are_lost,
    "twice": nothing_is_said_twice,
    "answer": it_has_an_answer,
}
"""In the order in which they are asked: what says most of a cause comes first."""


def faults_of(call: Watched) -> list[Fault]:
    """Whatever did not hold, one of each identity, in the order of RULES and then of time."""
    found: dict[tuple[str, str], Fault] = {}
    for rule in RULES.values():
        for each in rule(call):
            found.setdefault(each.identity, each)
    return list(found.values())


def step_of(result: VirtualResult, at_ms: Ms) -> StepDone | None:
    """What had happened last at a moment."""
    return next((each for each in reversed(result.steps) if each.at_ms <= at_ms), None)
