"""Scenario files: what may stand in them, and how a mistake is explained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from patter_cli.agent import HangUp, Interrupt, Press, Say
from patter_cli.audio.frame import Samples
from patter_cli.audio.tone import dtmf
from patter_cli.audio.wav import write_wav
from patter_cli.core.outcome import Outcome
from patter_cli.errors import InputError
from patter_cli.simulate.scenario import (
    Expected,
    Scenario,
    ScenarioStep,
    WrittenHuman,
    load_scenario,
    voiced,
    written_human,
)
from patter_cli.simulate.script import Play

FULL = """
agent = "receptionist"

[line]
quality = "mobile"
seed = 7

[[human]]
number = "+12025550142"
says = ["Front desk.", "Goodbye."]

[[human]]
number = "+12025550143"
refuses = "busy"

[[step]]
say = "What are your opening hours?"
expect = "nine until five thirty"
within_ms = 1500

[[step]]
interrupt = "Stop."
after_ms = 900
expect = ["sixty dollars", "check-up"]

[[step]]
interrupt = "Wait."

[[step]]
press = "1#"

[[step]]
wav = "caller.wav"

[[step]]
hang_up = true

[expect]
reason = "transferred"
outcome = "answered"
says = "opening hours"
never = ["sorry", "robot"]
max_ttfa_ms = 900
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "talk.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_whole_scenario_is_read(tmp_path: Path) -> None:
    """Every key has its place; a recording lies beside the file."""
    write_wav(tmp_path / "caller.wav", dtmf("5", 8000), 8000)
    scenario = load_scenario(written(tmp_path, FULL))
    played = scenario.steps[4].does
    assert isinstance(played, Play)
    assert len(played.samples) == 1600
    assert scenario == Scenario(
        name=str(tmp_path / "talk.toml"),
        agent="receptionist",
        quality="mobile",
        seed=7,
        humans=(
            WrittenHuman(number="+12025550142", says=("Front desk.", "Goodbye.")),
            WrittenHuman(number="+12025550143", refuses="busy"),
        ),
        steps=(
            ScenarioStep(does=Say("What are your opening hours?"), expect=("nine until five thirty",), within_ms=1500),
            ScenarioStep(does=Interrupt("Stop.", after_ms=900), expect=("sixty dollars", "check-up")),
            ScenarioStep(does=Interrupt("Wait.")),
            ScenarioStep(does=Press("1#")),
            scenario.steps[4],
            ScenarioStep(does=HangUp()),
        ),
        expected=Expected(
            reason="transferred",
            outcome=Outcome.ANSWERED,
            says=("opening hours",),
            never=("sorry", "robot"),
            max_ttfa_ms=900,
        ),
    )


def test_a_small_scenario_is_enough(tmp_path: Path) -> None:
    """One step; the line is then clean and nothing in particular is expected."""
    scenario = load_scenario(written(tmp_path, '[[step]]\nsay = "Hello."\n'))
    assert scenario.steps == (ScenarioStep(does=Say("Hello.")),)
    assert (scenario.agent, scenario.quality, scenario.humans, scenario.expected) == ("", "clean", (), Expected())


STEP = '[[step]]\nsay = "Hello."\n'


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("agent = ", ":1: this is no TOML: there is no value", "quotes"),
        ("", "no step", "[[step]]"),
        (f'agnet = "x"\n{STEP}', "'agnet' is not a key here", "'agent'"),
        (f"agent = 5\n{STEP}", "agent is a number, not a text", "agent ="),
        (f'agent = ""\n{STEP}', "agent is empty", "leave it out"),
        ('[step]\nsay = "Hello."', "step is not a list of tables", "[[step]]"),
        ('step = ["hello"]', "step is not a list of tables", "[[step]]"),
        ("[[step]]", "[[step]] 1: does nothing", "hang_up = true"),
        (f'{STEP}[[step]]\nsya = "Hello."', "[[step]] 2: 'sya' is not a key here", "'say'"),
        ("[[step]]\nsay = 5", "[[step]] 1: say is a number", "say ="),
        ('[[step]]\nsay = " "', "say is empty", "say ="),
        ('[[step]]\nsay = "..."', "say has no words", "what is said"),
        ('[[step]]\nsay = "日本語"', "say has no words", "what is said"),
        ('[[step]]\ninterrupt = "Стоп"', "interrupt has no words", "what is said"),
        ('[[step]]\nsay = "a"\npress = "1"', "does say and press at once", "[[step]]"),
        ('[[step]]\nsay = "a"\nafter_ms = 5', "'after_ms' is not a key here", "in a [[step]] with interrupt"),
        ('[[step]]\ninterrupt = "a"\nafter_ms = "5"', "after_ms is '5', not a whole number", "1500"),
        ('[[step]]\ninterrupt = "a"\nafter_ms = -5', "after_ms is -5", "1500"),
        ('[[step]]\ninterrupt = "a"\nafter_ms = true', "after_ms is True", "1500"),
        ('[[step]]\npress = "12x"', "press is '12x'", "0-9"),
        ("[[step]]\nhang_up = false", "hang_up is False", "true"),
        ('[[step]]\nhang_up = true\nexpect = "a"', "'expect' is not a key here", "that gets an answer"),
        ('[[step]]\nwav = "missing.wav"', "missing.wav", ""),
        ('[[step]]\nsay = "a"\nexpect = ["b", 5]', "expect has a number where a text belongs", "expect ="),
        ('[[step]]\nsay = "a"\nexpect = "?"', "expect has no words", "expect ="),
        (f'{STEP}[[human]]\nnumber = "0800"\nsays = "a"', "[[human]] 1: number is '0800'", "+1"),
        (f'{STEP}[[human]]\nnumber = "+12025550142"', "needs says or refuses", "says ="),
        (f'{STEP}[[human]]\nnumber = "+12025550142"\nsays = "a"\nrefuses = "busy"', "needs says or refuses", "says ="),
        (f'{STEP}[[human]]\nnumber = "+12025550142"\nrefuses = "bussy"', "refuses is 'bussy'", "'busy'"),
        (f'{STEP}[line]\nquality = "mobil"', "[line]: quality is 'mobil'", "'mobile'"),
        (f"{STEP}[line]\nnoise = 3", "'noise' is not a key here", "quality"),
        (f'{STEP}[expect]\nresaon = "x"', "[expect]: 'resaon' is not a key here", "'reason'"),
        (f'{STEP}[expect]\noutcome = "anwsered"', "[expect]: outcome is 'anwsered'", "'answered'"),
        (f'{STEP}[expect]\noutcome = "won"', "[expect]: outcome is 'won'", "known: answered"),
        (f'expect = "x"\n{STEP}', "expect is a text, not a table", "[expect]"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_key(tmp_path: Path, text: str, says: str, hint: str) -> None:
    """The file, the table, the key, and what to write instead."""
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load_scenario(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value) or "missing.wav" in str(caught.value)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        (f'{STEP}\n[[step]]\nsya = "Hello."', ":5: [[step]] 2: 'sya' is not a key here", "did you mean 'say'?"),
        (f'{STEP}[[step]]\nsay = "a"\nexpekt = "b"', ":5: [[step]] 2: 'expekt'", "did you mean 'expect'?"),
        (f"{STEP}witin_ms = 5", ":3: [[step]] 1: 'witin_ms'", "did you mean 'within_ms'?"),
        (f'{STEP}[line]\n\nqualty = "bad"', ":5: [line]: 'qualty'", "did you mean 'quality'?"),
        (f'{STEP}[line]\nquality = "mobil"', ":4: [line]: quality is 'mobil'", "did you mean 'mobile'?"),
        (f'{STEP}[[human]]\nnumber = "+12025550142"\nsay = "a"', ":5: [[human]] 1: 'say'", "did you mean 'says'?"),
        (f'{STEP}[expect]\noutcome = "answered"\nresaon = "x"', ":5: [expect]: 'resaon'", "did you mean 'reason'?"),
        (f'# mine\nagnet = "x"\n{STEP}', ":2: 'agnet' is not a key here", "did you mean 'agent'?"),
        (f'{STEP}[[steps]]\nsay = "x"', ":3: 'steps' is not a key here", "did you mean 'step'?"),
        (f'{STEP}[[step]]\nwav = "no.wav"', ":4: [[step]] 2: cannot read ", ""),
        (f"{STEP}[[step]]\n", ":3: [[step]] 2: does nothing", "hang_up"),
        (f'{STEP}[expect]\nsays = [\n  "ok",\n  5,\n]', ":4: [expect]: says has a number", "says ="),
        (f'{STEP}within_ms = "soon"', ":3: [[step]] 1: within_ms is 'soon'", "1500"),
        (f"{STEP}[[step]]\nsay = Hello", ":4: this is no TOML: there is no value", "quotes"),
        (f"{STEP}[[step]]\nsay Hello", ":4: this is no TOML: a key wants = ", "quotes"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, place: str, hint: str) -> None:
    """Where one looks for it, and the nearest right word."""
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load_scenario(path)
    assert str(caught.value).startswith(f"{path}{place}")
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "place", "home"),
    [
        (f'say = "Hello."\n{STEP}', ":1: 'say'", "in a [[step]]"),
        (f'press = "1"\n{STEP}', ":1: 'press'", "in a [[step]]"),
        (f'quality = "bad"\n{STEP}', ":1: 'quality'", "in [line]"),
        (f"seed = 3\n{STEP}", ":1: 'seed'", "in [line]"),
        (f'number = "+12025550142"\n{STEP}', ":1: 'number'", "in a [[human]]"),
        (f"max_ttfa_ms = 900\n{STEP}", ":1: 'max_ttfa_ms'", "in [expect]"),
        (f'says = "open"\n{STEP}', ":1: 'says'", "in a [[human]] or in [expect]"),
        (f'{STEP}agent = "desk"', ":3: [[step]] 1: 'agent'", "above the first table"),
        (f'{STEP}transfer = "none"', ":3: [[step]] 1: 'transfer'", "in [expect]"),
        (f'{STEP}goal = "book"', ":3: [[step]] 1: 'goal'", "in [caller]"),
        (f"{STEP}times = 2", ":3: [[step]] 1: 'times'", "in a tool"),
        (f'{STEP}reason = "agent"', ":3: [[step]] 1: 'reason'", "in [expect]"),
        (f"{STEP}[expect]\nwithin_ms = 900", ":4: [expect]: 'within_ms'", "in a [[step]] that gets an answer"),
        (f"{STEP}[line]\nafter_ms = 900", ":4: [line]: 'after_ms'", "in a [[step]] with interrupt"),
        (f"{STEP}within_ms = 900\nafter_ms = 5", ":4: [[step]] 1: 'after_ms'", "in a [[step]] with interrupt"),
    ],
)
def test_a_key_that_stands_in_the_wrong_place_is_told_where_it_belongs(
    tmp_path: Path, text: str, place: str, home: str
) -> None:
    """It is spelt right, so no other spelling is offered."""
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load_scenario(path)
    assert str(caught.value).startswith(f"{path}{place}")
    assert caught.value.hint == f"it belongs {home}"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Said by its name."""
    with pytest.raises(InputError, match=r"nothing\.toml"):
        load_scenario(tmp_path / "nothing.toml")


async def test_humans_get_their_voice_before_the_call() -> None:
    """Each line is spoken once, to memory; who refuses needs none."""
    spoken: list[str] = []

    async def voice(text: str) -> Samples:
        spoken.append(text)
        return np.full(len(text), 5, np.int16)

    talks, refuses = await voiced(
        [WrittenHuman(number="+1202555", says=("a", "bcd")), WrittenHuman(number="+1203555", refuses="busy")], voice
    )
    assert spoken == ["a", "bcd"]
    assert [len(line) for line in talks.lines] == [1, 3]
    assert (talks.number, talks.refuses, refuses.refuses, refuses.lines) == ("+1202555", "", "busy", ())


def test_people_named_on_the_command_line() -> None:
    """A number with what its human says, or with why nobody answers."""
    assert written_human("+12025550142=Front desk.") == WrittenHuman(number="+12025550142", says=("Front desk.",))
    assert written_human("+12025550142 = a = b") == WrittenHuman(number="+12025550142", says=("a = b",))
    for refusal in ("busy", "no answer"):
        assert written_human(f"+12025550142={refusal}") == WrittenHuman(number="+12025550142", refuses=refusal)


@pytest.mark.parametrize(
    "text", ["", "Maria", "=Hello", "12025550142=Hello", "+12025550142", "+12025550142=", "+12025550142=..."]
)
def test_a_person_who_cannot_be_is_refused(text: str) -> None:
    """No number, or nothing to say."""
    with pytest.raises(InputError, match="--human"):
        written_human(text)
