"""The settings as doctor shows them: value and source of each, and no secret."""

from __future__ import annotations

from pathlib import Path

from patter_cli.doctor.shown_settings import shown_settings
from patter_cli.setting_files import read_config, read_env_file
from patter_cli.settings import ROWS, load_settings

SECRET = "abcdefghijklmnopqrstuvwxyz1234"


def test_each_value_has_its_source(tmp_path: Path) -> None:
    """The nearest word is shown, with the line it stands on; of a secret only its end."""
    (tmp_path / "patter.toml").write_text(
        '[serve]\nport = 8123\nmax-calls = 3\nblocked = ["+4479*", "anonymous"]\n[numbers]\n"+14155550123" = "desk"\n'
    )
    (tmp_path / ".env").write_text(f"PATTER_SECRET_KEY={SECRET}\nPATTER_HOST=0.0.0.0\n")
    (tmp_path / ".env").chmod(0o600)
    settings = load_settings(
        flags={"max_calls": 7},
        env_file=read_env_file(tmp_path / ".env"),
        config=read_config(tmp_path / "patter.toml"),
        environment={"PATTER_KEEP_DAYS": "30"},
    )
    shown = {each.name: each for each in shown_settings(settings)}
    told = {name: (each.value, each.source) for name, each in shown.items() if each.source != "default"}
    assert told == {
        "PATTER_SECRET_KEY": ("****1234", ".env"),
        "keep_days": ("30", "environment"),
        "numbers.+14155550123": ("desk", "patter.toml"),
        "serve.blocked": ("+4479*, anonymous", "patter.toml"),
        "serve.host": ("0.0.0.0", ".env"),
        "serve.max_calls": ("7", "flag"),
        "serve.port": ("8123", "patter.toml"),
    }
    assert shown["serve.port"].where.endswith("patter.toml:2: port")
    assert shown["serve.max_calls"].where == "--max-calls"
    assert shown["numbers.+14155550123"].where.endswith("patter.toml:6: +14155550123")
    assert SECRET not in str(shown)


def test_every_setting_is_shown() -> None:
    """Also those that nobody has set, with what holds instead."""
    shown = {each.name: each.value for each in shown_settings(load_settings(environment={}))}
    assert len(shown) == len(ROWS)
    assert shown["serve.port"] == "8000"
    assert shown["call.hours"] == "08:00-21:00"
    assert shown["redact"] == "off"
    assert shown["PATTER_WEBHOOK_SECRET"] == "not set"
    assert shown["serve.recording"] == "no"
