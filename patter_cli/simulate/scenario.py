"""A scenario: a conversation written down as a TOML file beside its agent, with what must come of it.

agent = "receptionist"

[variables]                       # {name} in any text below; `--set name=…` says another
name = "Anna Brown"

[line]                            # what is between the caller and us
quality = "mobile"                # a name of QUALITIES; seed = 1

[[human]]                         # who can be reached when the agent transfers
number = "+12025550142"
says = ["Front desk."]            # one line after the other; or: refuses = "busy"

[[step]]                          # one of ACTIONS
say = "My name is {name}."
expect = "which day"              # what must come in answer: see ANSWERS
within_ms = 2000                  # the longest wait for its voice

[expect]                          # of the whole call: see WHOLE
reason = "transferred"

A scenario with a [virtual] table is played by text, on virtual time; it has more steps: see virtual.in_file.
Every key and what it means: docs/scenarios.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from patter_cli.agent import E164, HangUp, Interrupt, Press, Say
from patter_cli.core.outcome import Outcome
from patter_cli.errors import InputError, reason
from patter_cli.simulate.line import QUALITIES
from patter_cli.simulate.scenario_table import ACTIONS, ANSWERS, ScenarioTable, meant
from patter_cli.simulate.script import Voice, play_wav
from patter_cli.simulate.steps import ScriptStep, StaySilent, Wait, WaitFor
from patter_cli.simulate.switchboard import Human
from patter_cli.simulate.virtual import in_file
from patter_cli.simulate.written import Expected as Expected
from patter_cli.simulate.written import PlayedCaller, WantedTool
from patter_cli.simulate.written import Scenario as Scenario
from patter_cli.simulate.written import ScenarioStep as ScenarioStep
from patter_cli.simulate.written import WrittenHuman as WrittenHuman
from patter_cli.text.compare import normalised_words
from patter_cli.toml_text import TomlMistakeError, read_toml

REFUSALS: Final = ("busy", "no answer")
"""Why a human of a scenario may not be reached."""

_KEYS: Final = frozenset("0123456789*#")


def load_scenario(path: Path, variables: Mapping[str, str] | None = None) -> Scenario:
    """Read a scenario and the recordings it names, which lie beside it. variables: in place of the file's own.

    Raises InputError with the file, the line, the table and the key for whatever is not as it should be.
    """
    try:
        written = read_toml(path.read_bytes())
    except OSError as error:
        hint = "name a scenario file, as agents/receptionist.toml"
        raise InputError(f"cannot read {path}: {reason(error)}", hint=hint) from error
    except TomlMistakeError as error:
        raise InputError(
            f"{path}:{error.line}: {error}", hint="a text stands in quotes, a table in brackets"
        ) from error
    filled = _variables(ScenarioTable(str(path), written, (), written.table).table("variables"), variables or {})
    whole = ScenarioTable(str(path), written, (), written.table, filled)
    whole.table("variables")
    agent = whole.text("agent")
    caller_table = whole.table("caller")
    caller = _caller(caller_table) if whole.has("caller") else None
    steps = [_step(each, path.parent) for each in whole.tables("step")]
    humans = [_human(each) for each in whole.tables("human")]
    line, expect, virtual = whole.table("line"), whole.table("expect"), whole.table("virtual")
    quality = line.text("quality") or "clean"
    if quality not in QUALITIES:
        raise line.wrong("quality", f"is {quality!r}", meant(quality, QUALITIES))
    scenario = Scenario(
        name=str(path),
        agent=agent,
        steps=tuple(steps),
        humans=tuple(humans),
        caller=caller,
        expected=_expected(expect),
        quality=quality,
        seed=line.number("seed") or 0,
        virtual=in_file.read_world(virtual) if whole.has("virtual") else None,
    )
    for table in (line, expect, virtual, whole):
        table.finish()
    if not steps and caller is None:
        raise InputError(f"{path}: there is no step in it", hint='write: [[step]] and below it: say = "Hello."')
    return scenario


def written_human(text: str) -> WrittenHuman:
    """Somebody from the command line: "+12025550142=Front desk.", or "=busy". Raises InputError."""
    number, equals, words = (each.strip() for each in text.partition("="))
    if not equals or not E164.fullmatch(number):
        raise InputError(f"--human {text!r} names no number", hint="--human '+12025550142=Front desk, hello.'")
    if words in REFUSALS:
        return WrittenHuman(number=number, refuses=words)
    if not normalised_words(words):
        raise InputError(f"--human {text!r} says nothing", hint=f"--human '{number}=Front desk.' or '{number}=busy'")
    return WrittenHuman(number=number, says=(words,))


async def voiced(humans: Sequence[WrittenHuman], voice: Voice) -> list[Human]:
    """The people of a scenario, their lines spoken to memory. Raises what the voice raises."""
    return [
        Human(number=each.number, lines=tuple([await voice(text) for text in each.says]), refuses=each.refuses)
        for each in humans
    ]


def _variables(table: ScenarioTable, given: Mapping[str, str]) -> dict[str, str] | None:
    """What names in braces stand for; None where nobody gave any, and braces are only braces. A name that the file
    does not have is a variable as well: one command may set what several files want."""
    own: dict[str, str] = {}
    for name, value in table.values().items():
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise table.wrong(name, f"is {value!r}, not a text", f'{name} = "…"')
        own[name] = str(value)
    return {**own, **given} if own or given else None


def _caller(table: ScenarioTable) -> PlayedCaller:
    persona, goal, turns = table.text("persona"), table.text("goal"), table.number("max_turns")
    table.finish()
    if not persona or not goal:
        missing = "goal" if persona else "persona"
        raise table.lacks(f"has no {missing}", 'persona = "Anna, in a hurry" and goal = "book a check-up"')
    if turns == 0:
        raise table.wrong("max_turns", "is 0, and nobody would say anything", "max_turns = 20")
    return (
        PlayedCaller(persona=persona, goal=goal)
        if turns is None
        else PlayedCaller(persona=persona, goal=goal, max_turns=turns)
    )


def _step(table: ScenarioTable, folder: Path) -> ScenarioStep:
    chosen = table.has(*ACTIONS)
    if len(chosen) > 1:
        raise table.lacks(f"does {' and '.join(chosen)} at once", "a [[step]] for each")
    if not chosen:
        table.finish(*ACTIONS, "after_ms", "after_words", *ANSWERS)
        raise table.lacks("does nothing", 'say = "…", interrupt = "…", press = "1", wait_ms = 500, … or hang_up = true')
    does = _action(table, chosen[0], folder)
    if isinstance(does, HangUp):
        table.finish()
        return ScenarioStep(does=does, lines=table.lines())
    step = ScenarioStep(
        does=does,
        expect=table.words("expect"),
        exactly=table.words("exactly"),
        matches=table.patterns("matches"),
        never=table.words("never"),
        judge=table.words("judge"),
        within_ms=table.number("within_ms"),
        tools=_tools(table),
        keys=_pressed(table, "keys"),
        lines=table.lines(),
    )
    table.finish()
    return step


def _action(table: ScenarioTable, action: str, folder: Path) -> ScriptStep:
    match action:
        case "say":
            return Say(table.spoken("say"))
        case "interrupt":
            text, after_ms, words = table.spoken("interrupt"), table.number("after_ms"), table.spoken("after_words")
            if words and after_ms is not None:
                raise table.lacks("cuts in after_ms and after_words, two moments", 'one of them: after_words = "…"')
            if words:
                return Interrupt(text, after_words=words)
            return Interrupt(text) if after_ms is None else Interrupt(text, after_ms=after_ms)
        case "press":
            return Press(_pressed(table, "press"))
        case "wav":
            try:
                return play_wav(folder / table.text("wav"))
            except InputError as error:
                raise InputError(f"{table.where('wav')} {error}", hint=error.hint) from error
        case "wait_ms":
            return Wait(table.number("wait_ms") or 0)
        case "silent_ms":
            return StaySilent(table.number("silent_ms") or 0)
        case "wait_for":
            words, within_ms = table.spoken("wait_for"), table.number("within_ms")
            return WaitFor(words) if within_ms is None else WaitFor(words, within_ms=within_ms)
        case timeless if timeless in in_file.ACTIONS:
            return in_file.read_step(table, timeless)
        case _:
            if not table.true("hang_up"):
                raise table.wrong("hang_up", "says nothing", "hang_up = true, or leave the [[step]] out")
            return HangUp()


def _pressed(table: ScenarioTable, key: str) -> str:
    digits = table.text(key)
    if not _KEYS.issuperset(digits):
        raise table.wrong(key, f"is {digits!r}", f'keys are 0-9, * and #: {key} = "1"')
    return digits


def _tools(table: ScenarioTable) -> tuple[WantedTool, ...]:
    return tuple(
        WantedTool(name=each) if isinstance(each, str) else _tool(each) for each in table.texts_or_tables("tool")
    )


def _tool(table: ScenarioTable) -> WantedTool:
    arguments = table.table("arguments")
    tool = WantedTool(
        name=table.text("name"),
        arguments=arguments.values(),
        result=table.spoken("result"),
        times=table.number("times"),
    )
    table.finish()
    if not tool.name:
        raise table.lacks("has no name", 'name = "book_appointment"')
    return tool


def _human(table: ScenarioTable) -> WrittenHuman:
    human = WrittenHuman(number=table.text("number"), says=table.words("says"), refuses=table.text("refuses"))
    table.finish()
    if not E164.fullmatch(human.number):
        raise table.wrong("number", f"is {human.number!r}", 'number = "+12025550142"')
    if bool(human.says) == bool(human.refuses):
        raise table.lacks("needs says or refuses, one of them", 'says = "Front desk." or refuses = "busy"')
    if human.refuses and human.refuses not in REFUSALS:
        raise table.wrong("refuses", f"is {human.refuses!r}", meant(human.refuses, REFUSALS))
    return human


def _expected(table: ScenarioTable) -> Expected:
    return Expected(
        reason=table.text("reason"),
        outcome=_outcome(table),
        says=table.words("says"),
        exactly=table.words("exactly"),
        matches=table.patterns("matches"),
        never=table.words("never"),
        judge=table.words("judge"),
        tools=_tools(table),
        keys=_pressed(table, "keys"),
        transfer=_transfer(table),
        max_ttfa_ms=table.number("max_ttfa_ms"),
        p50_ms=table.number("p50_ms"),
        p95_ms=table.number("p95_ms"),
        max_silence_ms=table.number("max_silence_ms"),
        interruptions=table.number("interruptions"),
        max_interruptions=table.number("max_interruptions"),
        max_duration_ms=table.number("max_duration_ms"),
        max_cost_usd=table.amount("max_cost_usd"),
        always=table.true("always"),
        lines=table.lines(),
    )


def _transfer(table: ScenarioTable) -> str | None:
    """A number, or "none", which is "" here."""
    number = table.text("transfer")
    if number and number != "none" and not E164.fullmatch(number):
        raise table.wrong("transfer", f"is {number!r}", 'transfer = "+12025550142" or transfer = "none"')
    return {"": None, "none": ""}.get(number, number)


def _outcome(table: ScenarioTable) -> Outcome | None:
    word = table.text("outcome")
    known = [each.value for each in Outcome]
    if word and word not in known:
        raise table.wrong("outcome", f"is {word!r}", meant(word, known))
    return Outcome(word) if word else None
