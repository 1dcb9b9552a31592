""".env.example is what Settings and the registry say, and can be read as a .env."""

from __future__ import annotations

from pathlib import Path

from patter_cli import env_example, registry
from patter_cli.setting_files import read_env_file
from patter_cli.settings import DEFAULTS, ROWS, load_settings

EXAMPLE = Path(__file__).parents[2] / ".env.example"


def test_it_is_fresh() -> None:
    """After a change: python -m patter_cli.env_example > .env.example"""
    assert EXAMPLE.read_text(encoding="utf-8") == env_example.render()


def test_it_names_every_variable_once() -> None:
    """Settings' and vendors'."""
    names = [line.lstrip("# ").partition("=")[0] for line in EXAMPLE.read_text().splitlines() if "=" in line]
    wanted = {row.variable for row in ROWS.values() if row.variable} | {
        key for row in registry.ROWS for key in row.keys
    }
    assert sorted(names) == sorted(wanted)


def test_a_copy_of_it_changes_nothing(tmp_path: Path) -> None:
    """Until somebody fills something in."""
    copy = tmp_path / ".env"
    copy.write_text(EXAMPLE.read_text())
    copy.chmod(0o600)
    found = load_settings(env_file=read_env_file(copy), environment={})
    assert (found.host, found.port, found.keys, found.warnings) == (DEFAULTS.host, DEFAULTS.port, {}, ())
