"""Readers of files that a stranger may have written or a crash torn: settings, agents as they are listed, journals."""

from __future__ import annotations

import json
import math
import random
import re
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from patter_cli.cli.discovery import find_agents
from patter_cli.contracts.store import AbandonedCall
from patter_cli.core.plan import CallPlan
from patter_cli.errors import PatterError
from patter_cli.observe.cost import LIST_PRICES
from patter_cli.observe.explain import explain
from patter_cli.observe.interrupted import _entries, _record, _whose
from patter_cli.observe.replayed import replay_call
from patter_cli.observe.silenced import silenced
from patter_cli.observe.story import CallStory
from patter_cli.setting_files import read_config, read_env_file
from patter_cli.settings import ROWS, load_settings
from patter_cli.testing import VirtualCall
from patter_cli.text.redact import Redaction
from patter_cli.text.redacted import redacted_line

CONFIG = (
    'log_dir = "calls"\nkeep-days = 30\nmax_spend_per_day = 20.5\n\n[serve]\nport = 8123\nwebhook_url = "a.example"\n'
    'blocked = ["+4479*", "anonymous"]\n\n[call]\nhours = "08:00-20:00"\nallow = ["GB", "premium"]\n'
    'max_per_day = 1_000\n\n[numbers]\n"+14155550123" = "receptionist"\n',
    "serve.port = 0x1F90\nserve = { port = 1 }\n[call]\nconcurrency = 1e3\nwhen = 1979-05-27T07:32:00Z\n"
    "text = '''\n[serve]\n'''\nlist = [ 1, [ true, nan ], { a.b = 'c' } ] # here\n[[numbers]]\n",
)
ENV = (
    "PATTER_PORT=8123\nexport PHONE_NUMBER='+14155550123' # ours\nWEBHOOK_URL=\"a.example\"\nOPENAI_API_KEY=sk-$X${Y}\n"
    "PATTER_MAX_SPEND_PER_DAY=20\nPATTER_CALLING_HOURS=08:00-21:00\nTEXT='two\nlines'\n\nPATTER_ALLOW=GB, premium\n",
    'A="\\n\\t\\"\\u0041"\nB=${A:-${C:-d}}\nPATTER_KEEP_DAYS=\nOPENAI_BASE_URL=http://evil.example\nE\n',
)
AGENTS = (
    '"""A shop.\n\nMore."""\n\nimport patter_cli as p\n\nagent = p.Agent("Be brief.")\nother: object = p.Agent("x")\n\n'
    "async def on_message(event):\n    yield f'{event.text!r:>{10}}'\n",
    "# -*- coding: latin-1 -*-\nfrom shop import agent\nmatch 1:\n    case [1, *_] | {'a': 1}:\n        agent = None\n",
)


@cache
def _folder() -> Path:
    """For this process: what is in it is written over again and again."""
    place = Path(tempfile.mkdtemp(prefix="patter-fuzz-"))
    (place / "agents").mkdir()
    return place


def _told(error: PatterError) -> str:
    """In a word; a person can read it and do something."""
    assert str(error).strip(), error
    assert len(str(error)) < 100_000
    return type(error).__name__


def _settings_read(work: Callable[[], None]) -> str:
    try:
        work()
    except PatterError as error:
        return _told(error)
    return "read"


def config_reader(dice: random.Random) -> Callable[[str], str]:
    """patter.toml, as each command reads it."""
    place = _folder() / "patter.toml"
    known: dict[tuple[str, ...], set[str]] = {}
    for row in ROWS.values():
        if row.section is not None:
            known.setdefault(row.section, set()).add(row.flag)
    sections: Mapping[tuple[str, ...], frozenset[str] | None] = {
        **{path: frozenset(keys) for path, keys in known.items()},
        ("numbers",): None,
    }

    def read(text: str) -> str:
        place.write_bytes(text.encode("utf-8", "surrogatepass"))

        def work() -> None:
            config = read_config(place)
            load_settings(config=config, environment={})
            config.refuse_unknown(sections)

        return _settings_read(work)

    return read


def env_reader(dice: random.Random) -> Callable[[str], str]:
    """.env: what it must not decide stays undecided."""
    place = _folder() / ".env"

    def read(text: str) -> str:
        place.write_bytes(text.encode("utf-8", "surrogatepass"))

        def work() -> None:
            found = read_env_file(place)
            for name in filter(re.compile(r"\w+").fullmatch, found.values):  # nobody reads any other
                assert not name.endswith(("_BASE_URL", "_PROXY", "_proxy")), name
                assert "INSECURE" not in name or not name.startswith("PATTER_"), name
            load_settings(env_file=found, environment={})

        return _settings_read(work)

    return read


def agents_reader(dice: random.Random) -> Callable[[str], str]:
    """agents/*.py, as they are listed: parsed, never run."""
    place = _folder() / "agents" / "shop.py"

    def read(text: str) -> str:
        place.write_bytes(text.encode("utf-8", "surrogatepass"))
        found = find_agents(_folder())
        return "none" if not found else "listed" if found[0].error is None else "broken"

    return read


@cache
def journals() -> tuple[str, ...]:
    """Two short calls as the store keeps them."""
    plan = CallPlan(agent="shop", system_prompt="", first_message="Hello.", records=True)
    call = VirtualCall(plan, ["We open at nine. And close at six.", "Bye."])
    call.says("When do you open?", at=2000)
    call.says("Stop! Who is there?", at=5200)
    call.presses("12", at=9000)
    call.run_until(14_000)
    quiet = VirtualCall(CallPlan(agent="shop", system_prompt="", first_message="Hi."), ["Yes."])
    quiet.run_until(4000)
    return tuple(each.journal for each in (call, quiet))


def journal_reader(dice: random.Random) -> Callable[[str], str]:
    """A call's journal, by everything that reads one: lists, stories, replays, explanations, the next start."""

    def read(text: str) -> str:
        lines = text.split("\n")
        story = CallStory().read(lines)
        json.dumps(story.render())
        entries = list(_entries(lines))
        call = AbandonedCall(call_id="C1", lines=lines, finish=lambda facts: None)
        record = _record(call, entries, LIST_PRICES)
        assert math.isfinite(record["duration"] or 0)
        json.dumps(record)
        _whose("C1", entries)
        for side in silenced(entries, Redaction.WORDS):
            assert side.begin_ms >= 0
        for line in lines:
            redacted_line(line.encode("utf-8", "surrogatepass"), Redaction.WORDS)
        if entries and dice.random() < 0.05:  # each is a call run again, many times
            json.dumps(replay_call(entries).render())
            explain(entries)
        return "whole" if len(entries) == len(lines) - 1 else "torn" if entries else "nothing"

    return read
