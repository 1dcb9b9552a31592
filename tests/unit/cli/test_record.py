"""patter record: recordings listed, drawn, written elsewhere, deleted; and what is said where there is none."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from patter_cli.audio.wav import read_sides, write_wav
from patter_cli.cli.app import app
from patter_cli.cli.ink import Ink
from patter_cli.cli.waveform import waveform
from patter_cli.core.journal import parse_journal
from patter_cli.core.plan import CallPlan
from patter_cli.observe.utterances import Utterance, utterances
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.testing import VirtualCall
from tests.unit.stores.calls import STARTED, Kept, begin, keep, record

PLAN = CallPlan(agent="shop", system_prompt="", first_message="Hello, this is the shop.")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqliteStore:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATTER_LOG_DIR", str(tmp_path / "calls"))
    return SqliteStore(tmp_path / "calls")


def held() -> VirtualCall:
    """A call with two turns, in the second of which the agent is cut off."""
    call = VirtualCall(PLAN, ["We are open from nine until six, every day but sunday, and in august from ten."])
    call.says("When do you open?", at=4000)
    call.says("And where is your office?", at=9000)
    call.run_until(20_000)
    return call


def recorded(store: SqliteStore, call_id: str = "LB1", started: float = STARTED, **facts: object) -> Path:
    """The same as a kept call with its sound: who speaks is as loud as a voice, the line hums a little."""
    call = held()
    kept = Kept(store, call_id, started)
    for line in call.journal.splitlines():
        kept.write(line)
    sides = np.full((20 * 8000, 2), 20, np.int16)
    for each in utterances(parse_journal(call.journal)).found:
        sides[each.begin * 8 : each.end * 8, 0 if each.who == "caller" else 1] = 9000
    path = kept.file.sound
    assert path is not None
    write_wav(path, sides, 8000)
    kept.end(record(call_id, started, recording_path=str(path), **facts))
    return path


def told(*arguments: str, code: int = 0, **more: str) -> str:
    result = CliRunner().invoke(app, ["record", *arguments], **more)
    assert result.exit_code == code, result.output
    return result.stderr if code > 1 else result.stdout


def test_only_recorded_calls_are_listed(store: SqliteStore) -> None:
    """Those made here, and those of which a carrier told; the youngest first, with filters."""
    assert "no call that fits is recorded" in CliRunner().invoke(app, ["record", "list"]).stderr
    recorded(store)
    keep(store, "LB2", STARTED + 10)
    carried = {"recording_id": "RE1", "url": "https://api.twilio.com/x", "duration_ms": 61_000}
    keep(store, "LB3", STARTED + 20, recording=carried, carrier="twilio", agent="desk")
    found = json.loads(told("list", "--json"))
    assert [each["call_id"] for each in found["recordings"]] == ["LB3", "LB1"]
    assert found["recordings"][0]["carrier_recording"] == carried
    assert (found["recordings"][1]["seconds"], found["recordings"][1]["bytes"]) == (20.0, 640_044)
    shown = told("list").splitlines()
    assert [line.split()[-1] for line in shown] == ["where", "twilio", "here"]
    assert "1:01" in shown[1]
    assert json.loads(told("list", "--agent", "desk", "--json"))["recordings"][0]["call_id"] == "LB3"
    assert json.loads(told("list", "--limit", "1", "--json"))["more"] is True


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("blocks", [False, True])
def test_a_recording_is_drawn(store: SqliteStore, width: int, colour: bool, blocks: bool) -> None:
    """No line is wider than the terminal, who speaks is high in their lane, and a turn's mark is below its voice."""
    path = recorded(store)
    sides, rate = read_sides(path)
    said = utterances(parse_journal(held().journal)).found
    lines = list(waveform(sides, rate, said, 0, Ink(colour=colour, blocks=blocks, width=width)))
    plain = [COLOURS.sub("", each) for each in lines]
    assert colour == any("\x1b" in each for each in lines)
    assert max(map(len, plain)) <= width
    marked = [place for place, each in enumerate(plain) if re.fullmatch(r" {14} *\^.*", each)]
    assert marked
    for place in marked:
        lane, below = plain[place - 2][14:], plain[place][14:]
        for found in re.finditer(r"\^([1-9])", below):
            voiced = lane[found.start() : found.start() + 3]
            assert voiced.strip(), (lane, below)
    text = "\n".join(plain)
    assert "When do you open?" in text
    assert "[cut off]" in text
    assert "^2" in text


def test_a_long_recording_has_few_strips(store: SqliteStore) -> None:
    """An hour is a screen, and so is a recording without an end of sound."""
    hour = np.zeros((3600 * 8000, 2), np.int16)
    drawn = list(waveform(hour, 8000, [], 0, Ink(colour=False, blocks=True, width=80)))
    assert sum("caller" in each for each in drawn) <= 12
    assert list(waveform(hour[:0], 8000, [], 0, Ink(colour=False, blocks=True, width=80)))
    one = list(waveform(hour[:80_000, :1], 8000, [], 0, Ink(colour=False, blocks=True, width=80)))
    assert any(each[7:11] == "both" for each in one)


def test_what_a_stranger_said_obeys_the_terminal() -> None:
    """Control characters are shown, not sent; long words are cut at the edge."""
    rude = Utterance(who="caller", begin=0, end=900, text="\x1b[2J" + "x" * 500, turn=1)
    drawn = list(waveform(np.zeros((8000, 2), np.int16), 8000, [rude], 0, Ink(colour=False, blocks=True, width=80)))
    assert "\x1b" not in "".join(drawn)


def test_show_prints_what_json_has(store: SqliteStore) -> None:
    """Times from the recording's beginning."""
    path = recorded(store)
    facts = json.loads(told("show", "last", "--json"))
    assert (facts["call_id"], facts["path"], facts["channels"], facts["seconds"]) == ("LB1", str(path), 2, 20.0)
    assert [each["who"] for each in facts["utterances"][:3]] == ["agent", "caller", "agent"]
    first = facts["utterances"][1]
    assert (first["text"], first["turn"], first["cut_off"]) == ("When do you open?", 1, False)
    assert 3900 < first["begin_ms"] < 4100
    assert "LB1  shop  answered" in told("show", "LB1")


def test_get_writes_one_side_or_both(store: SqliteStore, tmp_path: Path) -> None:
    """A side is a channel of its own; the folder must be there."""
    path = recorded(store)
    both, rate = read_sides(path)
    for word, count in (("both", 2), ("caller", 1), ("agent", 1)):
        out = tmp_path / f"{word}.wav"
        facts = json.loads(told("get", "last", "-o", str(out), "--channels", word, "--json"))
        assert facts == {"call_id": "LB1", "path": str(out), "format": "wav", "channels": count, "seconds": 20.0}
        sides, found_rate = read_sides(out)
        assert (sides.shape[1], found_rate) == (count, rate)
        assert np.array_equal(sides[:, 0], both[:, 1 if word == "agent" else 0])
    told("get", "LB1")
    assert (tmp_path / "LB1.wav").is_file()
    assert "mkdir -p" in told("get", "last", "-o", "none/x.wav", code=2)
    assert "it is a folder" in told("get", "last", "-o", str(tmp_path), code=2)
    assert "did you mean caller?" in told("get", "last", "--channels", "callr", code=2)


def test_no_room_and_no_file(store: SqliteStore, tmp_path: Path) -> None:
    """A full disk is told with what is lost; a device stays one, also where one may do anything."""
    recorded(store)
    assert "the disk is full" in told("get", "last", "-o", "/dev/full", code=2)
    told("get", "last", "-o", "/dev/null")
    assert Path("/dev/null").is_char_device()
    assert Path("/dev/full").is_char_device()
    export = CliRunner().invoke(app, ["logs", "export", "--out", "/dev/null"])
    assert (export.exit_code, Path("/dev/null").is_char_device()) == (0, True)
    assert "the disk is full" in CliRunner().invoke(app, ["logs", "export", "--out", "/dev/full"]).stderr


def test_mp3_is_ffmpegs(store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked where there is one, believed when it refuses, and missed in words."""
    recorded(store)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert "mp3 needs ffmpeg" in told("get", "last", "-o", "call.mp3", code=2)
    assert "there are wav, mp3" in told("get", "last", "--format", "ogg", code=2)
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nfor last; do :; done\n/usr/bin/head -c 3 > "$last"\n')
    program.chmod(0o755)
    told("get", "last", "-o", "call.mp3")
    assert (tmp_path / "call.mp3").read_bytes() == b"\x14\0\x14"
    program.write_text("#!/bin/sh\n/usr/bin/cat > /dev/null\necho 'Unknown encoder' >&2\nexit 1\n")
    assert "Unknown encoder" in told("get", "last", "--format", "mp3", "-o", "other", code=2)
    assert not (tmp_path / "other").exists()
    assert not list(tmp_path.glob("*.part"))


def test_a_damaged_recording(store: SqliteStore) -> None:
    """One that a killed recorder left is read as far as it goes; what is none is named."""
    path = recorded(store)
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + b"\0\0\0\0" + whole[8:40] + b"\0\0\0\0" + whole[44:100_001])
    assert 3.0 < json.loads(told("show", "last", "--json"))["seconds"] < 3.2
    path.write_text("not a sound")
    assert "it is not a WAV file" in told("show", "last", code=2)
    assert "it is not a WAV file" in told("get", "last", code=2)
    path.unlink()
    assert "was not recorded here" in told("get", "last", code=2)
    assert "patter serve --record" in told("show", "last", code=2)


def test_export_writes_what_there_is(store: SqliteStore, tmp_path: Path) -> None:
    """A file a call; one that cannot be read is named, the others are written, and the exit code says so."""
    recorded(store)
    recorded(store, "LB2", STARTED + 60)
    keep(store, "LB3", STARTED + 90)
    told("export", "out", "--channels", "agent")
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == ["LB1.wav", "LB2.wav"]
    broken = store.sound("LB2")
    assert broken is not None
    broken.write_text("no sound")
    facts = json.loads(told("export", "again", "--json", code=1))
    assert [each["call_id"] for each in facts["written"]] == ["LB1"]
    assert [each["call_id"] for each in facts["failed"]] == ["LB2"]
    (tmp_path / "file").write_text("")
    assert "name another" in told("export", "file", code=2)


def test_delete_asks_first(store: SqliteStore) -> None:
    """Without a terminal it wants a word; the call itself stays, and a live one is not touched."""
    path = recorded(store)
    assert "--yes deletes it" in told("delete", "last", code=2)
    assert path.exists()
    assert json.loads(told("delete", "LB1", "--yes", "--json")) == {"call_id": "LB1", "deleted": 1}
    assert not path.exists()
    kept = store.get("LB1")
    assert kept is not None
    assert kept.facts["recording_path"] is None
    assert kept.facts["history"]
    assert "there is no recording of call LB1" in told("delete", "LB1", "-y", code=2)
    live = begin(store, "LB9", STARTED + 100)
    assert live.file.sound is not None
    write_wav(live.file.sound, np.zeros((80, 2), np.int16), 8000)
    assert "still going on" in told("delete", "LB9", "-y", code=2)
    assert "there is no call 'X'" in told("delete", "X", "-y", code=2)


def test_a_copied_folder_has_its_own_recordings(store: SqliteStore, tmp_path: Path) -> None:
    """Though the record names where the first one lay."""
    first = recorded(store)
    assert CliRunner().invoke(app, ["logs", "backup", str(tmp_path / "copy")]).exit_code == 0
    first.unlink()
    facts = json.loads(told("list", "--json", env={"PATTER_LOG_DIR": str(tmp_path / "copy")}))
    assert Path(facts["recordings"][0]["path"]).is_relative_to(tmp_path / "copy")


@pytest.mark.parametrize("command", ["get", "show", "delete"])
def test_a_carrier_that_cannot_be_asked(store: SqliteStore, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """The built-in line keeps nothing; a carrier whose keys are not set is named with them."""
    for name in [each for each in os.environ if each.startswith(("TWILIO", "TELNYX"))]:
        monkeypatch.delenv(name)
    keep(store, "LB1")
    yes = ["--yes"] if command == "delete" else []
    assert "keeps no recordings" in told(command, "LB1", "--from-carrier", *yes, code=2)
    keep(store, "LB2", carrier="twilio", carrier_call_id=f"CA{1:032}")
    assert "TWILIO_ACCOUNT_SID" in told(command, "LB2", "--from-carrier", *yes, code=3)


def test_no_loudspeaker(store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, with the way out."""
    for name, value in {"XDG_RUNTIME_DIR": tmp_path, "HOME": tmp_path, "PULSE_SERVER": f"unix:{tmp_path}/none"}.items():
        monkeypatch.setenv(name, str(value))
    recorded(store)
    assert "patter record get" in told("play", "last", code=3)
