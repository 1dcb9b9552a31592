"""One value of all that is set, where each part of it came from, and that nobody else looks."""

from __future__ import annotations

import ast
import json
import os
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from patter_cli import Patter, keys
from patter_cli.errors import BadSetting, InputError, PatterError
from patter_cli.setting_files import ConfigFile, EnvFile, read_config
from patter_cli.settings import DEFAULTS, ROWS, Origin, Settings, load_settings
from patter_cli.text.redact import Redaction

ROOT = Path(__file__).parents[2]
READERS = {"settings.py", "keys.py"}
"""Who may look into the environment."""


def config(tmp_path: Path, text: str) -> ConfigFile:
    place = tmp_path / "patter.toml"
    place.write_text(text)
    return read_config(place)


def env_file(**values: str) -> EnvFile:
    return EnvFile(values=values, lines={name: line for line, name in enumerate(values, 1)})


def test_the_nearest_word_counts(tmp_path: Path) -> None:
    """Flags over environment over .env over patter.toml over defaults, and each value knows where it came from."""
    written = config(tmp_path, "[serve]\nport = 1\n")
    sources: dict[str, Any] = {}
    seen = [load_settings(environment={}, **sources)]
    for more in (
        {"config": written},
        {"env_file": env_file(PATTER_PORT="2")},
        {"environment": {"PATTER_PORT": "3"}},
        {"flags": {"port": 4}},
    ):
        sources |= more
        seen.append(load_settings(**{"environment": {}, **sources}))
    assert [each.port for each in seen] == [8000, 1, 2, 3, 4]
    assert [each.origin("port") for each in seen] == [
        Origin(source="default"),
        Origin(source="patter.toml", where=f"{tmp_path}/patter.toml:2: port"),
        Origin(source=".env", where=".env:1: PATTER_PORT"),
        Origin(source="environment", where="PATTER_PORT"),
        Origin(source="flag", where="--port"),
    ]


def test_it_cannot_be_changed() -> None:
    """Made once, by whoever starts."""
    with pytest.raises(FrozenInstanceError):
        load_settings().port = 1  # type: ignore[misc]


def test_every_setting_is_read_from_text(tmp_path: Path) -> None:
    """A variable has only text; patter.toml has types of its own; both come to the same."""
    texts = load_settings(
        environment={
            "PATTER_HOST": "::1",
            "PATTER_PORT": "9000",
            "PATTER_URL": "ws://x",
            "PATTER_LOG_DIR": "calls",
            "PATTER_REDACT": "digits",
            "NO_COLOR": "0",
            "PATTER_WEBHOOK_SECRET": "s3",
        }
    )
    typed = load_settings(
        environment={},
        config=config(
            tmp_path,
            'log-dir = "calls"\nredact = "digits"\nno_color = true\n[serve]\nhost = "::1"\nport = 9000\nmax_calls = 3\n'
            'drain-timeout = 2\n[simulate]\nurl = "ws://x"\n',
        ),
    )
    same = ("host", "port", "url", "log_dir", "redact", "no_color")
    assert [getattr(texts, name) for name in same] == [getattr(typed, name) for name in same]
    assert (texts.host, texts.port, texts.log_dir, texts.no_color) == ("::1", 9000, Path("calls"), True)
    assert typed.redact is Redaction.DIGITS
    assert (typed.max_calls, typed.drain_timeout_s, texts.webhook_secret) == (3, 2.0, "s3")


def test_limits_are_read_from_where_they_belong(tmp_path: Path) -> None:
    """How often we ring and are rung, and who may not call; a typo in those is blamed on its line."""
    written = config(
        tmp_path,
        "[call]\nmax_per_number_minute = 1\nmax-per-number-day = 2\nmax_per_day = 3\n"
        '[serve]\nmax_per_caller = 4\nmax_per_caller_hour = 5\nblocked = ["+4479*", "anonymous", "+14155550123"]\n',
    )
    settings = load_settings(environment={}, config=written)
    assert (settings.max_per_number_minute, settings.max_per_number_day, settings.max_per_day) == (1, 2, 3)
    assert (settings.max_per_caller, settings.max_per_caller_hour) == (4, 5)
    assert settings.blocked == ("+14155550123", "+4479*", "anonymous")
    assert load_settings(environment={"PATTER_BLOCKED": "+4479*,anonymous"}).blocked == ("+4479*", "anonymous")
    assert settings.busy_message == DEFAULTS.busy_message != ""
    for said in ("", "Ruf später an."):
        there = config(tmp_path, f'[serve]\nbusy_message = "{said}"\n')
        assert load_settings(environment={}, config=there).busy_message == said
    too_long = f'[serve]\nbusy_message = "{"a" * 501}"'
    no_text = "[serve]\nbusy_message = false"
    for wrong in ('[serve]\nblocked = ["4479"]', "[serve]\nblocked = 7", "[call]\nmax_per_day = 0", too_long, no_text):
        with pytest.raises(BadSetting, match=r"patter\.toml:2"):
            load_settings(environment={}, config=config(tmp_path, wrong))


def test_an_empty_variable_says_nothing() -> None:
    """As `PATTER_PORT= patter serve` is typed to mean."""
    assert load_settings(environment=dict.fromkeys((row.variable for row in ROWS.values()), "")) == DEFAULTS


@pytest.mark.parametrize("port", ["many", "-1", "65536", "1.5", "", "٣", " ", "1e3", "True"])
def test_a_wrong_value_is_blamed_on_where_it_stands(tmp_path: Path, port: str) -> None:
    """File, line and key; a variable; a flag, which is a mistake in the command and not in the set-up."""
    written = config(tmp_path, f"# mine\n[serve]\nport = '{port}'\n")
    with pytest.raises(BadSetting, match=r"patter\.toml:3: port cannot be ") as raised:
        load_settings(environment={}, config=written)
    assert "whole number from 0 to 65535" in raised.value.hint
    with pytest.raises(InputError, match="--port"):
        load_settings(flags={"port": port}, environment={})
    if port:
        with pytest.raises(BadSetting, match=r"\.env:2: PATTER_PORT"):
            load_settings(environment={}, env_file=env_file(A="1", PATTER_PORT=port))
        with pytest.raises(BadSetting, match=r"^PATTER_PORT"):
            load_settings(environment={"PATTER_PORT": port})


@pytest.mark.parametrize(
    "url",
    [
        *("http://x", "x", "ws://", "ws://x:99999", "ws://x:port", "ws://[::1", "ws://a b", "ws://x/#part", "5", " "),
        *("ws:///path", "ws://x:0/", "wss:x", "ws://x/\x1b[31m"),
    ],
)
def test_an_address_that_cannot_be_called_is_blamed_too(tmp_path: Path, url: str) -> None:
    """Before anything is loaded: a port that is none, another scheme, no host."""
    with pytest.raises(BadSetting, match=r"^PATTER_URL cannot be ") as raised:
        load_settings(environment={"PATTER_URL": url})
    assert "ws://HOST:PORT/PATH" in raised.value.hint
    with pytest.raises(InputError, match=r"^--url cannot be "):
        load_settings(flags={"url": url}, environment={})
    written = config(tmp_path, f"[simulate]\nurl = {json.dumps(url)}\n")
    with pytest.raises(BadSetting, match=r"patter\.toml:2: url cannot be "):
        load_settings(environment={}, config=written)


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ({"PATTER_PROT": "1"}, ["PATTER_PROT is no setting of ours; did you mean PATTER_PORT?"]),
        ({"PATTER_LOGDIR": "x"}, ["PATTER_LOGDIR is no setting of ours; did you mean PATTER_LOG_DIR?"]),
        ({"PATTER_PROT": "1", "PATTER_PORT": "2"}, []),
        ({"PATTER_CALENDAR": "x", "PART_PORT": "1"}, []),
    ],
)
def test_a_variable_that_is_nearly_ours_is_named(there: dict[str, str], said: list[str]) -> None:
    """Of the environment, where only names with our prefix are looked at, and while the right one is not set."""
    assert list(load_settings(environment=there).warnings) == said


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("OPENAI_API_KYE", "OPENAI_API_KEY"),
        ("OPENAI_APIKEY", "OPENAI_API_KEY"),
        ("PATTER_HSOT", "PATTER_HOST"),
        ("PATTER_WEBHOK_SECRET", "PATTER_WEBHOOK_SECRET"),
    ],
)
def test_a_name_in_env_that_is_nearly_right_is_named(name: str, meant: str) -> None:
    """With its line; a vendor's key as well as a setting."""
    warnings = load_settings(environment={}, env_file=env_file(**{"A": "1", name: "x" * 20})).warnings
    assert warnings[0] == f".env:2: {name} is no setting of ours; did you mean {meant}?"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("port", "true"),
        ("port", "1.0"),
        ("port", "[1]"),
        ("host", "5"),
        ("host", "''"),
        ("host", "[]"),
        ("max-calls", "0"),
        ("drain-timeout", "-1"),
        ("drain-timeout", "nan"),
        ("drain-timeout", "inf"),
        ("drain-timeout", "true"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(tmp_path: Path, key: str, value: str) -> None:
    """TOML's own types are not bent until they fit."""
    with pytest.raises(BadSetting, match=f":2: {key} cannot be"):
        load_settings(environment={}, config=config(tmp_path, f"[serve]\n{key} = {value}\n"))


@pytest.mark.parametrize("level", ["Digits", "all", "1", "true"])
def test_a_level_that_does_not_exist_is_refused(level: str) -> None:
    """Rather than taken for off."""
    with pytest.raises(BadSetting, match="PATTER_REDACT cannot be") as raised:
        load_settings(environment={"PATTER_REDACT": level})
    assert "off, cards, numbers, digits, words" in raised.value.hint


def test_a_secret_is_not_shown() -> None:
    """Neither where settings are printed, nor where one of them is wrong."""
    settings = load_settings(
        environment={"PATTER_WEBHOOK_SECRET": "hidden"}, env_file=env_file(OPENAI_API_KEY="sk-hidden")
    )
    assert "hidden" not in repr(settings)
    with pytest.raises(PatterError) as raised:
        load_settings(environment={"PATTER_WEBHOOK_SECRET": "hid\0den"})
    assert "hid" not in str(raised.value)


def test_an_env_file_changes_nothing_but_the_look_up_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its keys are found behind the environment's; the process itself is left as it was."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    before = dict(os.environ)
    settings = load_settings(env_file=env_file(OPENAI_API_KEY="sk-file", PATTER_PORT="9000"))
    keys.stand_behind(settings.keys)
    try:
        assert dict(os.environ) == before
        assert keys.look_up("OPENAI_API_KEY") == "sk-file"
        assert keys.look_up("PATTER_PORT") == ""
        monkeypatch.setenv("OPENAI_API_KEY", "sk-shell")
        assert keys.look_up("OPENAI_API_KEY") == "sk-shell"
    finally:
        keys.stand_behind({})
    monkeypatch.delenv("OPENAI_API_KEY")
    assert keys.look_up("OPENAI_API_KEY") == ""


def test_who_set_a_variable_is_remembered() -> None:
    """For `patter agents show`, which tells what an agent's own file has set since."""
    settings = load_settings(environment={"A": "1", "B": ""}, env_file=env_file(A="2", B="2"))
    assert settings.variables == {"A": "environment", "B": ".env"}


def test_what_is_likely_not_meant_is_said() -> None:
    """A misspelt variable, and a key that everybody can read; an agent's own variables are its own."""
    open_file = EnvFile(values={"PATTER_PROT": "1", "PATTER_CALENDAR": "x", "A_KEY": "k"}, world_readable=True)
    misspelt, readable = load_settings(environment={}, env_file=open_file).warnings
    assert "did you mean PATTER_PORT" in misspelt
    assert "chmod 600 .env" in readable
    assert load_settings(environment={}, env_file=EnvFile(values={"A": "1"}, world_readable=True)).warnings == ()


def test_a_program_has_the_environment_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Patter reads no file that happens to lie where it was started, and says at once what is wrong."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("PATTER_PORT=many\n")
    (tmp_path / "patter.toml").write_text("nonsense")
    Patter()
    monkeypatch.setenv("PATTER_PORT", "many")
    with pytest.raises(BadSetting, match="PATTER_PORT"):
        Patter()


def test_every_row_is_a_field() -> None:
    """A setting that nothing holds would be read for nothing."""
    assert set(ROWS) < set(Settings.__dataclass_fields__)


def _looks(tree: ast.AST) -> list[int]:
    """Lines that reach for the environment or the raw command line, however they are written."""
    names = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv", "load_dotenv", "dotenv_values"}
    lines = []
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) | ast.Name(id=name) | ast.alias(name=name) if name in names:
                lines.append(node.lineno)
            case ast.keyword(arg="envvar" | "auto_envvar_prefix"):
                lines.append(node.value.lineno)
            case ast.Attribute(value=ast.Name(id="sys"), attr="argv"):
                lines.append(node.lineno)
            case _:
                pass
    return lines


def test_nobody_else_looks_into_the_environment() -> None:
    """Settings and the look-up of keys do; all others are told."""
    found = {
        str(path.relative_to(ROOT / "patter_cli")): lines
        for path in (ROOT / "patter_cli").rglob("*.py")
        if (lines := _looks(ast.parse(path.read_text())))
    }
    # Programs of their own: what they are told comes from whoever starts them.
    programs = {"__main__.py", "tunnels/keeper.py", "testing/vendors/__main__.py", "tui/svg.py"}
    writers = {"reference.py", "completion_files.py"}
    # And what puts back what an agent's code has changed there, between one call and the next.
    assert set(found) == READERS | programs | writers | {"simulate/fuzz/run.py"}


@pytest.mark.parametrize(
    "code",
    ["import os\nos.getenv('A')", "from os import environ", "from os import getenv as g", "f(envvar='A')", "sys.argv"],
)
def test_the_check_itself_sees(code: str) -> None:
    """Every way of looking."""
    assert _looks(ast.parse(code))


def test_the_page_about_calls_shows_the_defaults(tmp_path: Path) -> None:
    """Copied as it stands, it changes nothing."""
    page = (ROOT / "docs" / "calling.md").read_text()
    (block,) = [each.partition("```")[0] for each in page.split("```toml\n")[1:]]
    names = [line.split(" = ")[0] for line in block.splitlines() if " = " in line]
    settings = load_settings(environment={}, config=config(tmp_path, block))
    assert {name: getattr(settings, name) for name in names} == {name: getattr(DEFAULTS, name) for name in names}
