"""[numbers] of patter.toml: who answers which number, and every mistake at its line with what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from patter_cli.errors import BadSetting
from patter_cli.number_routes import SECTION, by_number
from patter_cli.setting_files import ConfigFile, read_config
from patter_cli.settings import Settings, load_settings


def settings(tmp_path: Path, text: str) -> Settings:
    return load_settings(config=config(tmp_path, text), environment={})


def config(tmp_path: Path, text: str) -> ConfigFile:
    (tmp_path / "patter.toml").write_text(text)
    return read_config(tmp_path / "patter.toml")


def test_numbers_lead_to_agents(tmp_path: Path) -> None:
    """Several may lead to one; without the section there are none."""
    text = '[numbers]\n"+14155550123" = "desk"\n"+14155550124" = "orders"\n\'+442079460000\' = "desk"\n'
    routes = settings(tmp_path, text).numbers
    assert by_number(routes, ["desk", "orders", "menu"]) == {
        "+14155550123": "desk",
        "+14155550124": "orders",
        "+442079460000": "desk",
    }
    assert [each.where.rpartition("/")[2] for each in routes] == [
        "patter.toml:2: +14155550123",
        "patter.toml:3: +14155550124",
        "patter.toml:4: +442079460000",
    ]
    assert settings(tmp_path, "").numbers == ()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("14155550123", "+14155550123"),
        ("+1 (415) 555-0123", "+14155550123"),
        ("0044 20 7946 0000", "+442079460000"),
        ("+1.415.555.0123", "+14155550123"),
    ],
)
def test_a_number_that_is_nearly_one(tmp_path: Path, written: str, meant: str) -> None:
    """File, line and key, and how it is written."""
    with pytest.raises(BadSetting, match=r"patter\.toml:3: .* is no phone number") as raised:
        settings(tmp_path, f'[numbers]\n\n"{written}" = "desk"\n')
    assert raised.value.hint == f'did you mean "{meant}"?'


@pytest.mark.parametrize("written", ["555-0123", "reception", "+", "+0123456789", "+1415555012345678", "+1415CALLNOW"])
def test_a_number_whose_country_nobody_knows(tmp_path: Path, written: str) -> None:
    """Nothing is guessed: the form is shown."""
    with pytest.raises(BadSetting, match="is no phone number") as raised:
        settings(tmp_path, f'[numbers]\n"{written}" = "desk"\n')
    assert '"+14155550123" = "receptionist"' in raised.value.hint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[numbers]\n"+14155550123" = 7', "patter.toml:2: [+]14155550123 cannot be 7"),
        ('[numbers]\n"+14155550123" = " "', "patter.toml:2: [+]14155550123 cannot be ' '"),
        ('[numbers."+14155550123"]\nagent = "desk"', "[+]14155550123 cannot be a section"),
        ("numbers = 7", "patter.toml:1: numbers is not a section"),
    ],
)
def test_what_is_no_agent(tmp_path: Path, text: str, said: str) -> None:
    """A number leads to one agent, by its name."""
    with pytest.raises(BadSetting, match=said) as raised:
        settings(tmp_path, text)
    assert raised.value.hint


def test_an_agent_that_there_is_not(tmp_path: Path) -> None:
    """The line, and the nearest that there is."""
    routes = settings(tmp_path, '[numbers]\n"+14155550123" = "recptionist"\n').numbers
    with pytest.raises(BadSetting, match=r"patter.toml:2: \+14155550123: no agent is called 'recptionist'") as raised:
        by_number(routes, ["orders", "receptionist"])
    assert raised.value.hint == "did you mean 'receptionist'? there are: orders, receptionist"
    with pytest.raises(BadSetting, match="no agent") as raised:
        by_number(routes, ["zoo"])
    assert raised.value.hint == "there are: zoo"


def test_the_section_has_no_keys_of_ours(tmp_path: Path) -> None:
    """What stands in it is looked at by who reads it, and not taken for a misspelt setting."""
    known = {(): frozenset({"log_dir"}), ("serve",): frozenset({"port"}), SECTION: None}
    config(tmp_path, '[numbers]\n"+14155550123" = "desk"\n').refuse_unknown(known)
    with pytest.raises(BadSetting, match="number is no setting") as raised:
        config(tmp_path, '[number]\n"+14155550123" = "desk"\n').refuse_unknown(known)
    assert "numbers" in raised.value.hint
