"""patter.toml and .env as they are read: every value with its line, every mistake with file, line and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from patter_cli.errors import BadSetting, InputError, PatterError
from patter_cli.setting_files import ConfigFile, EnvFile, read_config, read_env_file

KNOWN = {
    (): frozenset({"log_dir"}),
    ("serve",): frozenset({"port", "max_calls"}),
    ("agents",): frozenset[str](),
    ("agents", "show"): frozenset({"json"}),
}


def config(tmp_path: Path, text: str | bytes) -> ConfigFile:
    place = tmp_path / "patter.toml"
    place.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_config(place)


def env(tmp_path: Path, text: str | bytes) -> EnvFile:
    place = tmp_path / ".env"
    place.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_env_file(place)


def test_without_files_nothing_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is only looked for need not be there, and one in a folder above is somebody else's."""
    (tmp_path / ".env").write_text("A=1\n")
    (tmp_path / "patter.toml").write_text("[serve]\nport = 1\n")
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    assert read_config(None) == ConfigFile()
    assert read_env_file(None) == EnvFile()


def test_one_that_was_named_must_be_there(tmp_path: Path) -> None:
    """Otherwise what it says would be missed without a word."""
    with pytest.raises(InputError, match=r"no\.toml"):
        read_config(tmp_path / "no.toml")
    with pytest.raises(InputError, match=r"no\.env"):
        read_env_file(tmp_path / "no.env")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[serve]\nport = 1\n", 2),
        ("# [serve]\n\n[ serve ] # here\n\nport=1", 5),
        ("serve.port = 1", 1),
        ("\nserve = { port = 1 }", 2),
        ("[agents.show]\njson = true\n['serve']\n'port' = 1", 4),
        ('a = """\n[serve]\nport = 2\n"""\n[serve]\nport = 1', 6),
        ("[serve]\r\nport = 1\r\n", 2),
        ("\ufeff[serve]\nport = 1\n", 2),
    ],
)
def test_a_key_knows_its_line(tmp_path: Path, text: str, line: int) -> None:
    """However the section is written."""
    written = config(tmp_path, text)
    assert written.find(("serve",), "port") == ("port", 1)
    assert written.where("serve", "port") == f"{tmp_path}/patter.toml:{line}: port"


def test_dashes_and_underscores_are_alike(tmp_path: Path) -> None:
    """Keys are written as flags are, or as names."""
    assert config(tmp_path, "[serve]\nmax-calls = 5\n").find(("serve",), "max_calls") == ("max-calls", 5)
    assert config(tmp_path, "[serve]\nmax_calls = 5\n").find(("serve",), "max_calls") == ("max_calls", 5)
    assert config(tmp_path, "").find(("serve",), "max_calls") is None


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("[serve]\nprot = 1", ":2: prot is no setting of [serve]", "port"),
        ("[serve]\nmax-cals = 1", ":2: max-cals", "max-calls"),
        ("\n[sevre]\nport = 1", ":2: sevre is no setting of the file's top", "serve"),
        ("port = 1", ":1: port is no setting of the file's top", "[serve]"),
        ("[serve]\nlog-dir = 'x'", ":2: log-dir", "above the first section"),
        ("[agents.shwo]\njson = true", ":1: shwo is no setting of [agents]", "show"),
        ("[serve]\nxyz = 1", ":2: xyz", "known there: max-calls, port"),
        ("[serve.port]\nx = 1", ":1: port is no single value", "port = …"),
        ("serve = 7", ":1: serve is not a section", "[serve]"),
        ("[[serve]]\nport = 7", ":1: serve is not a section", "[serve]"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_right_one(tmp_path: Path, text: str, said: str, hint: str) -> None:
    """With its file and line, also in the section of another command."""
    with pytest.raises(BadSetting) as raised:
        config(tmp_path, text).refuse_unknown(KNOWN)
    assert said in str(raised.value)
    assert hint in raised.value.hint


def test_what_is_known_is_not_refused(tmp_path: Path) -> None:
    """In every section there is."""
    config(tmp_path, "log_dir = 'x'\n[serve]\nport = 1\n[agents.show]\njson = true\n").refuse_unknown(KNOWN)


@pytest.mark.parametrize(
    ("content", "line"),
    [("[serve", 1), ("\nport = = 1\n", 2), ("a = '", 1), (b"a = 1\nb = '\xff'", 2), ("a=1\na=2", 2)],
)
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: str | bytes, line: int) -> None:
    """With the line, and what to do about it."""
    with pytest.raises(BadSetting, match=rf"patter\.toml:{line}: this is no") as raised:
        config(tmp_path, content)
    assert "--config" in raised.value.hint


def test_an_env_file_is_read_as_it_always_was(tmp_path: Path) -> None:
    """Quotes, comments, export, blank lines, a byte order mark, names of lines above; an empty value says nothing."""
    read = env(tmp_path, "\ufeffA=1\n\n# note\nexport B='two words' # more\nC=${A}${B}\nD=\nE\n")
    assert read.values == {"A": "1", "B": "two words", "C": "1two words"}
    assert [read.where(name) for name in "ABC"] == [
        f"{tmp_path}/.env:{n}: {x}" for n, x in ((1, "A"), (4, "B"), (5, "C"))
    ]


def test_an_env_file_cannot_ask_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project's file that says PATTER_URL=ws://elsewhere/${SECRET} gets no secret of ours."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert env(tmp_path, "PATTER_URL=ws://elsewhere/${OPENAI_API_KEY}\n").values == {"PATTER_URL": "ws://elsewhere/"}


@pytest.mark.parametrize(
    "name",
    [
        "PATTER_INSECURE",
        "PATTER_REQUIRE_SIGNATURE",
        "PATTER_TRUST_ENV",
        "OPENAI_BASE_URL",
        "DEEPGRAM_ENDPOINT",
        "HTTPS_PROXY",
        "all_proxy",
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
    ],
)
def test_an_env_file_cannot_switch_security_off(tmp_path: Path, name: str) -> None:
    """What decides whether we check, or who hears the callers, is said to be refused; its value is not repeated."""
    with pytest.raises(BadSetting, match=rf"\.env:2: {name} is not taken from a file") as raised:
        env(tmp_path, f"A=1\n{name}=hidden\n")
    assert "hidden" not in str(raised.value) + raised.value.hint
    assert "leave it out" in raised.value.hint


@pytest.mark.parametrize(
    ("content", "line"), [(b"A=1\n\xff\xfe=1\n", 2), (b"\nPATTER_PORT=1\x002\n", 2), (b"A=1\nno value here\n", 2)]
)
def test_a_broken_env_file_is_named(tmp_path: Path, content: bytes, line: int) -> None:
    """With its line, and what to do about it."""
    with pytest.raises(BadSetting, match=rf"\.env:{line}: ") as raised:
        env(tmp_path, content)
    assert "--env-file" in raised.value.hint


def test_a_file_of_secrets_is_for_its_owner(tmp_path: Path) -> None:
    """Whether others can read it is known; values are never printed with it."""
    read = env(tmp_path, "OPENAI_API_KEY=sk-hidden\n")
    assert "hidden" not in repr(read)
    (tmp_path / ".env").chmod(0o604)
    assert read_env_file(tmp_path / ".env").world_readable
    (tmp_path / ".env").chmod(0o600)
    assert not read_env_file(tmp_path / ".env").world_readable


def test_a_file_without_permission_is_no_bug_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Like one that is broken."""

    def refuse(*_: object, **__: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "x").write_text("")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    for read in (read_config, read_env_file):
        with pytest.raises(PatterError, match="x cannot be read: you are not allowed to"):
            read(tmp_path / "x")
