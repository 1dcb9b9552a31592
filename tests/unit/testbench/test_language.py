"""Everything that a scenario may say, said to a real agent on virtual time: what holds, and what does not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from patter_cli.errors import InputError
from tests.unit.testbench.shop import HOURS as SHOP_HOURS
from tests.unit.testbench.shop import NUMBER, held

HOURS = '[[step]]\nsay = "When do you open?"\n'


def expected(folder: Path, text: str) -> list[tuple[str, bool]]:
    """What was expected, and whether it held."""
    return [(each.expected, each.passed) for each in held(folder, text).verdicts]


@pytest.mark.parametrize(
    ("expects", "holds"),
    [
        ('expect = "open at 9"', True),
        ('expect = "open at ten"', False),
        (f'exactly = "{SHOP_HOURS}"', True),
        ('exactly = "We open at nine."', False),
        ("matches = 'close at (five|six)'", True),
        ("matches = ['nine', '^never']", False),
        ('never = "sorry"', True),
        ('never = "six in the evening"', False),
        ("within_ms = 1500", True),
        ("within_ms = 5", False),
        ('tool = {name = "book", times = 0}', True),
        ('tool = "book"', False),
        ('keys = "1"', False),
    ],
)
def test_a_step_expects(tmp_path: Path, expects: str, holds: bool) -> None:
    """Of the answer to it: words in four ways, a time, tools and keys."""
    assert all(passed for _, passed in expected(tmp_path, f"{HOURS}{expects}\n")) is holds


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ('[[step]]\nsay = "A table for four."\ntool = {name = "book", arguments = {people = 4, day = "friday"}}', True),
        ('[[step]]\nsay = "A table for four."\ntool = {name = "book", arguments = {people = 5}}', False),
        ('[[step]]\nsay = "A table for four."\ntool = {name = "book", result = "booked", times = 1}', True),
        ('[[step]]\nsay = "A table."\n[[expect.tool]]\nname = "book"\n[[expect.tool]]\nname = "x"\ntimes = 0', True),
        (f'[[step]]\nsay = "A person, please."\n[expect]\ntransfer = "{NUMBER}"\nreason = "transferred"', True),
        ('[[step]]\nsay = "A person, please."\n[expect]\ntransfer = "none"', False),
        (f'{HOURS}[expect]\ntransfer = "none"\ntool = {{name = "book", times = 0}}', True),
        (f'{HOURS}[expect]\ntransfer = "{NUMBER}"', False),
        (f'{HOURS}[expect]\np50_ms = 2000\np95_ms = 2000\nmax_silence_ms = 2000\nmax_duration_ms = 60000', True),
        (f"{HOURS}[expect]\np95_ms = 10", False),
        (f"{HOURS}[expect]\nmax_duration_ms = 3000", False),
        ('[[step]]\nsay = "Is it in stock?"\n[[step]]\nwait_for = "two left"\n[expect]\nmax_silence_ms = 9000', True),
        ('[[step]]\nsay = "Is it in stock?"\n[[step]]\nwait_for = "two left"\n[expect]\nmax_silence_ms = 1500', False),
        (f'{HOURS}[expect]\ninterruptions = 0\nmax_cost_usd = 0.01', True),
        (f'{HOURS}[[step]]\ninterrupt = "Stop."\nafter_ms = 700\n[expect]\ninterruptions = 1', True),
        (f'{HOURS}[[step]]\ninterrupt = "Stop."\nafter_ms = 700\n[expect]\nmax_interruptions = 0', False),
        (f'{HOURS}[expect]\nexactly = "The Blue Door hello"', False),
        (f"{HOURS}[expect]\nsays = [\"Blue Door\", \"nine\"]\nmatches = 'six'\nnever = \"booked\"", True),
    ],
)  # fmt: skip
def test_a_whole_call_expects(tmp_path: Path, text: str, holds: bool) -> None:
    """Tools with arguments, transfers, percentiles, silence, interruptions, cost, and its words."""
    human = f'\n[[human]]\nnumber = "{NUMBER}"\nsays = ["Front desk."]\n'
    verdicts = held(tmp_path, text + human).verdicts
    assert verdicts
    assert all(each.passed for each in verdicts) is holds, verdicts


def test_a_caller_cuts_in_at_a_word(tmp_path: Path) -> None:
    """No sooner and not much later; at words that never come it says so and speaks in its turn."""
    call = held(tmp_path, f'{HOURS}[[step]]\ninterrupt = "Stop, please."\nafter_words = "in the morning"\n')
    cut = call.heard[1].text
    assert cut.startswith("We open at nine in the morning")
    assert "every day" not in cut
    assert call.folds.facts.interruptions == 1
    deaf = held(tmp_path, f'{HOURS}[[step]]\ninterrupt = "Stop, please."\nafter_words = "in the afternoon"\n')
    assert deaf.steps[1].note == "the agent did not say 'in the afternoon'"
    assert deaf.folds.facts.interruptions == 0


def test_a_caller_waits_for_words(tmp_path: Path) -> None:
    """The next step comes when they were heard; those that do not come are a failure that says what was heard."""
    call = held(tmp_path, f'{HOURS}[[step]]\nwait_for = "at nine"\n[[step]]\ninterrupt = "Stop."\nafter_ms = 0\n')
    assert [(each.expected, each.passed) for each in call.verdicts] == [("at nine", True)]
    assert "evening" not in call.heard[1].text
    late = held(tmp_path, f'{HOURS}[[step]]\nwait_for = "tomorrow"\nwithin_ms = 3000\n')
    assert late.verdicts[0].passed is False
    assert "six in the evening" in late.verdicts[0].heard
    assert late.steps[1].note == "it was not heard within 3000 ms"


def test_a_caller_lets_time_pass_and_stays_silent(tmp_path: Path) -> None:
    """Waiting begins at once; a silence begins when it is the caller's turn, and may be asked about."""
    call = held(
        tmp_path,
        f'{HOURS}[[step]]\nwait_ms = 1000\n[[step]]\nsilent_ms = 20000\nmatches = "still there"\n'
        '[[step]]\nsay = "Goodbye."\nexpect = "goodbye"\n[expect]\nreason = "agent"\nmax_silence_ms = 2500\n',
    )
    assert call.failed == []
    waited, silent = call.steps[1:3]
    assert waited.at_ms - waited.began_ms == 1000
    assert silent.at_ms - silent.began_ms > 20_000
    assert call.passed


def test_keys_and_recordings(tmp_path: Path) -> None:
    """Keys go to the agent; a recording cannot be heard without sound."""
    from patter_cli.audio.tone import dtmf
    from patter_cli.audio.wav import write_wav

    assert held(tmp_path, '[[step]]\npress = "1#"\nexpect = "when we are open"\n').passed
    write_wav(tmp_path / "a.wav", dtmf("5", 8000), 8000)
    with pytest.raises(InputError, match="nobody hears it here"):
        held(tmp_path, '[[step]]\nwav = "a.wav"\n')


def test_variables_stand_in_every_text(tmp_path: Path) -> None:
    """Those of the file, and those of the command before them; one that nobody gives is told with its line."""
    step = '[[step]]\nsay = "{what} for four."\nexpect = "booked for {day}"\n'
    text = f'[variables]\nwhat = "A table"\nday = "Friday"\n{step}'
    assert held(tmp_path, text).passed
    assert not held(tmp_path, text, variables={"day": "Monday"}).passed
    assert held(tmp_path, '[[step]]\nsay = "{what}?"\n', variables={"what": "Open"}).steps[0].step.text == "Open?"
    assert held(tmp_path, '[[step]]\nsay = "{open}?"\n').steps[0].step.text == "{open}?"
    with pytest.raises(InputError) as caught:
        held(tmp_path, text.replace("{what}", "{waht}"))
    assert str(caught.value).endswith("talk.toml:5: [[step]] 1: say has {waht}, and no variable is called that")
    assert caught.value.hint == "did you mean 'what'?"


def test_what_failed_is_told_with_its_line(tmp_path: Path) -> None:
    """The line of the very key, and where what was heard differs."""
    whole = '[expect]\noutcome = "answered"\nsays = "tea"\n'
    call = held(tmp_path, f'{HOURS}expect = "open at ten in the morning"\n\n{whole}')
    first, second = call.failed
    assert (first.step, first.line) == (1, 3)
    assert "open at [-ten-] [+nine+] in the morning" in first.differs
    assert (second.step, second.line, second.expected) == (None, 7, "tea")


def test_ten_minutes_take_a_second(tmp_path: Path) -> None:
    """A caller who is silent for minutes costs no time."""
    text = "".join('[[step]]\nsay = "When do you open?"\n[[step]]\nwait_ms = 20000\n' for _ in range(30))
    began = time.perf_counter()
    call = held(tmp_path, text)
    took_s = time.perf_counter() - began
    assert call.duration_ms > 600_000
    assert call.passed
    assert took_s < 5.0  # on a machine that does other things, too; 0.7 s alone
